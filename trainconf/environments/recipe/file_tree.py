"""Walks a folder in one order on every machine, and makes one digest of what it holds. The caller decides what belongs to it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

CHUNK_BYTES = 1 << 20


class Found(NamedTuple):
    """One name in a folder, as the caller sees it. `name` is relative to the root of the walk.

    is_member:  whether it belongs to the content
    enters:     whether to walk into it
    context:    what the caller wants to know again inside
    follows:    whether a link stands for what it leads to
    """

    name: str
    is_member: bool
    enters: bool = False
    context: Any = None
    follows: bool = False


Sort = Callable[[str, "list[os.DirEntry[str]]", Any], Iterable[Found]]  # folder, its entries by name, context of the folder


def walk(root: str, sort: Sort, context: Any = None) -> Iterator[Found]:
    """The members below `root`. `sort` says of every entry of a folder what it is. Raises OSError."""
    pending = [("", context)]
    while pending:
        here, context = pending.pop()
        with os.scandir(os.path.join(root, here)) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for one in sort(here, found, context):
            if one.enters:
                pending.append((one.name, one.context))
            if one.is_member:
                yield one


def digest(root: str, members: Iterable[Found]) -> str:
    """SHA-256, hex, of names, kinds, executable bits and contents. Raises OSError."""
    whole = sha256()
    for member in members:
        path = os.path.join(root, member.name)
        mode = os.stat(path, follow_symlinks=member.follows).st_mode
        if stat.S_ISLNK(mode):
            fact = f"link {os.readlink(path)}"
        elif stat.S_ISDIR(mode):
            fact = "folder"
        else:
            fact = f"{'program' if mode & 0o100 else 'file'} {file_digest(path)}"
        whole.update(f"{member.name}\0{fact}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def file_digest(path: str) -> str:
    """SHA-256, hex, of a file's bytes. Raises OSError."""
    whole = sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            whole.update(chunk)
    return whole.hexdigest()
