"""Reads a repository's index without git: may it hold what `git status` does not report?

Git takes some milliseconds to list the index, and nearly every index holds nothing of the kind.
"""

from __future__ import annotations

import os

MOST_ENTRIES = 5_000  # beyond this git is faster
# gitformat-index(5)
HEADER_BYTES, ENTRY_BYTES = 12, 62
MODE, FLAGS = 24, 60
PASSED_OVER = 0xC0  # in the first byte of the flags: assume-valid, and that there are more flags
FILES_AND_LINKS = frozenset({b"\x81\xa4", b"\x81\xed", b"\xa0\0"})  # the last two bytes of their mode


def index_path(repository: bytes) -> bytes:
    """The index of the repository at a folder: inside `.git`, or where a `.git` file (worktree, submodule) points."""
    git = os.path.join(repository, b".git")
    try:
        with open(git, "rb") as stream:
            pointer = stream.read(4096)
    except OSError:
        return os.path.join(git, b"index")
    target = pointer.removeprefix(b"gitdir:").strip()
    return os.path.join(repository, target, b"index")


def is_plain(path: bytes) -> bool:
    """Whether the index holds only files and links, and git ignores none of them. False where only git could tell."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(MOST_ENTRIES * 200)
    except OSError:
        return False
    count = int.from_bytes(data[8:HEADER_BYTES], "big")
    if data[:8] != b"DIRC\0\0\0\2" or count > MOST_ENTRIES:  # version 2; later ones are written for just such marks
        return False
    at = HEADER_BYTES
    for _ in range(count):
        if at + ENTRY_BYTES > len(data) or data[at + FLAGS] & PASSED_OVER or data[at + MODE + 2 : at + MODE + 4] not in FILES_AND_LINKS:
            return False
        end = data.find(b"\0", at + ENTRY_BYTES)
        at = end + 8 - (end - at) % 8  # one to eight NULs fill an entry up to eight bytes
    return data[at : at + 4] not in (b"link", b"sdir")  # parts of a split or sparse index lie elsewhere
