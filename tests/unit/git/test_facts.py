from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from trainconf.git import facts as git
from trainconf.git.index import is_plain
from trainconf.git.settings import without_credentials
from trainconf.git.state import GitFacts
from trainconf.process import Completed, Processes, processes

WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
ENV = {**os.environ, **WHO, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def run_git(folder: str, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, env=ENV, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> str:
    return make_repository(tmp_path)


def make_repository(tmp_path: Path) -> str:
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


def facts(folder: str, runner: Processes = processes) -> GitFacts:
    found = git.facts(folder, runner)
    assert found is not None
    return found


def test_a_clean_repository_is_told_by_two_child_processes(repository: str) -> None:
    asked = []

    class Counting(Processes):
        def run(self, argv, **options):  # type: ignore[no-untyped-def]
            asked.append(argv)
            return super().run(argv, **options)

    found = facts(repository, Counting())
    assert found.commit == run_git(repository, "rev-parse", "HEAD")
    assert (found.branch, found.dirty, found.root, found.patch, found.note) == ("main", False, repository, b"", "")
    assert len(asked) == 2


def test_no_repository_is_no_facts_and_no_process(tmp_path: Path) -> None:
    class Refusing(Processes):
        def run(self, argv, **options):  # type: ignore[no-untyped-def]
            raise AssertionError(argv)

    assert git.facts(str(tmp_path), Refusing()) is None


def test_the_patch_rebuilds_the_tracked_files_staged_ones_included(repository: str, tmp_path: Path) -> None:
    clone = str(tmp_path / "clone")
    run_git(str(tmp_path), "clone", "-q", repository, clone)
    write(repository, "train.py", b"print(2)\n")
    write(repository, "staged", b"one\ntwo")
    run_git(repository, "add", "staged")
    write(repository, "new.py", b"")
    found = facts(os.path.join(repository, "sub"))  # the whole repository counts, not only the folder
    assert found.dirty is True
    assert (found.untracked, found.untracked_count) == (["new.py"], 1)
    subprocess.run(["git", "apply"], input=found.patch, cwd=clone, check=True)
    for name in ("train.py", "staged"):
        assert Path(clone, name).read_bytes() == Path(repository, name).read_bytes()


@pytest.mark.parametrize("content", [bytes(range(256)) * 400, b"a line of text\n" * 100_000], ids=["binary", "large"])
def test_binary_and_large_files_are_in_the_patch_by_hash(repository: str, content: bytes) -> None:
    write(repository, "model", content)
    run_git(repository, "add", "model")
    write(repository, "train.py", b"print(2)\n")
    found = facts(repository)
    assert len(found.patch) < 1000
    assert run_git(repository, "hash-object", "model").encode() in found.patch
    assert b"+print(2)" in found.patch
    assert found.note.startswith("model: binary or large")


def test_a_large_file_that_was_deleted_is_not_said_to_be_elsewhere(repository: str) -> None:
    write(repository, "model", b"a line of text\n" * 100_000)
    run_git(repository, "add", "model")
    run_git(repository, "commit", "-q", "-m", "model")
    os.unlink(os.path.join(repository, "model"))
    found = facts(repository)
    assert (found.dirty, found.note, b"deleted file mode" in found.patch) == (True, "", True)


def test_a_patch_of_many_files_has_a_bound(repository: str) -> None:
    for number in range(15):
        write(repository, f"big{number:02}", b"%d\n" % number + b"a line of text\n" * 60_000)
    run_git(repository, "add", "-A")
    found = facts(repository)
    assert 9_000_000 < len(found.patch) < 10_000_000
    assert found.patch.count(b"diff --git") == 15
    assert "big14" in found.note


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
        ("user:TOKEN@host:path.git", "user@host:path.git"),
        ("user:p@ss@host:path.git", "user@host:path.git"),
        ("git@host:path/a@b", "git@host:path/a@b"),
        ("ssh://git@host/x.git?token=secret", "ssh://git@host/x.git"),
        ("ext::https://user:secret@host/x", "ext::https://host/x"),
        ("/srv/a b.git", "/srv/a b.git"),
        ("../user:x@host:y", "../user:x@host:y"),
        ("file:///srv/x.git", "file:///srv/x.git"),
    ],
)
def test_an_address_is_shown_without_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


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
    assert set(facts(repository).to_dict()) == {
        "repository", "branch", "commit", "dirty", "root", "submodules", "untracked", "untracked_count", "note",
    }  # fmt: skip


def test_asking_leaves_the_repository_untouched(repository: str) -> None:
    index = os.path.join(repository, ".git", "index")
    os.utime(os.path.join(repository, "train.py"))  # git would refresh its index now, if it were let
    before = Path(index).read_bytes()
    facts(repository)
    assert Path(index).read_bytes() == before


