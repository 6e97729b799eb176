"""The content of the local files and folders that requirements name: its digest, and a copy to build from.

A folder's content is what belongs to the package. Left out are what the ignore rules of snapshots leave out, frozen runs,
`conf/local.yaml`, a workspace's runs, and what a build left behind. A link that leads out of the folder stands for what it leads to.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

from trainconf.environments.recipe import file_tree
from trainconf.environments.recipe.file_tree import Found
from trainconf.snapshot.frozen_line import START_BYTES, is_frozen
from trainconf.snapshot.tree.rules import RuleBook

NEVER = frozenset({".git", ".trainconf", "__pycache__", "node_modules"})
OF_THIS_MACHINE = (os.path.join("conf", "local.yaml"), os.path.join("conf", "trainconf", "local.yaml"))
BUILT = (".whl", ".tar.gz", ".zip")


def digest(path: str, *, is_copy: bool = False) -> str:
    """SHA-256, hex, of a file's bytes; of a folder's relative names, kinds, executable bits and contents. Raises OSError.

    `is_copy`: the folder comes from a snapshot or from `copy`, so the ignore rules have been applied already.
    """
    return file_tree.digest(path, _members(path, is_copy)) if os.path.isdir(path) else file_tree.file_digest(path)


def copy(source: str, target: str, *, is_copy: bool = False) -> None:
    """Copy exactly what `digest` reads. Raises OSError."""
    if not os.path.isdir(source):
        shutil.copy2(source, target)
        return
    os.makedirs(target)
    for name, *_, follows in _members(source, is_copy):
        os.makedirs(os.path.dirname(os.path.join(target, name)), exist_ok=True)
        shutil.copy2(os.path.join(source, name), os.path.join(target, name), follow_symlinks=follows)
    git = os.path.join(source, ".git")
    if os.path.lexists(git):  # packages that take their version from git find it; they only read it
        os.symlink(os.path.abspath(git), os.path.join(target, ".git"))


def _members(folder: str, is_copy: bool) -> Iterator[Found]:
    """All files and links of a package. The context is the ignore rules in force, and the real paths of the folders above."""
    rules = None if is_copy else RuleBook(os.fsencode(os.path.realpath(folder)), None)

    def sort(here: str, entries: list[os.DirEntry[str]], context: Any) -> Iterator[Found]:
        scope, parents = context
        names = [os.fsencode(entry.name) for entry in entries]
        if rules is not None:
            scope = rules.inside(scope, os.fsencode(os.path.join(here, "")) if here else b"", names)
        for entry, name in zip(entries, names, strict=True):
            relative = os.path.join(here, entry.name)
            path = os.fsencode(relative)
            if entry.name in NEVER or relative in OF_THIS_MACHINE or (name == b"runs" and b".trainconf" in names):
                continue
            follows = entry.is_symlink() and _leads_out(folder, relative)
            if entry.is_dir(follow_symlinks=follows):
                real = os.path.realpath(entry.path)
                inner = scope if rules is None else rules.enters(scope, name, path)
                is_left_out = rules is not None and inner is None
                if not is_left_out and real not in parents and not _is_generated(entry, at_top=not here):
                    yield Found(relative, False, enters=True, context=(inner, parents | {real}))
            elif entry.name.endswith((".egg-info", ".pyc")) or not (entry.is_symlink() or entry.is_file()):
                continue
            elif (rules is None or rules.keeps(scope, name, path)) and not _is_frozen_run(entry.path):
                yield Found(relative, True, follows=follows)

    return file_tree.walk(folder, sort, (rules and rules.above(), frozenset({os.path.realpath(folder)})))


def _leads_out(folder: str, relative: str) -> bool:
    """Whether a link leads out of the folder; a broken one does not."""
    path = os.path.join(folder, relative)
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
    if not os.path.isfile(path):  # a broken link
        return False
    with open(path, "rb") as stream:
        return is_frozen(stream.read(START_BYTES))
