"""Files that git was told to pass over (`skip-worktree`, `assume-unchanged`): git calls the tree clean whatever is in them."""

from __future__ import annotations

import os

from trainconf.git.command import ask, why
from trainconf.git.state import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.git.settings import GitSettings
    from trainconf.git.state import GitFacts
    from trainconf.process import Processes

MARKS = "skip-worktree, assume-unchanged"


def add(found: GitFacts, entries: list[tuple[str, str, str, str]], settings: GitSettings, processes: Processes) -> None:
    """Note which of the files differ from the index, each `(tag, mode, blob, path)`; git-ls-files(1), -v."""
    absent = [(tag, path) for tag, _, _, path in entries if not os.path.lexists(os.path.join(found.root, path))]
    differ = [path for tag, path in absent if tag == "h"]  # a sparse checkout says `S`
    blobs = {path: blob for _, mode, blob, path in entries if mode.startswith("100") and _can_be_named(path, found.root)}
    if blobs:
        names = os.fsencode("".join(f"{path}\n" for path in blobs))
        answer = ask(processes, found.root, ["hash-object", "--stdin-paths"], filters=settings.filters, input=names)
        if not answer.ok:
            found.dirty = found.dirty or None
            found.add_note(f"{len(blobs)} files that git passes over ({MARKS}) cannot be compared: {why(answer, found.root)}")
            return
        differ += [path for (path, blob), now in zip(blobs.items(), answer.text().split(), strict=True) if blob != now]
    if differ:
        found.dirty = True
        found.add_note(f"{named(differ)}: changed, which git does not look at ({MARKS}); not in uncommitted.patch")
    if count := sum(tag != "h" for tag, _ in absent):
        found.add_note(f"{count} files of the commit are not in this sparse checkout, so they are not in the snapshot")


def _can_be_named(path: str, root: str) -> bool:
    return "\n" not in path and os.path.isfile(os.path.join(root, path)) and not os.path.islink(os.path.join(root, path))
