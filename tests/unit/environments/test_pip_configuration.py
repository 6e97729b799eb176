"""pip's configuration in uv's words, and when it is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.environments.pip_configuration import uv_variables


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    return tmp_path


def environ(home: Path, **variables: str) -> dict[str, str]:
    return {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "none"), **variables}


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
    assert "UV_DEFAULT_INDEX" not in uv_variables(environ(home, **pip), str(project))
