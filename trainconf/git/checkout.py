"""Writes the tree of a commit into a folder, as a checkout would; the repository's index and working tree stay as they are."""

from __future__ import annotations

import os
import re

from trainconf.git import settings as git_settings
from trainconf.git.command import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.process import Processes

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
IGNORE_FILES = (b".gitignore", b".trainconfignore")
# A sparse checkout leaves files out of the working tree that belong to the commit.
WHOLE = ("core.sparseCheckout=false",)


def not_here(commit: str) -> str:
    """The message when git answers and does not have the commit."""
    return f"commit {commit[:12]} is not in this clone"


def why_not_here(processes: Processes, root: str, commit: str) -> str:
    """Why this clone does not have the commit; empty when it does. Fetches nothing."""
    if not COMMIT.fullmatch(commit):
        return not_here(commit)
    repository = Repository(root, processes)
    answer = repository.ask("cat-file", "-e", f"{commit}^{{commit}}")
    if answer.ok:
        return ""
    is_unknown = answer.found and answer.last_lines(1).startswith("fatal: Not a valid object name")
    return not_here(commit) if is_unknown else repository.why(answer)


def write_commit(
    processes: Processes, root: str, commit: str, dest: str, *, inside: str = ".", settings: Sequence[str] = ()
) -> str:  # fmt: skip
    """Write the part `inside` of a commit into `dest`, which becomes a repository that tracks all of it; return why that failed, or "".

    Submodules are written from their own repositories if those are checked out. Ignore files of the folders above `inside` are written,
    too. git-checkout-index(1) writes the files: an archive lacks what .gitattributes keeps out of exports.
    """
    if not COMMIT.fullmatch(commit):
        return f"{commit!r} is not a commit's full hash"
    repository = Repository(root, processes)
    found = git_settings.read(repository)
    if found.trouble:
        return found.trouble
    hash_kind = "sha256" if len(commit) == 64 else "sha1"
    made = repository.ask("init", "--quiet", "--template=", f"--object-format={hash_kind}", dest)
    if not made.ok:
        return repository.why(made)
    env = {"GIT_INDEX_FILE": os.path.join(dest, ".git", "index"), "GIT_LITERAL_PATHSPECS": "1"}
    names = b""
    submodules: list[tuple[str, str]] = []
    for arguments in (
        ["read-tree", "--end-of-options", commit],
        ["ls-files", "--stage", "-z"],
        ["checkout-index", "-z", "--stdin", f"--prefix={dest}/"],
    ):
        done = repository.ask(*arguments, settings=(*WHOLE, *settings), env=env, input=names)
        if not done.ok:
            return repository.why(done)
        if arguments[0] == "ls-files":
            names, submodules = _wanted(done.stdout, inside)
    return "; ".join(filter(None, (_write_submodule(processes, root, path, oid, dest, settings) for path, oid in submodules)))


def _wanted(listing: bytes, inside: str) -> tuple[bytes, list[tuple[str, str]]]:
    """From `ls-files --stage -z`: the files to write for the part `inside`, and (path, commit) of its submodules."""
    part = b"" if inside == os.curdir else os.fsencode(inside) + b"/"
    names, submodules = [], []
    for entry in listing.split(b"\0"):
        facts, _, path = entry.partition(b"\t")
        folder, _, name = path.rpartition(b"/")
        if facts.startswith(b"160000"):
            if path.startswith(part):
                submodules.append((os.fsdecode(path), facts.split(b" ")[1].decode()))
        elif path and (path.startswith(part) or (name in IGNORE_FILES and part.startswith(folder + b"/" if folder else b""))):
            names.append(path + b"\0")
    return b"".join(names), submodules


def _write_submodule(processes: Processes, root: str, path: str, commit: str, dest: str, settings: Sequence[str]) -> str:
    folder = os.path.join(root, path)
    if os.path.islink(folder) or not os.path.lexists(os.path.join(folder, ".git")):
        os.makedirs(os.path.join(dest, path), exist_ok=True)  # as in a fresh clone
        return ""
    trouble = write_commit(processes, folder, commit, os.path.join(dest, path), settings=settings)
    return f"submodule {path}: {trouble}" if trouble else ""
