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
    kinds = {b"f": "file", b"x": "file", b"l": "link", b"d": "folder"}
    return [
        Entry(kinds[kind], os.fsdecode(path), os.fsdecode(content), int(size or 0), executable=kind == b"x")
        for kind, content, size, path in parse(manifest)
    ]


def blobs(manifest: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(hash, path) of every file."""
    return ((bytes.fromhex(content.decode()), path) for kind, content, _, path in parse(manifest) if kind in b"fx")


def compare(a: bytes, b: bytes) -> SnapshotDiff:
    """The changes that turn the tree of manifest `a` into that of `b`."""
    old = {path: (kind, content) for kind, content, _, path in parse(a)}
    new = {path: (kind, content) for kind, content, _, path in parse(b)}
    both = sorted(path for path in old.keys() & new.keys() if old[path] != new[path])
    modes = {path for path in both if old[path][1] == new[path][1] and old[path][0] in b"fx" and new[path][0] in b"fx"}

    def text(paths: Iterable[bytes]) -> list[str]:
        return [os.fsdecode(path) for path in sorted(paths)]

    changed = [path for path in both if path not in modes]
    return SnapshotDiff(text(new.keys() - old.keys()), text(old.keys() - new.keys()), text(changed), text(modes))
