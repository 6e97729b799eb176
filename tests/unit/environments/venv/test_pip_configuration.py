"""pip's configuration in uv's words, and when it is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.environments.venv.pip_configuration import ignored_settings, pip_environ, reach_of, uv_environ


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    return tmp_path


def environ(home: Path, **variables: str) -> dict[str, str]:
    return {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "none"), **variables}


def uv_variables(environ: dict[str, str], root: str) -> dict[str, str]:
    """What uv is told on top of what it inherits."""
    ours = {"UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never"}
    return {name: value for name, value in uv_environ(environ, root).items() if (name, value) not in (environ | ours).items()}


def test_a_mirror_from_files_and_variables_reaches_uv(home: Path) -> None:
    (home / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://a.example/simple\nextra-index-url =\n  https://b.example/simple\n  https://c.example/simple\n"
        "[install]\nfind-links = /wheels /more\ntrusted-host = a.example\ntimeout = 9\n[list]\nindex-url = https://z.example\n"
    )
    found = uv_variables(environ(home, PIP_CERT="/ca.pem", PIP_PROXY="http://p.example:3128"), str(home))
    assert found == {
        "UV_DEFAULT_INDEX": "https://a.example/simple", "UV_INDEX": "https://b.example/simple https://c.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match", "UV_FIND_LINKS": "/wheels,/more", "SSL_CERT_FILE": "/ca.pem",
        "ALL_PROXY": "http://p.example:3128", "UV_INSECURE_HOST": "a.example", "UV_HTTP_TIMEOUT": "9",
    }
    assert uv_variables(environ(home, PIP_INDEX_URL="https://d.example"), str(home))["UV_DEFAULT_INDEX"] == "https://d.example"
    assert "UV_DEFAULT_INDEX" not in uv_variables(environ(home, PIP_CONFIG_FILE="/dev/null"), str(home))


def test_what_the_user_told_uv_is_left_alone(home: Path) -> None:
    pip = {"PIP_INDEX_URL": "https://a.example", "PIP_CERT": "/ca.pem", "PIP_CONFIG_FILE": "/dev/null"}
    assert "UV_DEFAULT_INDEX" not in uv_variables(environ(home, **pip, UV_INDEX="https://u.example"), str(home))
    assert "SSL_CERT_FILE" not in uv_variables(environ(home, **pip, SSL_CERT_FILE="/mine.pem"), str(home))
    project = home / "project"
    project.mkdir()
    assert "UV_DEFAULT_INDEX" in uv_variables(environ(home, **pip), str(project))
    (project / "pyproject.toml").write_text("[project]\nname='x'\n[[tool.uv.index]]\nurl='https://u.example'\n")
    assert "UV_DEFAULT_INDEX" not in uv_variables(environ(home, **pip), str(project))
    (project / "pyproject.toml").write_text("[tool.other]\nindex = 1\n")
    assert "UV_DEFAULT_INDEX" in uv_variables(environ(home, **pip), str(project))
    (home / ".config" / "uv").mkdir()
    (home / ".config" / "uv" / "uv.toml").write_text("index-url = 'https://u.example'\n")
    assert uv_variables(environ(home, **pip), str(project))["UV_DEFAULT_INDEX"] == "https://u.example"


def test_what_uvs_files_say_of_places_reaches_it_though_it_reads_none(home: Path) -> None:
    (home / ".config" / "uv").mkdir()
    (home / ".config" / "uv" / "uv.toml").write_text(
        "offline = true\nresolution = 'lowest'\nfind-links = ['./wheels']\n[pip]\nno-deps = true\nextra-index-url = ['https://e.example']\n"
        "[[index]]\nname = 'ours'\nurl = 'https://o.example'\n[[index]]\nurl = 'https://x.example'\nname = 'x'\nexplicit = true\n"
    )
    found = uv_variables(environ(home, UV_INDEX="https://v.example", UV_CONSTRAINT="/c.txt", PIP_CONFIG_FILE="/dev/null"), str(home))
    assert found == {
        "UV_OFFLINE": "true", "UV_FIND_LINKS": f"{home}/.config/uv/wheels",
        "UV_INDEX": "https://v.example ours=https://o.example https://e.example",
    }
    around = environ(home, PIP_CONFIG_FILE="/dev/null")
    assert ignored_settings(around | {"UV_CONSTRAINT": "/c.txt"}, str(home)) == ["UV_CONSTRAINT", "no-deps (uv)", "resolution (uv)"]
    assert ignored_settings(around | {"UV_NO_CONFIG": "1"}, str(home)) == []


def test_pip_reads_no_file_and_is_told_of_places_only(home: Path) -> None:
    conf = home / ".config" / "pip" / "pip.conf"
    conf.write_text(
        "[global]\nindex-url = https://a.example\nextra-index-url =\n  https://b.example\n  https://c.example\n"
        "constraint = /c.txt\ntarget = /t\n"
    )
    around = environ(home, PIP_NO_BINARY=":all:", PIP_USER="1", PIP_RETRIES="9", PYTHONPATH="/x", VIRTUAL_ENV="/v", CONDA_PREFIX="/c")
    found = pip_environ(around)
    assert {name: value for name, value in found.items() if name not in ("HOME", "XDG_CONFIG_DIRS", "PIP_CERT")} == {
        "PIP_CONFIG_FILE": "/dev/null", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_INDEX_URL": "https://a.example",
        "PIP_EXTRA_INDEX_URL": "\nhttps://b.example\nhttps://c.example", "PIP_RETRIES": "9",
    }
    assert ignored_settings(around, str(home)) == ["constraint (pip)", "no-binary (pip)"]
    written = home / "written.conf"
    written.write_text(reach_of(str(conf)))
    assert reach_of(str(written)) == written.read_text()
    assert "constraint" not in written.read_text()
    assert "https://c.example" in written.read_text()
