"""Finds the code a spec names: in the snapshot store, in the working tree where it is identical, or in git's history."""

from __future__ import annotations

import os
import tarfile
import tempfile
from typing import Any

from trainconf.errors import FrozenFileError
from trainconf.paths import WorkspacePaths
from trainconf.snapshot import SnapshotStore, hash_tree

# What a frozen spec names was under the guards when it was frozen; it need not pass them twice.
_NO_GUARDS: dict[str, Any] = {"max_mb": float("inf"), "max_files": 1 << 62, "allow_keys": ("*",)}


def find_code(snapshot_id: str, source_directory: str, git: dict[str, Any], workspace: WorkspacePaths, source: str) -> str:
    """Make sure that the store holds `snapshot_id`; where it was found: `store`, `working tree` or `git`.

    Raises FrozenFileError that says which of the three would help. `source` names the file that asks.
    """
    store = SnapshotStore(workspace.snapshots)
    if store.exists(snapshot_id):
        return "store"
    if os.path.isdir(source_directory) and hash_tree(source_directory, store=store) == snapshot_id:
        store.take(source_directory, **_NO_GUARDS)
        return "working tree"
    commit = str(git.get("commit") or "")
    tried = "no commit is recorded"
    if commit:
        tried = take_from_git(commit, snapshot_id, source_directory, store)
        if not tried:
            return "git"
    hints = []
    if commit and not git.get("dirty"):
        hints.append(f"fetch commit {commit[:12]} of {git.get('repository') or 'the repository'} into this clone")
    hints.append("run it where it was frozen, whose snapshot store has it")
    hints.append("or make the working tree what it was")
    raise FrozenFileError(
        "the code it names is not to be found", ("from", source), ("snapshot", snapshot_id),
        ("store", f"{workspace.snapshots} does not have it"), ("working tree", f"{source_directory} is different or missing"),
        ("git", tried), hint="; ".join(hints),
    )


def take_from_git(commit: str, snapshot_id: str, source_directory: str, store: SnapshotStore) -> str:
    """Take the tree of a commit into the store when it is the one that is wanted; else why it could not be."""
    import git as gitpython

    folder = source_directory
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    try:
        repository = gitpython.Repo(folder, search_parent_directories=True)
        root = str(repository.working_dir)
        inside = os.path.relpath(os.path.realpath(source_directory), os.path.realpath(root))
        treeish = repository.commit(commit).hexsha
        with tempfile.TemporaryDirectory(prefix="trainconf-code-") as temp:
            archive = os.path.join(temp, "tree.tar")
            with open(archive, "wb") as stream:
                repository.archive(stream, treeish, path=[inside] if inside != os.curdir else None)
            tree = os.path.join(temp, "tree")
            with tarfile.open(archive) as tar:
                trusted = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}  # 3.14 would drop modes
                tar.extractall(tree, **trusted)  # type: ignore[arg-type]
            code = os.path.normpath(os.path.join(tree, inside))
            if hash_tree(code) != snapshot_id:
                return f"commit {commit[:12]} is here, and its tree is different"
            store.take(code, **_NO_GUARDS)
            return ""
    except (gitpython.InvalidGitRepositoryError, gitpython.NoSuchPathError):
        return f"{source_directory} is in no git repository"
    except (gitpython.GitError, ValueError, OSError) as error:
        return f"commit {commit[:12]} is not in this clone ({type(error).__name__})"
