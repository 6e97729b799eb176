"""The marker `docker`: a test that has it runs with an engine, is skipped with the reason, or fails where CI could have had one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testbed.marks import TESTBED, could_be_up

ROOT = TESTBED.parents[1]
MARKED = """\
import pytest

@pytest.fixture
def needs_it_too():
    raise AssertionError("set up before it was known that there is an engine")

@pytest.mark.docker
@pytest.mark.parametrize("which", [1, 2])
def test_marked(which, needs_it_too): pass

def test_not_marked(): pass
"""


def pytest_says(folder: Path, **env: str) -> str:
    """What pytest says of a module with marked tests, where no engine answers."""
    (folder / "test_marked.py").write_text(MARKED)
    env = os.environ | {"PYTHONPATH": str(ROOT), "DOCKER_HOST": f"unix://{folder}/nobody.sock"} | env
    asked = [sys.executable, "-m", "pytest", "-rs", "-p", "tests.testbed.engine", "-p", "no:cacheprovider"]
    asked += ["-o", "markers=docker", f"--rootdir={folder}", f"--basetemp={folder}/tmp", str(folder)]
    return subprocess.run(asked, cwd=folder, env=env, stdout=subprocess.PIPE, text=True).stdout


def test_without_an_engine_a_marked_test_is_skipped_with_the_reason(tmp_path: Path) -> None:
    told = pytest_says(tmp_path, CI="", COLUMNS="400")
    assert "1 passed, 2 skipped" in told
    assert re.search(r"SKIPPED .* docker: Cannot connect|SKIPPED .* docker: there is no docker command", told)


def test_without_an_engine_a_marked_test_fails_where_ci_could_have_had_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    expected = "1 passed, 2 errors" if could_be_up() else "1 passed, 2 skipped"
    assert expected in pytest_says(tmp_path, CI="true")


@pytest.mark.docker
def test_a_marked_test_has_an_engine_that_runs_containers(docker_engine: str) -> None:
    ran = subprocess.run(["docker", "run", "--rm", "trainconf-testbed/busybox:1", "echo", "it runs"], stdout=subprocess.PIPE, text=True)
    assert ran.stdout == "it runs\n", f"at {docker_engine}"


@pytest.mark.docker
def test_the_base_image_is_like_the_official_one(docker_base_image: str) -> None:
    looked = """\
import os, sys, sysconfig
print("python:%d.%d-slim" % sys.version_info[:2], os.path.exists(sysconfig.get_path("stdlib") + "/EXTERNALLY-MANAGED"))
"""
    ran = subprocess.run(["docker", "run", "--rm", docker_base_image, "python", "-c", looked], stdout=subprocess.PIPE, text=True)
    assert (ran.returncode, ran.stdout) == (0, f"{docker_base_image} False\n")
    made = ["docker", "run", "--rm", docker_base_image, "sh", "-c", "python -m venv /venv && /venv/bin/pip --version"]
    assert subprocess.run(made, stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.docker
def test_the_empty_image_has_no_shell(docker_engine: str) -> None:
    ran = subprocess.run(["docker", "run", "--rm", "trainconf-testbed/empty:1", "sh"], stderr=subprocess.PIPE, text=True)
    assert ran.returncode == 127, f"at {docker_engine}"
    assert subprocess.run(["docker", "run", "--rm", "trainconf-testbed/empty:1"]).returncode == 0
