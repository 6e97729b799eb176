from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from trainconf.history import git
from trainconf.process import Completed, Processes, processes

WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
ENV = {**os.environ, **WHO, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def run_git(folder: str, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, env=ENV, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """A clean repository with one commit on `main`, at a hostile path."""
    root = os.path.join(str(tmp_path), os.fsdecode(b"re po'\n%\xff"))
    os.makedirs(os.path.join(root, "sub"))
    run_git(root, "init", "-q", "-b", "main")
    write(root, "train.py", b"print(1)\n")
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "one")
    return root


def write(root: str, name: str, data: bytes) -> None:
    with open(os.path.join(root, name), "wb") as stream:
        stream.write(data)


def facts(folder: str, runner: Processes = processes) -> git.GitFacts:
    found = git.facts(folder, runner)
    assert found is not None
    return found


def test_a_clean_repository_is_told_by_one_child_process(repository: str) -> None:
    asked = []

    class Counting(Processes):
        def run(self, argv, **options):  # type: ignore[no-untyped-def]
            asked.append(argv)
            return super().run(argv, **options)

    found = facts(repository, Counting())
    assert found.commit == run_git(repository, "rev-parse", "HEAD")
    assert (found.branch, found.dirty, found.root, found.patch, found.note) == ("main", False, repository, b"", "")
    assert len(asked) == 1


def test_no_repository_is_no_facts_and_no_process(tmp_path: Path) -> None:
    class Refusing(Processes):
        def run(self, argv, **options):  # type: ignore[no-untyped-def]
            raise AssertionError(argv)

    assert git.facts(str(tmp_path), Refusing()) is None


def test_the_patch_rebuilds_the_tracked_files_staged_and_binary_ones_included(repository: str, tmp_path: Path) -> None:
    clone = str(tmp_path / "clone")
    run_git(str(tmp_path), "clone", "-q", repository, clone)
    write(repository, "train.py", b"print(2)\n")
    write(repository, "binary", bytes(range(256)))
    run_git(repository, "add", "binary")
    write(repository, "new.py", b"")
    found = facts(os.path.join(repository, "sub"))  # the whole repository counts, not only the folder
    assert found.dirty is True
    assert (found.untracked, found.untracked_count) == (["new.py"], 1)
    subprocess.run(["git", "apply", "--binary"], input=found.patch, cwd=clone, check=True)
    for name in ("train.py", "binary"):
        assert Path(clone, name).read_bytes() == Path(repository, name).read_bytes()


def test_configuration_that_changes_how_diffs_look_does_not_change_the_patch(repository: str) -> None:
    write(repository, "train.py", b"print(2)\n")
    plain = facts(repository).patch
    for key, value in {"diff.noprefix": "true", "color.ui": "always", "diff.external": "false", "diff.mnemonicPrefix": "true"}.items():
        run_git(repository, "config", key, value)
    assert facts(repository).patch == plain != b""


def test_programs_named_by_the_configuration_are_not_run(repository: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    write(repository, ".gitattributes", b"*.py diff=trap\n")
    write(repository, "train.py", b"print(2)\n")
    for key in ("core.fsmonitor", "diff.external", "diff.trap.textconv", "diff.trap.command", "core.pager"):
        run_git(repository, "config", key, str(trap))
    assert facts(repository).patch
    assert not (tmp_path / "sprung").exists()


def test_untracked_names_are_counted_and_the_first_hundred_told(repository: str) -> None:
    for number in range(150):
        write(repository, f"new{number}", b"")
    write(repository, os.fsdecode(b"\xff\n"), b"")
    found = facts(repository)
    assert (found.dirty, found.untracked_count, len(found.untracked)) == (True, 151, 100)
    assert found.patch == b""


def test_what_runs_write_does_not_make_a_tree_dirty(repository: str) -> None:
    for name in ("runs", ".trainconf", "outputs", "logs"):
        os.mkdir(os.path.join(repository, name))
        write(repository, f"{name}/file", b"")
    assert facts(repository).dirty is False


def test_a_renamed_file_is_dirty_and_its_old_name_is_not_taken_for_a_record(repository: str) -> None:
    run_git(repository, "mv", "train.py", "? odd name")
    found = facts(repository)
    assert (found.dirty, found.untracked) == (True, [])
    assert b"rename to" in found.patch


def test_a_repository_without_a_commit_is_told_as_such(tmp_path: Path) -> None:
    run_git(str(tmp_path), "init", "-q", "-b", "main")
    write(str(tmp_path), "a", b"")
    run_git(str(tmp_path), "add", "a")
    found = facts(str(tmp_path))
    assert (found.branch, found.commit, found.dirty) == ("main", None, True)
    assert "no commit yet" in found.note


def test_a_detached_head_has_no_branch(repository: str) -> None:
    run_git(repository, "checkout", "-q", "--detach")
    found = facts(repository)
    assert found.branch is None
    assert found.commit


def test_a_worktree_knows_the_main_repository_s_remote(repository: str, tmp_path: Path) -> None:
    run_git(repository, "remote", "add", "origin", "https://host/x.git")
    tree = str(tmp_path / "tree")
    run_git(repository, "worktree", "add", "-q", "-b", "side", tree)
    found = facts(tree)
    assert (found.branch, found.root, found.repository) == ("side", tree, "https://host/x.git")


def test_a_submodule_is_a_repository_of_its_own(repository: str, tmp_path: Path) -> None:
    outer = str(tmp_path / "outer")
    os.mkdir(outer)
    run_git(outer, "init", "-q", "-b", "main")
    run_git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", repository, "inner")
    found = facts(os.path.join(outer, "inner"))
    assert found.commit == run_git(repository, "rev-parse", "HEAD")
    assert found.root == os.path.join(outer, "inner")


def test_the_branch_s_own_remote_comes_before_origin(repository: str) -> None:
    assert facts(repository).repository is None
    run_git(repository, "remote", "add", "other", "git@host:me/x.git")
    assert facts(repository).repository == "git@host:me/x.git"
    run_git(repository, "remote", "add", "origin", "https://user:secret@host/x.git?token=secret")
    assert facts(repository).repository == "https://host/x.git"
    run_git(repository, "config", "branch.main.remote", "other")
    assert facts(repository).repository == "git@host:me/x.git"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ghp_secret@host/x.git", "https://host/x.git"),
        ("https://user:p@ss@host:8443/x.git#secret", "https://host:8443/x.git"),
        ("http://host", "http://host"),
        ("ssh://git@host:22/x.git", "ssh://git@host:22/x.git"),
        ("ssh://git:secret@host/x.git", "ssh://git@host/x.git"),
        ("git@host:x.git", "git@host:x.git"),
        ("/srv/a b.git", "/srv/a b.git"),
        ("file:///srv/x.git", "file:///srv/x.git"),
    ],
)
def test_an_address_is_shown_without_credentials(url: str, shown: str) -> None:
    assert git.without_credentials(url) == shown


