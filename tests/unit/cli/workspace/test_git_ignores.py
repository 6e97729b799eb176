"""git sees nothing of what trainconf keeps, and a submission that fails leaves nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.conftest import Shell
from trainconf.paths import WorkspacePaths
from trainconf.submission.run_id import claim_run_dir, remove_run_dir


def test_git_sees_nothing_of_runs_and_state(tmp_path: Path) -> None:
    for name in ("folder", "home"):
        (tmp_path / name).mkdir()
    workspace = Shell(tmp_path / "folder", tmp_path / "home")
    subprocess.run(["git", "init", "-q"], cwd=workspace.root, env=workspace.env, check=True)
    workspace.write("train.py", "print(1)")
    assert workspace("train.py").code == 0
    status = subprocess.run(["git", "status", "--porcelain"], cwd=workspace.root, env=workspace.env, check=True, stdout=subprocess.PIPE)
    assert status.stdout == b"?? train.py\n"


def test_what_was_half_made_goes_with_it_and_what_a_user_did_stays(tmp_path: Path) -> None:
    workspace = WorkspacePaths(str(tmp_path))
    first = claim_run_dir(workspace, "one")
    remove_run_dir(first)
    assert not (tmp_path / "runs").exists()
    first, second = claim_run_dir(workspace, "one"), claim_run_dir(workspace, "two")
    remove_run_dir(first)
    assert (tmp_path / "runs/.gitignore").read_text() == "*\n"
    (tmp_path / "runs/.gitignore").unlink()
    claim_run_dir(workspace, "three")
    remove_run_dir(second)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["three"]
