"""A commit of one file leaves everything else as it was: what is staged, what is changed, hooks that would run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from trainconf.errors import StorageError, UserError
from trainconf.git.commit import commit, repository_of


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
                        "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    root = tmp_path / "re po"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    return root


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", root, *words], check=True, capture_output=True, text=True).stdout


def first_commit(root: Path) -> None:
    (root / "a").write_text("a\n")
    (root / "b").write_text("b\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")


def test_only_the_file_is_committed_and_all_else_stays_staged_or_changed(repo: Path) -> None:
    first_commit(repo)
    (repo / "a").write_text("changed\n")
    (repo / "b").write_text("staged\n")
    (repo / "new").write_text("staged\n")
    git(repo, "add", "b", "new")
    (repo / "b").write_text("and changed again\n")
    (repo / "f.yaml").write_text("frozen\n")
    before = git(repo, "status", "--porcelain")
    made = commit(repository_of(str(repo / "f.yaml")), str(repo / "f.yaml"), "the message\n\nmore")
    assert git(repo, "rev-parse", "main").strip() == made
    assert git(repo, "show", "--format=%B", "--name-status", "HEAD") == "the message\n\nmore\n\nA\tf.yaml\n"
    assert git(repo, "status", "--porcelain") == before.replace("?? f.yaml\n", "")
    assert git(repo, "show", ":b") == "staged\n"
    assert (repo / "b").read_text() == "and changed again\n"
    git(repo, "fsck", "--strict")


def test_what_head_has_already_is_not_committed_again(repo: Path) -> None:
    first_commit(repo)
    assert commit(repository_of(str(repo / "a")), str(repo / "a"), "again") == ""
    assert git(repo, "rev-list", "--count", "HEAD") == "1\n"


def test_the_first_commit_of_a_repository_and_one_on_a_detached_head(repo: Path) -> None:
    (repo / "f").write_text("1\n")
    commit(repository_of(str(repo / "f")), str(repo / "f"), "first")
    git(repo, "checkout", "-q", "--detach")
    (repo / "f").write_text("2\n")
    made = commit(repository_of(str(repo / "f")), str(repo / "f"), "second")
    assert git(repo, "rev-parse", "HEAD").strip() == made
    assert git(repo, "log", "--format=%s") == "second\nfirst\n"
    assert git(repo, "status", "--porcelain") == ""


@pytest.mark.parametrize("name", ["sub/f x.yaml", "sub/-f", 'sub/q"uote', "sub/new\nline", "sub/å"])
def test_a_file_of_any_name_below_the_root(repo: Path, name: str) -> None:
    first_commit(repo)
    path = repo / name
    path.parent.mkdir()
    path.write_text("x\n")
    commit(repository_of(str(path)), str(path), "m")
    assert git(repo, "ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0")[:-1] == ["a", "b", name]


def test_no_hook_runs_and_no_filter(repo: Path, tmp_path: Path) -> None:
    first_commit(repo)
    for hook in ("pre-commit", "commit-msg", "post-commit", "reference-transaction", "post-index-change"):
        path = repo / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
        path.chmod(0o755)
    git(repo, "config", "filter.evil.clean", f"touch '{tmp_path}/ran'; cat")
    (repo / ".gitattributes").write_text("*.yaml filter=evil\n")
    (repo / "f.yaml").write_text("x\n")
    commit(repository_of(str(repo / "f.yaml")), str(repo / "f.yaml"), "m")
    assert not (tmp_path / "ran").exists()


def test_in_the_middle_of_a_merge_and_outside_of_a_repository_it_is_refused_before_anything_is_made(repo: Path, tmp_path: Path) -> None:
    first_commit(repo)
    (repo / ".git" / "MERGE_HEAD").write_text(git(repo, "rev-parse", "HEAD"))
    with pytest.raises(UserError, match="in the middle of a merge"):
        repository_of(str(repo / "f"))
    with pytest.raises(UserError, match="no git repository"):
        repository_of(str(tmp_path / "f"))


def test_a_lock_that_another_git_holds_leaves_the_branch_where_it_was(repo: Path) -> None:
    first_commit(repo)
    head = git(repo, "rev-parse", "HEAD")
    (repo / "f").write_text("x\n")
    (repo / ".git" / "index.lock").touch()
    with pytest.raises(StorageError, match="another git"):
        commit(repository_of(str(repo / "f")), str(repo / "f"), "m")
    assert git(repo, "rev-parse", "HEAD") == head


def test_one_who_has_no_name_is_told_so_by_git(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first_commit(repo)
    (repo / "f").write_text("x\n")
    for name in [name for name in os.environ if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER", "EMAIL"))]:
        monkeypatch.delenv(name)
    git(repo, "config", "user.useConfigOnly", "true")
    with pytest.raises(UserError, match="refused while making the commit"):
        commit(repository_of(str(repo / "f")), str(repo / "f"), "m")
