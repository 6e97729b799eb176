"""Files that git was told to ignore (`skip-worktree`, `assume-unchanged`): git calls the tree clean whatever they contain."""

from __future__ import annotations

import os

from trainconf.git.state import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.git.command import Repository
    from trainconf.git.state import GitFacts

MARKS = "skip-worktree, assume-unchanged"


def add(found: GitFacts, entries: list[tuple[str, str, str, str]], repository: Repository) -> None:
    """Note which of the files differ from the index, each `(tag, mode, blob, path)`; git-ls-files(1), -v."""
    absent = [(tag, path) for tag, _, _, path in entries if not os.path.lexists(os.path.join(found.root, path))]
    differ = [path for tag, path in absent if tag == "h"]  # a sparse checkout says `S`
    blobs = {path: blob for _, mode, blob, path in entries if mode.startswith("100") and _can_be_named(path, found.root)}
    if blobs:
        names = os.fsencode("".join(f"{path}\n" for path in blobs))
        answer = repository.ask("hash-object", "--stdin-paths", input=names)
        if not answer.ok:
            found.dirty = found.dirty or None
            found.add_note(f"{len(blobs)} files that git ignores ({MARKS}) cannot be compared: {repository.why(answer)}")
            return
        differ += [path for (path, blob), now in zip(blobs.items(), answer.text().split(), strict=True) if blob != now]
    if differ:
        found.dirty = True
        found.add_note(f"{named(differ)}: changed, but git ignores them ({MARKS}); not in uncommitted.patch")
    if count := sum(tag != "h" for tag, _ in absent):
        found.add_note(f"{count} files of the commit are not in this sparse checkout, so they are not in the snapshot")


def _can_be_named(path: str, root: str) -> bool:
    return "\n" not in path and os.path.isfile(os.path.join(root, path)) and not os.path.islink(os.path.join(root, path))
