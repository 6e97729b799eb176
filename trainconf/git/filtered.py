"""Files that git filters (LFS, nbstripout, git-crypt): whether they really differ from the commit, without running the filter."""

from __future__ import annotations

import os
import re
from hashlib import sha256

from trainconf.git.command import ask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.git.settings import GitSettings
    from trainconf.git.state import Changed
    from trainconf.process import Processes

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: the commit holds such a pointer in the file's place
POINTER = re.compile(rb"\Aversion https://[^\n]*\n(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize (\d+)\n")


def sort_out(changed: list[Changed], root: str, settings: GitSettings, processes: Processes) -> tuple[list[Changed], list[str]]:
    """The files that differ from the commit, and the paths of those of which only their filter could tell.

    A file is called changed when it was touched since git last looked, for its content is not what the index has: the filter makes that of
    it. LFS leaves the content's own hash in the index, so that an LFS file is known without LFS.
    """
    edited = [file for file in changed if file.is_edited]
    names = b"".join(os.fsencode(file.path) + b"\0" for file in edited)
    answer = ask(processes, root, ["check-attr", "-z", "--stdin", "filter"], filters=settings.filters, input=names)
    fields = os.fsdecode(answer.stdout).split("\0")
    filtered = {path for path, value in zip(fields[0::3], fields[2::3], strict=False) if not answer.ok or value in settings.filters}
    differs: list[Changed] = []
    unknown: list[str] = []
    for file in changed:
        if file.path not in filtered or not file.is_edited:
            differs.append(file)
            continue
        is_same = _is_what_the_pointer_says(file, root, settings, processes)
        if is_same is None:
            unknown.append(file.path)
        if is_same is False or file.is_staged:
            differs.append(file)
    return differs, unknown


def _is_what_the_pointer_says(file: Changed, root: str, settings: GitSettings, processes: Processes) -> bool | None:
    """Whether an LFS file has the content that its pointer in the index names; None when the index has no pointer."""
    answer = ask(processes, root, ["cat-file", "blob", file.blob], filters=settings.filters)
    pointer = POINTER.match(answer.stdout) if answer.ok else None
    if pointer is None:
        return None
    seen, size = sha256(), 0
    try:
        with open(os.path.join(root, file.path), "rb") as stream:
            while data := stream.read(1 << 20):
                size += len(data)
                seen.update(data)
    except OSError:
        return None
    return (seen.hexdigest().encode(), size) == (pointer[1], int(pointer[2]))
