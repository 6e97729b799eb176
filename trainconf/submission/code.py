"""Finds the code a spec names: in the snapshot store, in the working tree where it is identical, or in git's history."""

from __future__ import annotations

import os
from typing import Any

from trainconf.errors import FrozenFileError
from trainconf.git.checkout import not_here, why_not_here, write_commit
from trainconf.git.command import find_root
from trainconf.paths import WorkspacePaths
from trainconf.process import processes
from trainconf.snapshot import SnapshotStore, hash_tree

# The code passed the guards when it was recorded; it need not pass them twice.
_NO_GUARDS: dict[str, Any] = {"max_mb": float("inf"), "max_files": 1 << 62, "allow_keys": ("*",)}


def find_code(snapshot_id: str, source_directory: str, git: dict[str, Any], workspace: WorkspacePaths, source: str) -> str:
    """Make sure that the store holds `snapshot_id`; where it was found: `the store`, `the working tree` or `git`.

    Raises FrozenFileError that says which of the three would help. `source` names the file that asks.
    """
    store = SnapshotStore(workspace.snapshots)
    if store.exists(snapshot_id):
        return "the store"
    if os.path.isdir(source_directory) and _take_if_same(source_directory, snapshot_id, store):
        return "the working tree"
    commit = str(git.get("commit") or "")
    tried = "no commit is recorded"
    if commit:
        tried = take_from_git(commit, snapshot_id, source_directory, store)
        if not tried:
            return "git"
    hints = []
    where = {not_here(commit): "into this clone", _in_no_repository(source_directory): "into a clone, and run it there"}.get(tried)
    if commit and where and not git.get("dirty"):
        hints.append(f"fetch commit {commit[:12]} of {git.get('repository') or 'the repository'} {where}")
    hints.append("run it in the workspace that recorded it, whose snapshot store has it")
    hints.append("or make the working tree what it was")
    raise FrozenFileError(
        "the code of this run was not found", ("from", source), ("snapshot", snapshot_id),
        ("store", f"{workspace.snapshots} does not have it"), ("working tree", f"{source_directory} is different or missing"),
        ("git", tried), hint="; ".join(hints),
    )


def take_from_git(commit: str, snapshot_id: str, source_directory: str, store: SnapshotStore) -> str:
    """Take the tree of a commit into the store when it is the one that is wanted; else why it could not be.

    Line ends are tried as this machine's git writes them and as they are in the commit: the tree was taken where they may be others.
    """
    root = find_root(source_directory)
    if root is None:
        return _in_no_repository(source_directory)
    if trouble := why_not_here(processes, root, commit):
        return trouble
    inside = os.path.relpath(os.path.realpath(source_directory), os.path.realpath(root))
    import tempfile

    for settings in ((), ("core.autocrlf=false", "core.eol=lf")):
        with tempfile.TemporaryDirectory(prefix="trainconf-code-") as temp:
            tree = os.path.join(temp, "tree")
            trouble = write_commit(processes, root, commit, tree, inside=inside, settings=settings)
            code = os.path.normpath(os.path.join(tree, inside))
            if os.path.isdir(code) and _take_if_same(code, snapshot_id, store):
                return ""
    return trouble or f"commit {commit[:12]} is here, and its tree is different"


def _in_no_repository(source_directory: str) -> str:
    return f"{source_directory} is in no git repository"


def _take_if_same(folder: str, snapshot_id: str, store: SnapshotStore) -> bool:
    """Take a tree into the store when it has that id; whether it still had it when it was taken."""
    return hash_tree(folder, store=store) == snapshot_id and bool(store.take(folder, **_NO_GUARDS).id == snapshot_id)