def test_variables_of_a_git_hook_do_not_point_elsewhere(repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = str(tmp_path / "other")
    os.mkdir(other)
    run_git(other, "init", "-q", "-b", "elsewhere")
    monkeypatch.setenv("GIT_DIR", os.path.join(other, ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", os.path.join(other, ".git", "index"))
    assert facts(repository).branch == "main"


def test_a_repository_of_somebody_else_becomes_a_note(repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    found = facts(repository)
    assert found.commit is None
    assert found.dirty is None
    assert "safe.directory" in found.note


def test_a_broken_repository_becomes_a_note(tmp_path: Path) -> None:
    os.mkdir(tmp_path / ".git")
    assert facts(str(tmp_path)).note
    os.rmdir(tmp_path / ".git")
    (tmp_path / ".git").write_bytes(b"gitdir: /nowhere\xff\n")
    assert facts(str(tmp_path)).note


def test_a_machine_without_git_becomes_a_note(repository: str) -> None:
    class Missing(Processes):
        def run(self, argv, **options):  # type: ignore[no-untyped-def]
            return Completed(argv, 127, b"", b"", found=False)

    assert facts(repository, Missing()).note == "git is not installed"


def test_git_json_holds_everything_but_the_patch(repository: str) -> None:
    assert set(facts(repository).to_dict()) == {"repository", "branch", "commit", "dirty", "root", "untracked", "untracked_count", "note"}


def test_asking_leaves_the_repository_untouched(repository: str) -> None:
    index = os.path.join(repository, ".git", "index")
    os.utime(os.path.join(repository, "train.py"))  # git would refresh its index now, if it were let
    before = Path(index).read_bytes()
    facts(repository)
    assert Path(index).read_bytes() == before
