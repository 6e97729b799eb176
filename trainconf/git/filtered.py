"""Files that git filters (LFS, nbstripout, git-crypt): finds whether they differ from the commit, without running the filter."""

from __future__ import annotations

import os
import re
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.git.command import Repository
    from trainconf.git.state import Changed

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: the commit holds such a pointer in the file's place
POINTER = re.compile(rb"\Aversion https://[^\n]*\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize (\d+)\n")


def sort_out(changed: list[Changed], repository: Repository) -> tuple[list[Changed], list[str]]:
    """The files that differ from the commit, and the paths of those where only their filter could tell.

    Git calls a filtered file changed when it was touched, because the index has what the filter makes of the content. LFS leaves the hash
    of the content in the index, so an LFS file can be compared without LFS.
    """
    edited = [file for file in changed if file.is_edited]
    names = b"".join(os.fsencode(file.path) + b"\0" for file in edited)
    answer = repository.ask("check-attr", "-z", "--stdin", "filter", input=names)
    fields = os.fsdecode(answer.stdout).split("\0")
    filtered = {path for path, value in zip(fields[0::3], fields[2::3], strict=False) if not answer.ok or value in repository.filters}
    differs: list[Changed] = []
    unknown: list[str] = []
    for file in changed:
        if file.path not in filtered or not file.is_edited:
            differs.append(file)
            continue
        is_same = _is_as_in_pointer(file, repository)
        if is_same is None:
            unknown.append(file.path)
        if is_same is False or file.is_staged:
            differs.append(file)
    return differs, unknown


def _is_as_in_pointer(file: Changed, repository: Repository) -> bool | None:
    """Whether an LFS file has the content that its pointer in the index names; None when the index has no pointer."""
    answer = repository.ask("cat-file", "blob", file.blob)
    pointer = POINTER.match(answer.stdout) if answer.ok else None
    if pointer is None:
        return None
    seen, size = sha256(), 0
    try:
        with open(os.path.join(repository.root, file.path), "rb") as stream:
            while data := stream.read(1 << 20):
                size += len(data)
                seen.update(data)
    except OSError:
        return None
    return (seen.hexdigest().encode(), size) == (pointer[1], int(pointer[2]))