TRAP_SETTINGS = [
    ("core.hooksPath", "{folder}"), ("core.fsmonitor", "{trap}"), ("filter.trap.clean", "{trap}"), ("filter.trap.smudge", "{trap}"),
    ("filter.trap.process", "{trap}"), ("filter.a b.c.clean", "{trap}"), ("diff.trap.textconv", "{trap}"), ("diff.trap.command", "{trap}"),
    ("diff.external", "{trap}"), ("core.sshCommand", "{trap}"), ("core.askPass", "{trap}"), ("credential.helper", "{trap}"),
    ("remote.origin.uploadpack", "{trap}"), ("remote.origin.url", "ext::{trap} %S"), ("protocol.ext.allow", "always"),
    ("protocol.file.allow", "always"), ("remote.origin.promisor", "true"), ("core.alternateRefsCommand", "{trap}"),
]  # fmt: skip


@pytest.fixture
def trapped(repository: str, tmp_path: Path) -> Path:
    """Makes the repository a stranger's: whatever program git runs for it leaves the file that is returned."""
    sprung = tmp_path / "sprung"
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("trap", "post-index-change", "post-checkout", "reference-transaction", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\necho $0 >>{sprung}\ncat\n")
        (hooks / name).chmod(0o755)
    write(repository, ".gitattributes", b"*.py filter=trap diff=trap\n*.txt filter=\"a b.c\"\n")
    write(repository, "a.txt", b"text\n")
    run_git(repository, "add", "-A")
    run_git(repository, "commit", "-q", "-m", "two")
    for key, value in TRAP_SETTINGS:
        run_git(repository, "config", key, value.format(trap=hooks / "trap", folder=hooks))
    return sprung


def test_nothing_a_strangers_repository_names_is_run(repository: str, trapped: Path) -> None:
    for name in ("train.py", "a.txt"):
        os.utime(os.path.join(repository, name), (1, 1))
    write(repository, "train.py", b"print(3)\n")
    facts(repository)
    assert not trapped.exists()
    run_git(repository, "status")
    assert trapped.exists()  # the trap is a real one


def test_objects_that_a_clone_lacks_are_not_fetched(repository: str, tmp_path: Path, trapped: Path) -> None:
    blob = run_git(repository, "rev-parse", "HEAD:a.txt")
    os.unlink(os.path.join(repository, ".git/objects", blob[:2], blob[2:]))
    run_git(repository, "config", "extensions.partialClone", "origin")
    run_git(repository, "config", "core.repositoryFormatVersion", "1")
    run_git(repository, "config", "remote.origin.url", str(tmp_path))
    write(repository, "a.txt", b"other\n")
    found = facts(repository)
    assert not trapped.exists()
    assert found.note


def test_a_filter_that_cannot_be_switched_off_keeps_git_from_being_asked(repository: str, tmp_path: Path) -> None:
    run_git(repository, "config", "filter.a=b.clean", f"touch {tmp_path}/sprung; cat")
    write(repository, ".gitattributes", b"*.py filter=a=b\n")
    found = facts(repository)
    assert (found.dirty, found.commit) == (None, None)
    assert "cannot be switched off" in found.note


def test_a_filtered_file_that_was_only_touched_is_unknown_and_not_called_changed(repository: str) -> None:
    write(repository, ".gitattributes", b"*.nb filter=strip\n")
    run_git(repository, "config", "filter.strip.clean", "tr a-z A-Z")
    write(repository, "a.nb", b"text\n")
    os.utime(os.path.join(repository, "a.nb"), (10, 10))  # else git looks into it again, for it may have changed since
    run_git(repository, "add", "-A")
    run_git(repository, "commit", "-q", "-m", "two")
    assert facts(repository).dirty is False
    os.utime(os.path.join(repository, "a.nb"), (1, 1))
    found = facts(repository)
    assert (found.dirty, found.patch) == (None, b"")
    assert found.note.startswith("a.nb: no filter of git is run")
    write(repository, "train.py", b"print(2)\n")
    found = facts(repository)
    assert found.dirty is True
    assert b"train.py" in found.patch
    assert b"a.nb" not in found.patch


@pytest.mark.parametrize(("content", "dirty"), [(b"weights", False), (b"weightz", True)])
def test_an_lfs_file_is_compared_with_its_pointer(repository: str, content: bytes, dirty: bool) -> None:
    oid = hashlib.sha256(b"weights").hexdigest()
    write(repository, ".gitattributes", b"*.bin filter=lfs diff=lfs merge=lfs -text\n")
    write(repository, "m.bin", f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 7\n".encode())
    run_git(repository, "add", "-A")
    run_git(repository, "commit", "-q", "-m", "two")
    run_git(repository, "config", "filter.lfs.clean", "false")
    run_git(repository, "config", "filter.lfs.required", "true")
    write(repository, "m.bin", content)
    assert facts(repository).dirty is dirty


@pytest.mark.parametrize(("mark", "edit", "dirty"), [
    ("--skip-worktree", b"print(2)\n", True), ("--assume-unchanged", b"print(2)\n", True), ("--skip-worktree", b"print(1)\n", False),
    ("--assume-unchanged", b"print(1)\n", False), ("--skip-worktree", None, False), ("--assume-unchanged", None, True),
])  # fmt: skip
def test_files_that_git_passes_over_are_looked_at(repository: str, mark: str, edit: bytes | None, dirty: bool) -> None:
    run_git(repository, "update-index", mark, "train.py")
    if edit is None:
        os.unlink(os.path.join(repository, "train.py"))
    else:
        write(repository, "train.py", edit)
    found = facts(repository)
    assert found.dirty is dirty
    assert ("train.py: changed" in found.note) is dirty
    assert ("sparse checkout" in found.note) is (edit is None and not dirty)


def test_a_user_who_hides_untracked_files_from_status_still_has_them(repository: str) -> None:
    run_git(repository, "config", "status.showUntrackedFiles", "no")
    write(repository, "new.py", b"")
    assert facts(repository).dirty is True


def test_line_ends_that_git_converts_are_no_change(repository: str) -> None:
    run_git(repository, "config", "core.autocrlf", "true")
    write(repository, "train.py", b"print(1)\r\n")
    assert facts(repository).dirty is False


@pytest.fixture
def outer(repository: str, tmp_path: Path) -> str:
    """A repository with the other one as its submodule `inner`."""
    root = str(tmp_path / "outer")
    os.mkdir(root)
    run_git(root, "init", "-q", "-b", "main")
    run_git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", repository, "inner")
    run_git(root, "commit", "-q", "-m", "one")
    return root


def test_what_is_not_committed_in_a_submodule_makes_the_tree_dirty(outer: str, repository: str) -> None:
    clean = facts(outer)
    assert clean.dirty is False
    commit = run_git(repository, "rev-parse", "HEAD")
    assert clean.submodules == [{"path": "inner", "repository": repository, "commit": commit, "dirty": False}]
    write(outer, "inner/train.py", b"print(2)\n")
    found = facts(outer)
    assert found.dirty is True
    assert "submodule inner has changes" in found.note
    run_git(outer, "submodule", "deinit", "-q", "-f", "inner")
    assert facts(outer).note == "submodule inner is not checked out"


def test_a_submodule_at_another_commit_is_in_the_patch(outer: str) -> None:
    inner = os.path.join(outer, "inner")
    write(inner, "new", b"")
    run_git(inner, "add", "-A")
    run_git(inner, "commit", "-q", "-m", "two")
    found = facts(outer)
    assert found.dirty is True
    assert b"Subproject commit" in found.patch


def test_a_git_folder_that_is_none_is_not_answered_by_a_repository_above(repository: str) -> None:
    os.makedirs(os.path.join(repository, "sub", ".git"))
    found = facts(os.path.join(repository, "sub"))
    assert found.commit is None
    assert "not a git repository" in found.note


def test_an_address_that_git_rewrites_is_told_rewritten(repository: str) -> None:
    run_git(repository, "config", "url.https://user:secret@host/.insteadOf", "gh:")
    run_git(repository, "remote", "add", "origin", "gh:me/x.git")
    assert facts(repository).repository == "https://host/me/x.git"


@pytest.mark.parametrize("change", [
    [], ["update-index", "--assume-unchanged", "train.py"], ["update-index", "--skip-worktree", "train.py"],
    ["update-index", "--index-version", "4"], ["update-index", "--split-index"],
    ["-c", "protocol.file.allow=always", "submodule", "add", "-q", "./", "inner"],
], ids=" ".join)  # fmt: skip
def test_an_index_is_plain_when_it_holds_nothing_that_status_passes_over(repository: str, change: list[str]) -> None:
    for length in range(1, 20):  # entries are filled up to eight bytes
        write(repository, "x" * length, b"")
    os.symlink("train.py", os.path.join(repository, "link"))
    os.chmod(os.path.join(repository, "x"), 0o755)
    run_git(repository, "add", "-A")
    run_git(repository, "remote", "add", "origin", repository)
    if change:
        run_git(repository, *change)
    assert is_plain(os.fsencode(os.path.join(repository, ".git/index"))) is not bool(change)
