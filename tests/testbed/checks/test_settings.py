"""tests/testbed/settings: what pip is told here, without what makes no sense inside a build."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from tests.testbed.marks import TESTBED


def settings(folder: Path, pip_conf: str = "", **env: str) -> tuple[dict[str, str], dict[str, str]]:
    """The words it prints, by key, and the options it writes; the machine's own pip configuration is out of sight."""
    (folder / "user.conf").write_text(pip_conf)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PIP_CONFIG_FILE": os.devnull, "XDG_CONFIG_HOME": str(folder)} | env
    (folder / "pip").mkdir()
    (folder / "pip" / "pip.conf").write_text(pip_conf)
    if pip_conf:
        del env["PIP_CONFIG_FILE"]
    told = subprocess.run([sys.executable, TESTBED / "settings", folder], env=env, check=True, stdout=subprocess.PIPE, text=True)
    config = RawConfigParser()
    config.read(folder / "pip.conf")
    return dict(word.split("=", 1) for word in told.stdout.splitlines()), dict(config["global"]) if config.has_section("global") else {}


def test_the_network_is_the_hosts(tmp_path: Path) -> None:
    words, options = settings(tmp_path)
    assert words["env.docker.build.network"] == "host"
    assert options == {}
    assert "env.docker.build.pip_config" not in words


def test_an_index_travels_and_a_folder_of_wheels_does_not(tmp_path: Path) -> None:
    _, options = settings(tmp_path, PIP_INDEX_URL="https://user:p%40ss@mirror.example/simple", PIP_FIND_LINKS="/wheels https://mirror.example/more")
    assert options == {"index-url": "https://user:p%40ss@mirror.example/simple", "find-links": "https://mirror.example/more"}


def test_a_variable_is_stronger_than_a_file(tmp_path: Path) -> None:
    _, options = settings(tmp_path, "[global]\nretries = 3\ntimeout = 7\n", PIP_RETRIES="9")
    assert options["retries"] == "9"
    assert options["timeout"] == "7"


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    settings(tmp_path, PIP_INDEX_URL="https://user:pass@mirror.example/simple")
    assert stat.S_IMODE((tmp_path / "pip.conf").stat().st_mode) == 0o600


def test_a_proxy_of_the_machine_is_one_of_the_build(tmp_path: Path) -> None:
    _, options = settings(tmp_path, https_proxy="http://proxy.example:3128")
    assert options == {"proxy": "http://proxy.example:3128"}


@pytest.mark.parametrize("name", ["PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_the_machines_certificates_are_the_builds(tmp_path: Path, name: str) -> None:
    bundle = tmp_path / "it's a bundle.pem"
    bundle.write_text("")
    words, options = settings(tmp_path, **{name: str(bundle)})
    assert words["env.docker.build.ca_file"] == "'{}'".format(str(bundle).replace("'", "\\'"))
    assert options == {}
