"""The content of the local files and folders that requirements name: its digest, and a copy to build from.

A folder's content is what belongs to the package: what the ignore rules of snapshots leave out is no part of it, nor are frozen runs,
`conf/local.yaml`, a workspace's runs, and what a build left behind. A link that leads out of the folder stands for what it leads to.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.snapshot.tree.rules import RuleBook

CHUNK_BYTES = 1 << 20
NEVER = frozenset({".git", ".trainconf", "__pycache__", "node_modules"})
OF_THIS_MACHINE = os.path.join("conf", "local.yaml")
BUILT = (".whl", ".tar.gz", ".zip")


def digest(path: str, *, is_copy: bool = False) -> str:
    """SHA-256, hex, of a file's bytes; of a folder's relative names, kinds, executable bits and contents. Raises OSError.

    `is_copy`: of a folder out of a snapshot or of ours, in which nothing is to be left out any more.
    """
    import hashlib

    if not os.path.isdir(path):
        return _file_digest(path)
    whole = hashlib.sha256()
    for relative in _members(path, is_copy=is_copy):
        member = os.path.join(path, relative)
        if os.path.islink(member) and not _leads_out(path, relative):
            fact = f"link {os.readlink(member)}"
        else:
            executable = os.stat(member).st_mode & 0o100
            fact = f"{'program' if executable else 'file'} {_file_digest(member)}"
        whole.update(f"{relative}\0{fact}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def copy(source: str, target: str, *, is_copy: bool = False) -> None:
    """Copy what `digest` looks at, so that building from the copy is building from that content. Raises OSError."""
    import shutil

    if not os.path.isdir(source):
        shutil.copy2(source, target)
        return
    os.makedirs(target)
    for relative in _members(source, is_copy=is_copy):
        os.makedirs(os.path.dirname(os.path.join(target, relative)), exist_ok=True)
        follows = _leads_out(source, relative)
        shutil.copy2(os.path.join(source, relative), os.path.join(target, relative), follow_symlinks=follows)
    git = os.path.join(source, ".git")
    if os.path.lexists(git):  # packages that take their version from git find it; it is read, not written
        os.symlink(os.path.abspath(git), os.path.join(target, ".git"))


class _NoRules:
    """In place of a RuleBook where nothing is to be left out any more."""

    def inside(self, context: None, path: bytes, names: list[bytes]) -> None:
        return None

    def enters(self, context: None, name: bytes, path: bytes) -> bool:
        return True

    def keeps(self, context: None, name: bytes, path: bytes) -> bool:
        return True


def _members(folder: str, *, is_copy: bool) -> Iterator[str]:
    """Relative paths of all files and links below `folder`, in one order on every machine."""
    rules: Any = _NoRules() if is_copy else _rules(folder)
    pending = [("", None if is_copy else rules.above(), frozenset({os.path.realpath(folder)}))]
    while pending:
        here, context, parents = pending.pop()
        with os.scandir(os.path.join(folder, here)) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        names = [os.fsencode(entry.name) for entry in found]
        context = rules.inside(context, os.fsencode(os.path.join(here, "")) if here else b"", names)
        for entry, name in zip(found, names, strict=True):
            relative = os.path.join(here, entry.name)
            path = os.fsencode(relative)
            if entry.name in NEVER or relative == OF_THIS_MACHINE or (name == b"runs" and b".trainconf" in names):
                continue
            if entry.is_dir(follow_symlinks=False) or (entry.is_dir() and _leads_out(folder, relative)):
                real, inner = os.path.realpath(entry.path), rules.enters(context, name, path)
                if inner is not None and real not in parents and not _is_generated(entry, at_top=not here):
                    pending.append((relative, inner, parents | {real}))
            elif entry.name.endswith((".egg-info", ".pyc")) or not (entry.is_symlink() or entry.is_file()):
                continue
            elif rules.keeps(context, name, path) and not _is_frozen_run(entry.path):
                yield relative


def _rules(folder: str) -> RuleBook:
    from trainconf.snapshot.tree.rules import RuleBook

    return RuleBook(os.fsencode(os.path.realpath(folder)), None)


def _leads_out(folder: str, relative: str) -> bool:
    """Whether a path is a link that leads out of the folder; a link into nowhere stays what it is."""
    path = os.path.join(folder, relative)
    if not os.path.islink(path):
        return False
    target = os.readlink(path)
    inside = os.path.normpath(os.path.join(os.path.dirname(relative), target))
    return os.path.exists(path) and (os.path.isabs(target) or inside.split(os.sep)[0] == os.pardir)


def _is_generated(entry: os.DirEntry[str], *, at_top: bool) -> bool:
    """Whether a folder is a virtual environment, metadata of an installation, or what building the package left at its top."""
    if entry.name.endswith(".egg-info") or os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
        return True
    if not at_top or entry.name not in ("build", "dist"):
        return False
    names = os.listdir(entry.path)
    if entry.name == "dist":
        return all(name.endswith(BUILT) for name in names)
    return "__init__.py" not in names and all(name == "lib" or name.startswith(("lib.", "bdist.", "temp.", "scripts-")) for name in names)


def _is_frozen_run(path: str) -> bool:
    from trainconf.snapshot.frozen_line import START_BYTES, is_frozen

    if not os.path.isfile(path):  # a link into nowhere
        return False
    with open(path, "rb") as stream:
        return is_frozen(stream.read(START_BYTES))


def _file_digest(path: str) -> str:
    import hashlib

    whole = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            whole.update(chunk)
    return whole.hexdigest()
