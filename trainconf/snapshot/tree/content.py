"""Reads source files, hashes each as it was at one moment, and puts it into a pack when the store does not have it.

A file is taken only when its status after reading is the one before. One that keeps changing is named, and never recorded half old.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from trainconf.errors import Mistake, SnapshotError
from trainconf.fast.sha256 import sha256_digest
from trainconf.snapshot.blobs.packs import LARGE_BYTES
from trainconf.snapshot.frozen_line import START_BYTES, is_frozen
from trainconf.snapshot.tree.stat_cache import signature
from trainconf.snapshot.tree.walk import unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from trainconf.reporter import Wait
    from trainconf.snapshot.blobs.packs import PackWriter
    from trainconf.snapshot.tree.stat_cache import File, Folder, Signature

FROZEN = b""  # stands for a blob hash: the file is a frozen run and does not travel
READ_ATTEMPTS = 6
READ_PAUSE_S = 0.02
OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ContentReader:
    """Gives every file of a walk its blob hash. `known` are the hashes the store has; new content goes to `pack` if there is one."""

    def __init__(self, source: bytes, known: Container[bytes], pack: PackWriter | None, wait: Wait) -> None:
        self._source = source
        self._known = known
        self._pack = pack
        self._wait = wait
        self._read_count = self._missing_count = 0
        self._unreadable: list[tuple[bytes, OSError]] = []
        self._restless: list[bytes] = []

    def read(self, folders: list[Folder]) -> None:
        """Fill in the hashes that are missing. Raises SnapshotError naming all files that cannot be read or keep changing."""
        self._missing_count = sum(blob is None for folder in folders for _, _, blob in folder.files)
        for folder in folders:
            if any(blob is None for _, _, blob in folder.files):
                read = [file if file[2] is not None else self._file(folder.path, file) for file in folder.files]
                folder.files = [file for file in read if file]
        hint = "stop what writes to it, or leave it out by .gitignore or .trainconfignore"
        mistakes = [Mistake(f"{os.fsdecode(path)!r} changes while it is read", hint=hint) for path in self._restless]
        if self._unreadable:
            mistakes += unreadable(self._unreadable).mistakes
        if mistakes:
            raise SnapshotError(mistakes)

    def _file(self, folder: bytes, file: File) -> File | None:
        """The file with its hash; None when it is gone."""
        name, seen, _ = file
        path = folder + name
        self._wait.at(self._read_count, self._missing_count, "files")
        self._read_count += 1
        for attempt in range(READ_ATTEMPTS):
            try:
                seen, digest = self._attempt(path, None if attempt else seen)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError as error:
                if error.errno != errno.ELOOP:  # it has become a link: it changes while it is read
                    self._unreadable.append((path, error))
                    return file
                break
            if digest is not None:
                return (name, seen, digest)
            if attempt:
                time.sleep(READ_PAUSE_S * attempt)
        self._restless.append(path)
        return file

    def _attempt(self, path: bytes, seen: Signature | None) -> tuple[Signature, bytes | None]:
        """Read once. The signature after reading, and the hash when it is the one before: `seen`, or what it is when opened."""
        fd = _open(self._source + b"/" + path)
        try:
            seen = seen or signature(os.fstat(fd))
            size = seen[0]
            if size > LARGE_BYTES:
                return self._stream(fd, size, seen)
            data = os.read(fd, size + 1)
            after = signature(os.fstat(fd))
        finally:
            os.close(fd)
        if after != seen or len(data) != size or not stat.S_ISREG(after[4]):
            return after, None
        if is_frozen(data):
            return after, FROZEN
        digest = sha256_digest(data)
        if self._pack and self._is_new(digest):
            self._pack.add(digest, data)
        return after, digest

    def _stream(self, fd: int, size: int, seen: Signature) -> tuple[Signature, bytes | None]:
        """As `_attempt`, in pieces. They go to the pack at once, and are removed again if the store has the content."""
        from hashlib import sha256  # here, for it loads OpenSSL

        digest = sha256()
        if self._pack:
            self._pack.start(size)
        left = size
        frozen = is_frozen(os.pread(fd, START_BYTES, 0))
        while left and (data := os.read(fd, min(LARGE_BYTES, left))):
            digest.update(data)
            left -= len(data)
            if self._pack:
                self._pack.write(data)
        after = signature(os.fstat(fd))
        steady = after == seen and not left
        if self._pack:
            if steady and not frozen and self._is_new(digest.digest()):
                self._pack.commit(digest.digest(), size)
            else:
                self._pack.discard()
        return after, None if not steady else FROZEN if frozen else digest.digest()

    def _is_new(self, digest: bytes) -> bool:
        return digest not in self._known and (self._pack is None or digest not in self._pack.places)


def _open(path: bytes) -> int:
    """Open for reading; where that is allowed without writing the time of access, which is most of the cost of a file's first read."""
    try:
        return os.open(path, OPEN_FLAGS | os.O_NOATIME)
    except PermissionError:
        return os.open(path, OPEN_FLAGS)  # not our own file
