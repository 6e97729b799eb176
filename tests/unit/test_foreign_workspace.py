"""A workspace of another user is not used unseen, and `python -m trainconf` runs nothing that lies in the current folder."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Shell
from trainconf.errors import UserError
from trainconf.paths import SAFE_WORKSPACES, find_workspace

NOBODY = pwd.getpwnam("nobody").pw_uid
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")


@as_root
@pytest.mark.parametrize("foreign", ["conf", ".trainconf", "runs", ".", "conf is a link"])
def test_a_workspace_of_another_user_is_refused(tmp_path: Path, foreign: str) -> None:
    below = tmp_path / "below"
    below.mkdir()
    for name in ("conf/experiment", ".trainconf", "runs", "elsewhere/experiment"):
        (tmp_path / name).mkdir(parents=True)
    if foreign == "conf is a link":
        (tmp_path / "conf" / "experiment").rmdir()
        (tmp_path / "conf").rmdir()
        (tmp_path / "conf").symlink_to("elsewhere")
        foreign = "elsewhere"
    assert find_workspace(str(below)).root == str(tmp_path)
    os.chown(tmp_path / foreign, NOBODY, -1)
    for folder in (below, tmp_path):
        with pytest.raises(UserError, match="belongs to another user"):
            find_workspace(str(folder))


@as_root
def test_a_workspace_of_another_user_can_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".trainconf").mkdir()
    os.chown(tmp_path / ".trainconf", NOBODY, -1)
    for allowed in (str(tmp_path), f"/nowhere:{tmp_path}/", "*"):
        monkeypatch.setenv(SAFE_WORKSPACES, allowed)
        assert find_workspace(str(tmp_path)).root == str(tmp_path)
    for refused in ("", "/nowhere", str(tmp_path.parent), ":"):
        monkeypatch.setenv(SAFE_WORKSPACES, refused)
        with pytest.raises(UserError):
            find_workspace(str(tmp_path))


@as_root
def test_who_used_sudo_is_not_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".trainconf").mkdir()
    os.chown(tmp_path / ".trainconf", NOBODY, -1)
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    assert find_workspace(str(tmp_path)).root == str(tmp_path)


@as_root
def test_a_planted_config_runs_nothing_and_is_told(shell: Shell) -> None:
    planted = shell.write("conf/experiment/digits.yaml", "# @package _global_\nscript: evil.py\n").parents[1]
    os.chown(planted, NOBODY, -1)
    (shell.root / "mine").mkdir()
    for words in ([], ["plan"], ["config"], ["ls"], ["-m", "params.lr=1,2"], ["freeze"], ["gc"], ["--cfg", "job"]):
        answer = shell(*words, cwd=shell.root / "mine")
        assert (answer.code, len(answer.told)) == (2, 1), answer
        assert SAFE_WORKSPACES in answer.err
    assert "digits" in shell("--help", cwd=shell.root / "mine").out
    assert shell.run_dirs() == []


def test_a_workspace_above_the_current_folder_is_named(workspace: Shell) -> None:
    workspace.write("conf/local.yaml", "")
    workspace.write("deep/file", "")
    assert f"workspace: {workspace.root}\n" in workspace("plan", *workspace.script(), cwd=workspace.root / "deep").err
    assert "workspace:" not in workspace("plan", *workspace.script()).err


@pytest.mark.parametrize("flags", [[], ["-P"], ["-I"]])
def test_python_m_trainconf_imports_nothing_from_the_current_folder(shell: Shell, flags: list[str]) -> None:
    if flags and sys.version_info < (3, 11):
        pytest.skip("-P came with Python 3.11")
    for name in ("yaml", "json", "sqlite3", "hydra", "omegaconf", "argparse", "socket", "hydra_plugins"):
        shell.write(f"{name}.py", "import os\nos.mkdir('sprung')\n")
    done = subprocess.run(
        [sys.executable, *flags, "-m", "trainconf", "config", "experiment=adhoc", "command=[true]"], cwd=shell.root,
        env={**shell.env, "PYTHONPATH": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert not (shell.root / "sprung").exists(), done
    assert done.returncode == 0, done
