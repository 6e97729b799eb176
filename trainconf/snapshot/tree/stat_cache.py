"""The stat cache of one source folder: the status that every file had when its content was last hashed.

It tells that nothing has changed without opening a file, evaluating an ignore rule or importing a hash. It only saves work: without it
the tree is read.

An entry is used only when no change can be missed. A file written within `RACY_NS` before its status was read may be written again in
the same tick of the disk's clock, so its status is not recorded (git calls such entries racily clean).
"""

from __future__ import annotations

import os

from trainconf.fast.records import Record
from trainconf.files import RACY_NS
from trainconf.snapshot.tree import cache_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Signature = tuple[int, ...]
    File = tuple[bytes, Signature, "bytes | None"]  # name, signature, blob hash: b"" for a frozen file, None when not read yet
    Summary = tuple[str, int, int, list[str], list[str]]  # id, file count, size in bytes, links that leave, skipped
    RepositoryRecord = tuple[bytes, bytes, "Signature | None", list[bytes]]  # folder, its index, signature of that, tracked though ignored

FORMAT = "trainconf stat cache 3"
UNSURE: Signature = ()  # equals no signature


def signature(status: os.stat_result) -> Signature:
    """Changes when a file is written, replaced or made executable, unless it is written again in the same tick of the clock."""
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode)


def folder_signature(status: os.stat_result) -> Signature:
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def settled(seen: Signature, times: slice, looked_at_ns: int) -> Signature:
    """`seen`, or UNSURE for what was so fresh that a later change might not show."""
    return seen if max(seen[times], default=0) < looked_at_ns - RACY_NS else UNSURE


FILE_TIMES = slice(1, 3)
FOLDER_TIMES = slice(0, 2)


class Folder:
    """Everything that a walk found in one folder of the source. Paths are bytes; `path` ends in a slash, the root's is empty."""

    __slots__ = ("files", "links", "names", "path", "signature", "skipped", "subfolders")

    def __init__(
        self, path: bytes, seen: Signature, names: list[bytes], files: list[File], links: list[tuple[bytes, bytes]],
        subfolders: list[bytes], skipped: list[bytes],
    ) -> None:
        self.path = path
        self.signature = seen
        self.names = names  # all of them, the ignored too, as the disk lists them
        self.files = files
        self.links = links  # name, target
        self.subfolders = subfolders
        self.skipped = skipped  # sockets, pipes, devices

    def packed(self, looked_at_ns: int) -> tuple[Any, ...]:
        files = [(name, settled(seen, FILE_TIMES, looked_at_ns), blob) for name, seen, blob in self.files]
        seen = settled(self.signature, FOLDER_TIMES, looked_at_ns)
        return (self.path, seen, self.names, files, self.links, self.subfolders, self.skipped)


class StatCache(Record):
    """The result of the last walk of a source folder, and the snapshot it became.

    allow_keys: the argument that decides what may travel
    watched:    files outside the tree's own listing that decide what is ignored; None is absent
    folders:    packed
    """

    source: bytes
    allow_keys: tuple[str, ...]
    summary: Summary
    watched: dict[bytes, Signature | None]
    repositories: list[RepositoryRecord]
    folders: list[Any]

    def save(self, path: str) -> None:
        """Replace the file at `path`. Raises OSError."""
        cache_file.save(path, FORMAT, [getattr(self, name) for name in self.field_types])

    @classmethod
    def load(cls, path: str, source: bytes) -> StatCache | None:
        """The cache of a source in the file at `path`; None without one."""
        values = cache_file.load(path, FORMAT)
        return cls(*values) if values and values[0] == source else None

    def fits(self, max_mb: float, max_files: int) -> bool:
        """Whether the snapshot is within the guards."""
        return self.summary[1] <= max_files and self.summary[2] <= max_mb * 1_000_000

    def is_current(self) -> bool:
        """Whether the source is what it was, as far as its status shows."""
        return self.rules_current() and self._repositories_current() and self._tree_current()

    def rules_current(self) -> bool:
        """Whether every ignore file is what it was, so that the listing of an unchanged folder is still right."""
        return all(signature_at(path) == seen for path, seen in self.watched.items())

    def _repositories_current(self) -> bool:
        return all(signature_at(index) == seen for _, index, seen, _ in self.repositories)

    def _tree_current(self) -> bool:
        stat, listdir = os.stat, os.listdir
        for path, folder_seen, names, files, *_ in self.folders:
            folder = self.source + b"/" + path
            try:
                fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError:
                return False
            try:
                # The names are compared too: not every network disk keeps a folder's times.
                if folder_signature(os.fstat(fd)) != folder_seen or listdir(folder) != names:
                    return False
                for name, seen, _ in files:
                    now = stat(name, dir_fd=fd, follow_symlinks=False)
                    if (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino, now.st_mode) != seen:
                        return False
            except OSError:
                return False
            finally:
                os.close(fd)
        return True


def signature_at(path: bytes) -> Signature | None:
    """The signature of a file that decides what is ignored; None when it is absent. All folders have the same signature."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if status.st_mode & 0o170000 == 0o040000:
        return (0,)
    return signature(status)
