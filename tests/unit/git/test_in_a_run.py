"""What a run's record says of git, through the front door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Shell
from tests.unit.git.test_facts import run_git


@pytest.fixture
def committed(shell: Shell) -> Shell:
    """A workspace whose source is a committed repository, with nothing else in it."""
    shell.write("train.py", "print(1)\n")
    shell.write(".gitignore", "runs/\n.trainconf/\n*.ignored\n")
    root = str(shell.root)
    run_git(root, "init", "-q", "-b", "main")
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "one")
    return shell


def shown(shell: Shell) -> dict[str, str]:
    """The lines of `show` under git, by label."""
    assert (done := shell(*shell.script())).code == 0, done
    lines = shell("show", "last").out.split("\ngit\n")[1].split("\n\n")[0].splitlines()
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}


def test_a_clean_tree_is_told_as_such(committed: Shell) -> None:
    assert shown(committed)["dirty"] == "no"


def test_the_patch_is_named_only_where_there_is_one(committed: Shell) -> None:
    committed.write("new.py", "")
    said = shown(committed)
    assert (said["dirty"], said["untracked"]) == ("yes", "1, in the snapshot")
    committed.write("train.py", "print(2)\n")
    assert shown(committed)["dirty"] == "yes: see uncommitted.patch"


def test_untracked_files_that_did_not_travel_are_not_called_recorded(committed: Shell) -> None:
    committed.write("new.py", "")
    committed.write("left/out.py", "")
    committed.write(".trainconfignore", "left/\n")
    assert shown(committed)["untracked"] == "3; 2 in the snapshot"


def test_a_large_binary_is_not_copied_into_the_patch_of_every_run(committed: Shell) -> None:
    (committed.root / "model.bin").write_bytes(bytes(range(256)) * 20_000)
    run_git(str(committed.root), "add", "model.bin")
    assert "model.bin: binary or large" in shown(committed)["note"]
    run_dir = Path(json.loads(committed("show", "last", "--json").out)["run_dir"])
    assert (run_dir / "uncommitted.patch").stat().st_size < 1000
    assert (run_dir / "code" / "model.bin").stat().st_size == 5_120_000


def test_a_clean_filter_does_not_run_at_submission_freeze_or_run(committed: Shell) -> None:
    root, sprung = str(committed.root), committed.home / "sprung"
    committed.write(".gitattributes", "*.py filter=trap\n")
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "two")
    for key in ("clean", "smudge"):
        run_git(root, "config", f"filter.trap.{key}", f"touch '{sprung}'; cat")
    (committed.root / "train.py").touch()
    assert committed(*committed.script()).code == 0
    assert committed("freeze", *committed.script(), "-o", "a.lock.yaml").code == 0
    assert committed("run", "a.lock.yaml").code == 0
    assert not sprung.exists()
    run_git(root, "status")
    assert sprung.exists()
