"""Blobs in packs: many contents in one immutable file, found by their SHA-256.

A pack is the blobs one after the other, then its index (hash, offset, size of each), then a footer (number of blobs, hash of
the index, magic). It is written beside its place, synced and renamed, so a pack that has its name is whole. Large blobs start on
a page, so that a disk can share blocks between files. A record that was found damaged is listed in the file `damaged` and not
used any more; the next take stores its content anew.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress

from trainconf import files
from trainconf.errors import StorageError
from trainconf.fast.sha256 import sha256_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    Index = dict[bytes, "Place"]
    Place = tuple[str, int, int]  # pack, offset, size

RECORD = struct.Struct("<32sQQ")
FOOTER = struct.Struct("<Q32s8s")
MAGIC = b"tcpack01"
LARGE_BYTES = 1 << 20
PAGE_BYTES = 4096


class DamagedError(Exception):
    """A blob's bytes do not have its hash. `place` is where they are; None when no pack has the blob."""

    def __init__(self, digest: bytes, place: Place | None) -> None:
        super().__init__(digest.hex())
        self.digest = digest
        self.place = place


class PackDir:
    """The packs of one store."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._damaged = os.path.join(root, "damaged")

    def names(self) -> list[str]:
        return [name for name in files.names_in(self.root) if name.endswith(".pack")]

    def path(self, name: str) -> str:
        return os.path.join(self.root, name)

    def index(self) -> Index:
        """Where every blob lies. The blobs of a pack whose index is damaged are not found."""
        damaged = {tuple(line) for line in files.read_lines(self._damaged)}
        index: Index = {}
        for name in self.names():
            for digest, offset, size in read_index(self.path(name)) or ():
                if not damaged or (name, offset) not in damaged:
                    index[digest] = (name, offset, size)
        return index

    def unreadable(self) -> list[str]:
        """Packs whose index is damaged."""
        return [name for name in self.names() if read_index(self.path(name)) is None]

    def mark_damaged(self, place: Place) -> None:
        files.append_line(self._damaged, place[:2], durable=True)

    def forget_damaged(self, gone: Iterable[str]) -> None:
        """Drop the records of packs that were removed."""
        lost = set(gone)
        kept = [line for line in files.read_lines(self._damaged) if line[0] not in lost]
        if kept:
            files.write_atomic(self._damaged, "".join(files.dumps(line) + "\n" for line in kept))
        elif os.path.exists(self._damaged):
            os.unlink(self._damaged)


def read_index(path: str) -> list[tuple[bytes, int, int]] | None:
    """(hash, offset, size) of every blob in a pack; None when the pack is not whole."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = os.fstat(fd).st_size - FOOTER.size
        if end < 0:
            return None
        count, digest, magic = FOOTER.unpack(os.pread(fd, FOOTER.size, end))
        start = end - count * RECORD.size
        if magic != MAGIC or start < 0:
            return None
        records = os.pread(fd, count * RECORD.size, start)
    finally:
        os.close(fd)
    if sha256_digest(records) != digest:
        return None
    return list(RECORD.iter_unpack(records))


class PackWriter:
    """Writes a pack: `add` blobs, then `finish` gives it its name, or `abandon` leaves nothing.

    Nothing is created before the first blob. Every method may raise StorageError, and none an OSError of writing, which a caller
    could take for one of reading.
    """

    def __init__(self, packs: PackDir) -> None:
        self.packs = packs
        self.places: dict[bytes, tuple[int, int]] = {}
        self._temp = packs.path(f"{os.getpid()}-{os.urandom(6).hex()}.tmp")
        self._stream: BinaryIO | None = None
        self._end = 0

    def add(self, digest: bytes, data: bytes) -> None:
        """Append a whole blob."""
        self.start(len(data))
        self.write(data)
        self.commit(digest, len(data))

    def start(self, size: int) -> None:
        """Begin a blob of about `size` bytes; `write` its parts, then `commit` or `discard` it."""
        if size >= LARGE_BYTES and self._end % PAGE_BYTES:
            padding = PAGE_BYTES - self._end % PAGE_BYTES
            self.write(bytes(padding))
            self._end += padding

    def write(self, data: bytes) -> None:
        try:
            self._open().write(data)
        except OSError as error:
            raise refused(error) from error

    def commit(self, digest: bytes, size: int) -> None:
        self.places[digest] = (self._end, size)
        self._end += size

    def discard(self) -> None:
        """Remove what was written since `start`."""
        try:
            stream = self._open()
            stream.seek(self._end)
            stream.truncate()
        except OSError as error:
            raise refused(error) from error

    def finish(self) -> str | None:
        """Sync the pack and give it its name; return the name, or None when there are no blobs."""
        if not self.places:
            self.abandon()
            return None
        records = b"".join(RECORD.pack(digest, offset, size) for digest, (offset, size) in sorted(self.places.items()))
        digest = sha256_digest(records)
        try:
            stream = self._open()
            stream.write(records + FOOTER.pack(len(self.places), digest, MAGIC))
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            name = f"{digest.hex()[:32]}.pack"
            os.replace(self._temp, self.packs.path(name))
            self._stream = None
            sync_folder(self.packs.root)
        except OSError as error:
            raise refused(error) from error
        return name

    def abandon(self) -> None:
        """Leave no trace of an unfinished pack; after `finish` there is none."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            close_unwritten(stream)
            os.unlink(self._temp)

    def _open(self) -> BinaryIO:
        if self._stream is None:
            self._stream = open(self._temp, "xb", buffering=LARGE_BYTES)  # noqa: SIM115 closed by finish or abandon
        return self._stream


def close_unwritten(stream: BinaryIO) -> None:
    """Close a stream whose buffer cannot be written: on a full disk its flush fails again, and the first failure was reported."""
    with suppress(OSError):
        stream.close()


def refused(error: OSError) -> StorageError:
    return StorageError.from_os_error(error, "the snapshot store cannot be written")


class PackReader:
    """Reads blobs, each pack opened once; a context manager."""

    def __init__(self, packs: PackDir, index: Index) -> None:
        self.packs = packs
        self.index = index
        self._fds: dict[str, int] = {}

    def __enter__(self) -> PackReader:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._fds.values():
            os.close(fd)

    def place(self, digest: bytes) -> tuple[int, int, int]:
        """(file descriptor, offset, size). Raises DamagedError when no pack has it."""
        found = self.index.get(digest)
        if found is None:
            raise DamagedError(digest, None)
        name, offset, size = found
        fd = self._fds.get(name)
        if fd is None:
            fd = self._fds[name] = os.open(self.packs.path(name), os.O_RDONLY | os.O_CLOEXEC)
        return fd, offset, size

    def read(self, digest: bytes) -> bytes:
        """A blob of at most a few megabytes, checked by its hash. Raises DamagedError."""
        fd, offset, size = self.place(digest)
        data = os.pread(fd, size, offset)
        if sha256_digest(data) != digest:
            raise DamagedError(digest, self.index[digest])
        return data

    def chunks(self, digest: bytes) -> Iterator[bytes]:
        """A blob of any size in pieces. Raises DamagedError at the end when the pieces do not have its hash."""
        import hashlib  # here, for it loads OpenSSL

        fd, offset, size = self.place(digest)
        seen = hashlib.sha256()
        end = offset + size
        while offset < end:
            data = os.pread(fd, min(LARGE_BYTES, end - offset), offset)
            if not data:
                break
            seen.update(data)
            yield data
            offset += len(data)
        if seen.digest() != digest:
            raise DamagedError(digest, self.index[digest])


def sync_folder(path: str) -> None:
    """Make the names in a folder survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
