"""The content of inputs: one digest for a file or a folder. Only what has changed since the last time is read.

A file's digest is the SHA-256 of its bytes, as `sha256sum` prints it. A folder's is that of its sorted paths with their digests; nothing
in it is left out. Links are followed, as the job follows them, so what they lead to is part of the input. Pipes and devices are never
opened.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from hashlib import sha256

from trainconf.errors import Mistake, SnapshotError
from trainconf.snapshot.tree import cache_file
from trainconf.snapshot.tree.stat_cache import FILE_TIMES, settled, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.reporter import Reporter, Wait
    from trainconf.snapshot.tree.stat_cache import Signature

    Known = dict[bytes, tuple[Signature, bytes]]  # path to signature and SHA-256

FORMAT = "trainconf inputs 2"
ATTEMPTS = 4
PAUSE_S = 0.05
CHUNK_BYTES = 1 << 20
WORTH_TELLING_BYTES = 1_000_000_000
SHOWN = 5


def digest(name: str, path: str, cache_dir: str, reporter: Reporter) -> str:
    """`sha256:<hex>` of a file, `tree:<hex>` of a folder; empty for what has no content, such as a pipe or a device.

    `reporter` is told when there is much to read. Raises SnapshotError: something cannot be read, or changes meanwhile.
    """
    source = os.fsencode(os.path.abspath(path))
    started_ns = time.time_ns()
    cache = os.path.join(cache_dir, "inputs", sha256(source).hexdigest()[:32])
    reader = _Reader(name, source, cache_file.load(cache, FORMAT) or {})
    entries = reader.entries()
    missing = sum(status[0] for _, kind, status in entries if kind == b"f" and status is not None)
    if missing > WORTH_TELLING_BYTES:
        reporter.info(f"note: all {missing / 1e9:.1f} GB of input {name} are read once, to know its content; "
                      f"unhashed_inputs=[{name}] leaves that out")  # fmt: skip
    with reporter.wait(f"reading input {name}", is_told_often=True) as wait:
        found = reader.read(entries, missing, wait)
    if reader.changed and os.path.isdir(os.path.dirname(cache_dir)):
        known = {path: (settled(seen, FILE_TIMES, started_ns), hashed) for path, (seen, hashed) in reader.seen.items()}
        with suppress(OSError):  # it only saves work
            os.makedirs(os.path.dirname(cache), exist_ok=True)
            cache_file.save(cache, FORMAT, {path: entry for path, entry in known.items() if entry[0]})
    return found


class _Reader:
    """Lists one input, then reads what `known` lacks. `seen` is what will be known next time."""

    def __init__(self, name: str, source: bytes, known: Known) -> None:
        self.name = name
        self.source = source
        self.known = known
        self.seen: Known = {}
        self.changed = False
        self._read = 0
        self._folders: dict[tuple[int, int], bytes] = {}
        self._unreadable: list[tuple[bytes, OSError]] = []

    def entries(self) -> list[tuple[bytes, bytes, Any]]:
        """(path, kind, fact). A file (f) has its signature if it must be read, else None. Others (d, l, o) have bytes."""
        entries: list[tuple[bytes, bytes, Any]] = []
        pending = [self.source]
        while pending:
            path = pending.pop()
            try:
                status = os.stat(path)
                kind, fact, below = self._entry(path, status)
            except FileNotFoundError:
                if path == self.source:
                    raise self._mistake("does not exist") from None
                kind, fact, below = b"l", _target(path), []
            except OSError as error:
                self._unreadable.append((path, error))
                continue
            entries.append((path, kind, fact))
            pending += below
        if self._unreadable:
            raise self._cannot_be_read()
        return sorted(entries)

    def _entry(self, path: bytes, status: os.stat_result) -> tuple[bytes, Any, list[bytes]]:
        if stat.S_ISREG(status.st_mode):
            seen = signature(status)
            known = self.known.get(path)
            if known is None or known[0] != seen:
                return b"f", seen, []
            self.seen[path] = known
            return b"f", None, []
        if not stat.S_ISDIR(status.st_mode):
            return b"o", b"%o" % stat.S_IFMT(status.st_mode), []
        first = self._folders.setdefault((status.st_dev, status.st_ino), path)
        if first != path:  # a second way to the same folder, perhaps from inside it
            return b"l", os.path.relpath(first, self.source), []
        return b"d", b"", [path + b"/" + name for name in sorted(os.listdir(path), reverse=True)]

    def read(self, entries: list[tuple[bytes, bytes, Any]], missing: int, wait: Wait) -> str:
        """Read what must be read, which is `missing` bytes, and make the digest of everything."""
        self._missing, self._wait = missing, wait
        for path, kind, fact in entries:
            if kind == b"f" and fact is not None:
                self.changed = True
                try:
                    self.seen[path] = self._file(path)
                except OSError as error:
                    self._unreadable.append((path, error))
        if self._unreadable:
            raise self._cannot_be_read()
        kind = entries[0][1]
        if kind == b"f":
            return f"sha256:{self.seen[self.source][1].hex()}"
        if kind != b"d":
            return ""
        whole = sha256()
        for path, kind, fact in entries[1:]:
            content = self.seen[path][1] if kind == b"f" else fact
            whole.update(b"%s\0%s\0%s\0" % (kind, path[len(self.source) + 1 :], content.hex().encode()))
        return f"tree:{whole.hexdigest()}"

    def _file(self, path: bytes) -> tuple[Signature, bytes]:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE_S * attempt)
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                before, whole = signature(os.fstat(fd)), sha256()
                while stat.S_ISREG(before[4]) and (data := os.read(fd, CHUNK_BYTES)):
                    whole.update(data)
                    self._read += len(data)
                    self._wait.at(self._read, self._missing, "B")
                if signature(os.fstat(fd)) == before and stat.S_ISREG(before[4]):
                    return before, whole.digest()
            finally:
                os.close(fd)
        raise self._mistake("changes while it is read", ("path", os.fsdecode(path)))

    def _cannot_be_read(self) -> SnapshotError:
        lines = [f"{os.fsdecode(path)}: {error.strerror}" for path, error in self._unreadable[:SHOWN]]
        more = len(self._unreadable) - SHOWN
        return self._mistake("cannot be read", ("paths", "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])))

    def _mistake(self, what: str, *facts: tuple[str, str]) -> SnapshotError:
        hint = f"unhashed_inputs=[{self.name}] lets it count by its path alone"
        return SnapshotError(Mistake(f"the input {self.name} {what}", *(facts or (("path", os.fsdecode(self.source)),)), hint=hint))


def _target(path: bytes) -> bytes:
    try:
        return os.readlink(path)
    except OSError:
        return b""  # it has gone since it was listed
