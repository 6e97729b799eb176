"""The stat cache of one source folder: what every file's status was when its content was last hashed.

It answers "nothing has changed" without opening a file, evaluating an ignore rule or importing a hash. It is only ever a
saving: missing, torn, foreign or old, it is not used, and the tree is read.

An entry is believed only when it could not have changed unseen: a file written within `RACY_NS` before it was looked at may be
written again in the same tick of the disk's clock, so its status is not recorded (git calls such entries racily clean).
"""

from __future__ import annotations

import marshal
import os
import sys

from trainconf.files import RACY_NS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Signature = tuple[int, ...]
    File = tuple[bytes, Signature, "bytes | None"]  # name, signature, blob hash: b"" for a frozen file, None when not read yet
    Summary = tuple[str, int, int, list[str], list[str]]  # id, file count, size in bytes, links that leave, skipped
    RepositoryRecord = tuple[bytes, bytes, "Signature | None", list[bytes]]  # folder, its index, signature of that, tracked though ignored

FORMAT = ("trainconf stat cache 2", sys.implementation.cache_tag)
UNSURE: Signature = ()  # equals no signature


def signature(status: os.stat_result) -> Signature:
    """What changes when a file is written, replaced or made executable. Only writing to it leaves all of it alone in the same tick."""
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode)


def folder_signature(status: os.stat_result) -> Signature:
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def settled(seen: Signature, times: slice, looked_at_ns: int) -> Signature:
    """`seen`, or UNSURE when the thing was so fresh that a later change might not show."""
    return seen if max(seen[times], default=0) < looked_at_ns - RACY_NS else UNSURE


FILE_TIMES = slice(1, 3)
FOLDER_TIMES = slice(0, 2)


class Folder:
    """One folder of the source: everything a walk found in it. Paths are bytes; `path` ends in a slash, the root's is empty."""

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


class StatCache:
    """What the last walk of a source folder found, and the snapshot it became."""

    __slots__ = ("allow_keys", "folders", "repositories", "source", "summary", "watched")

    def __init__(
        self, source: bytes, allow_keys: tuple[str, ...], summary: Summary, watched: dict[bytes, Signature | None],
        repositories: list[RepositoryRecord], folders: list[Any],
    ) -> None:
        self.source = source
        self.allow_keys = allow_keys  # the argument that decides what may travel
        self.summary = summary
        self.watched = watched  # files outside the tree's own listing that decide what is ignored; None: absent
        self.repositories = repositories
        self.folders = folders  # packed

    def save(self, path: str) -> None:
        """Replace the file at `path`. It need not survive a power cut, only never be believed when torn."""
        from binascii import crc32

        from trainconf import files

        data = marshal.dumps(tuple(getattr(self, name) for name in sorted(StatCache.__slots__)))
        head = marshal.dumps((FORMAT, len(data), crc32(data)))
        files.write_atomic(path, head.ljust(HEAD_BYTES, b"\0") + data, durable=False)

    @classmethod
    def load(cls, path: str, source: bytes) -> StatCache | None:
        from binascii import crc32

        try:
            with open(path, "rb", buffering=0) as stream:
                head, data = stream.read(HEAD_BYTES), stream.read()
            format_, size, check = marshal.loads(head)
            if format_ != FORMAT or size != len(data) or check != crc32(data):
                return None
            cache = cls(**dict(zip(sorted(cls.__slots__), marshal.loads(data), strict=True)))
        except (OSError, ValueError, EOFError, TypeError):
            return None
        return cache if cache.source == source else None

    def fits(self, max_mb: float, max_files: int) -> bool:
        """Whether the snapshot is within the guards."""
        return self.summary[1] <= max_files and self.summary[2] <= max_mb * 1_000_000

    def is_current(self) -> bool:
        """Whether the source is, to all that can be seen by status alone, what it was."""
        return self._watched_current() and self._repositories_current() and self._tree_current()

    def rules_current(self) -> bool:
        """Whether every ignore file is what it was, so that the listing of an unchanged folder still stands."""
        return self._watched_current()

    def _watched_current(self) -> bool:
        return all(look(path) == seen for path, seen in self.watched.items())

    def _repositories_current(self) -> bool:
        return all(look(index) == seen for _, index, seen, _ in self.repositories)

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


HEAD_BYTES = 96


def look(path: bytes) -> Signature | None:
    """The signature of a file that decides what is ignored; None when there is none. A folder only counts as being there."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if status.st_mode & 0o170000 == 0o040000:
        return (0,)
    return signature(status)
