"""Commits one file, whatever else is staged or changed, with git's plumbing: no hook runs and nothing is signed.

The tree of the new commit is that of HEAD with this file. Of the user's index only the entry of this file changes, as `git commit --only`
does it: otherwise git would take the file for deleted. The working tree is not touched.
"""

from __future__ import annotations

import os

from trainconf.errors import StorageError, UserError
from trainconf.git import settings as git_settings
from trainconf.git.command import Repository, find_root
from trainconf.process import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.process import Completed

BUSY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
NOBODY_YET = "0" * 40


def repository_of(path: str) -> Repository:
    """The repository that a file is or would be in. Raises UserError when there is none, or it is in the middle of something."""
    root = find_root(os.path.dirname(os.path.realpath(path)))
    if root is None:
        raise UserError("there is no git repository to commit it to", ("file", path), hint="`git init`, or freeze without --commit")
    repository = Repository(root, processes)
    found = git_settings.read(repository)
    if found.trouble:
        raise UserError(f"git cannot commit here: {found.trouble}", ("repository", root))
    folder = _said(repository, repository.ask("rev-parse", "--absolute-git-dir"), "asked for its folder")
    busy = [name for name in BUSY if os.path.exists(os.path.join(folder, name))]
    if busy:
        raise UserError("the repository is in the middle of a merge, rebase or the like", ("repository", root), ("found", ", ".join(busy)),
                        hint="finish it, or freeze without --commit")
    return repository


def commit(repository: Repository, path: str, message: str) -> str:
    """Commit the file at a path; the commit's hash, or "" when HEAD has it already. Raises UserError when git refuses, StorageError."""
    import tempfile

    inside = os.path.relpath(os.path.realpath(path), os.path.realpath(repository.root))
    with open(path, "rb") as stream:
        stored = repository.ask("hash-object", "-w", "--stdin", f"--path={inside}", input=stream.read())
    blob = _said(repository, stored, "storing the file")
    head = repository.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    parent = head.text().strip() if head.ok else ""
    mode = "100755" if os.access(path, os.X_OK) else "100644"
    entry = ("update-index", "--add", "--cacheinfo", f"{mode},{blob},{inside}")
    with tempfile.TemporaryDirectory(prefix="trainconf-commit-") as folder:
        env = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
        if parent:
            _said(repository, repository.ask("read-tree", parent, env=env), "reading HEAD")
        _said(repository, repository.ask(*entry, env=env), "adding the file")
        tree = _said(repository, repository.ask("write-tree", env=env), "writing the tree")
    if parent and tree == _said(repository, repository.ask("rev-parse", f"{parent}^{{tree}}"), "reading HEAD"):
        return ""
    made = repository.ask("commit-tree", tree, *(("-p", parent) if parent else ()), input=message.encode("utf-8", "surrogateescape"))
    new = _said(repository, made, "making the commit")
    _said(repository, repository.ask(*entry), "adding the file to your index")
    old = parent or NOBODY_YET[: len(new)].ljust(len(new), "0")
    _said(repository, repository.ask("update-ref", "-m", f"commit: {message.splitlines()[0]}", "HEAD", new, old), "moving the branch")
    return new


def _said(repository: Repository, answer: Completed, what: str) -> str:
    """What git has answered. Raises UserError, StorageError with its words."""
    if answer.ok:
        return answer.text().strip()
    why = repository.why(answer)
    if b".lock'" in answer.stderr:
        told = answer.stderr.decode("utf-8", "replace").splitlines()[0]
        raise StorageError(f"git refused while {what}: another git works there, or was killed over it", ("git", told))
    raise UserError(f"git refused while {what}", ("git", why), ("repository", repository.root))
