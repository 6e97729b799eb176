"""The manifest: what a snapshot holds, as bytes whose SHA-256 is the snapshot's id.

Records of four fields, each ended by a NUL, so that any file name travels. The first is the header
(format, file count, size in bytes, empty); then, sorted by path, one for each

    f | x   file, executable file      blob hash (hex)   size   path
    l       symbolic link              target            empty  path
    d       empty folder               empty             empty  path

Where blobs lie is not part of it, so a repacked store has the same ids.
"""

from __future__ import annotations

import os

from trainconf.fast.records import Record
from trainconf.fast.sha256 import sha256_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORMAT = b"trainconf snapshot 1"


class Entry(Record):
    """One thing in a snapshot. `kind`: file, link or folder; `content`: a file's hash or a link's target."""

    kind: str
    path: str
    content: str
    size_bytes: int
    executable: bool


class SnapshotDiff(Record):
    """The difference from snapshot A to B, as sorted paths. Those of `modes` changed only their executable bit."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    modes: list[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.modes)


class ManifestError(ValueError):
    """The bytes are not a whole manifest."""


def render(records: Iterable[tuple[bytes, bytes, bytes, bytes]]) -> bytes:
    """The manifest of `records` (kind, content, size, path), in any order."""
    ordered = sorted(records, key=lambda record: record[3])
    sizes = [int(size) for kind, _, size, _ in ordered if kind in b"fx"]
    header = (FORMAT, b"%d" % len(sizes), b"%d" % sum(sizes), b"")
    fields = [field for record in (header, *ordered) for field in record]
    return b"\0".join(fields) + b"\0"


def identify(manifest: bytes) -> str:
    """The id of the snapshot whose manifest this is."""
    return sha256_digest(manifest).hex()


def parse(manifest: bytes) -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
    """The records below the header. Raises ManifestError."""
    fields = manifest.split(b"\0")
    if fields[0] != FORMAT or len(fields) % 4 != 1 or fields[-1]:
        raise ManifestError("not a snapshot manifest of this version")
    column = iter(fields[4:-1])
    return zip(column, column, column, column, strict=True)


def parse_header(start: bytes) -> tuple[int, int]:
    """File count and size in bytes, from the first bytes of a manifest. Raises ManifestError."""
    fields = start.split(b"\0", 3)
    if fields[0] != FORMAT or len(fields) < 4:
        raise ManifestError("not a snapshot manifest of this version")
    return int(fields[1]), int(fields[2])


def entries(manifest: bytes) -> list[Entry]:
    return [_entry(kind, content, size, path) for kind, content, size, path in parse(manifest)]


def _entry(kind: bytes, content: bytes, size: bytes, path: bytes) -> Entry:
    kinds = {b"f": "file", b"x": "file", b"l": "link", b"d": "folder"}
    return Entry(kinds[kind], os.fsdecode(path), os.fsdecode(content), int(size or 0), executable=kind == b"x")


def blobs(manifest: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(hash, path) of every file."""
    return ((bytes.fromhex(content.decode()), path) for kind, content, _, path in parse(manifest) if kind in b"fx")


def changes(a: bytes, b: bytes) -> list[tuple[Entry | None, Entry | None]]:
    """What differs in the trees of two manifests, sorted by path: the entry in `a` and the one in `b`, None where it is not."""
    old, new = ({record[3]: record for record in parse(manifest)} for manifest in (a, b))
    paths = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    return [tuple(_entry(*tree[path]) if path in tree else None for tree in (old, new)) for path in paths]  # type: ignore[misc]


def compare(a: bytes, b: bytes) -> SnapshotDiff:
    """The changes that turn the tree of manifest `a` into that of `b`."""
    found: dict[str, list[str]] = {"added": [], "removed": [], "changed": [], "modes": []}
    for before, after in changes(a, b):
        entry = after or before
        assert entry is not None
        is_mode = before and after and (before.kind, before.content) == (after.kind, after.content)
        found["added" if before is None else "removed" if after is None else "modes" if is_mode else "changed"].append(entry.path)
    return SnapshotDiff(**found)
