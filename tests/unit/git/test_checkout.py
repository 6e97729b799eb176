from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.git.test_facts import make_repository, outer, run_git, trapped, write
from trainconf.process import processes
from trainconf.snapshot import SnapshotStore, hash_tree
from trainconf.submission.code import take_from_git

__all__ = ["outer", "trapped"]


@pytest.fixture
def repository(tmp_path: Path) -> str:
    """As that of the facts, with its folder in the commit: git keeps no empty folder, and a snapshot does."""
    root = make_repository(tmp_path)
    write(root, "sub/a.py", b"")
    commit_all(root)
    return root


def found_in_git(source: str, tmp_path: Path, *, commit: str = "") -> str:
    """Why the code of a folder as it is now cannot be taken from its commit; empty when it can."""
    store = SnapshotStore(str(tmp_path / "store"))
    return take_from_git(commit or run_git(source, "rev-parse", "HEAD"), hash_tree(source), source, store)


def commit_all(root: str) -> None:
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "more")


def test_a_committed_tree_is_found_and_an_edited_one_is_not(repository: str, tmp_path: Path) -> None:
    assert found_in_git(repository, tmp_path) == ""
    write(repository, "train.py", b"print(2)\n")
    assert found_in_git(repository, tmp_path).endswith("is here, and its tree is different")
    assert "is not in this clone" in found_in_git(repository, tmp_path, commit="0" * 40)


def test_without_git_nothing_is_said_of_what_the_clone_has(repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = run_git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found_in_git(repository, tmp_path, commit=commit) == "git is not installed"


def test_a_repository_of_another_user_is_told_as_that(repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = run_git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert "belongs to another user" in found_in_git(repository, tmp_path, commit=commit)


@pytest.mark.parametrize("commit", ["HEAD", "main", "--help", "-x", "0" * 39, "G" * 40])
def test_only_a_full_hash_names_a_commit(repository: str, tmp_path: Path, commit: str) -> None:
    assert found_in_git(repository, tmp_path, commit=commit)


def test_a_file_that_git_tracks_though_a_rule_ignores_it_is_found(repository: str, tmp_path: Path) -> None:
    write(repository, "weights.bin", b"1")
    run_git(repository, "add", "weights.bin")
    write(repository, ".gitignore", b"*.bin\n")
    commit_all(repository)
    assert found_in_git(repository, tmp_path) == ""


def test_rules_of_folders_above_the_source_count(repository: str, tmp_path: Path) -> None:
    write(repository, "sub/keep.py", b"")
    write(repository, "sub/secret.txt", b"")
    write(repository, ".trainconfignore", b"*.txt\n")
    commit_all(repository)
    assert found_in_git(os.path.join(repository, "sub"), tmp_path) == ""


def test_a_submodule_is_found_in_its_own_repository(outer: str, tmp_path: Path) -> None:
    assert found_in_git(outer, tmp_path) == ""
    run_git(outer, "submodule", "deinit", "-q", "-f", "inner")
    assert found_in_git(outer, tmp_path) == ""


def test_line_ends_of_another_machine_are_found(repository: str, tmp_path: Path) -> None:
    run_git(repository, "config", "core.autocrlf", "true")  # a clone made with it would have \r\n
    assert found_in_git(repository, tmp_path) == ""


def test_a_sparse_clone_still_has_the_whole_commit(repository: str, tmp_path: Path) -> None:
    write(repository, "sub/a.py", b"")
    write(repository, "other.py", b"")
    commit_all(repository)
    wanted = hash_tree(repository)
    run_git(repository, "sparse-checkout", "set", "--no-cone", "/sub")
    assert not os.path.exists(os.path.join(repository, "other.py"))
    commit = run_git(repository, "rev-parse", "HEAD")
    assert take_from_git(commit, wanted, repository, SnapshotStore(str(tmp_path / "store"))) == ""


def test_nothing_a_strangers_repository_names_is_run_by_a_checkout(repository: str, tmp_path: Path, trapped: Path) -> None:
    assert found_in_git(repository, tmp_path) == ""
    assert not trapped.exists()


def test_a_clone_without_the_files_of_a_commit_says_so_and_fetches_nothing(repository: str, tmp_path: Path, trapped: Path) -> None:
    commit, wanted = run_git(repository, "rev-parse", "HEAD"), hash_tree(repository)
    blob = run_git(repository, "rev-parse", "HEAD:train.py")
    os.unlink(os.path.join(repository, ".git/objects", blob[:2], blob[2:]))
    run_git(repository, "config", "extensions.partialClone", "origin")
    run_git(repository, "config", "core.repositoryFormatVersion", "1")
    run_git(repository, "config", "remote.origin.url", str(tmp_path))
    assert take_from_git(commit, wanted, repository, SnapshotStore(str(tmp_path / "store")))
    assert not trapped.exists()
    assert processes.run(["git", "-C", repository, "status"]).found
