"""A snapshot becomes a folder: copied from the packs, or hard-linked from a tree that was unpacked once.

`dest` appears whole or not at all: it is made beside its place and renamed. A content below a megabyte is proven by its hash as it is
copied; a larger one goes from disk to disk unseen, as with cp (hashing would take twice the time of copying): `verify` proves those.
A linked file is read-only and shared; whoever may ignore modes (root) could write through it into other runs, so root gets copies.
"""

from __future__ import annotations

import errno
import os
import time

from trainconf import files
from trainconf.errors import SnapshotError, StorageError
from trainconf.snapshot import manifest as manifests
from trainconf.snapshot.packs import LARGE_BYTES, DamagedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from trainconf.snapshot.packs import PackReader

    Record = tuple[bytes, bytes, bytes, bytes]  # kind, content, size, name in its folder
    Layout = dict[bytes, list[Record]]  # folder, without slash at the end

LINK_FROM_FILES = 2_000  # `auto` links a tree with more files,
LINK_FROM_BYTES = 100_000_000  # or with more bytes than this
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
NO_KERNEL_COPY = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
CANNOT_LINK = (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP)  # other disk, link count full, not ours, no links here


def choose(how: str, file_count: int, size_bytes: int) -> bool:
    """Whether to link. Raises SnapshotError when root asks for links, ValueError for a word that is none of the three."""
    if how not in ("auto", "copy", "link"):
        raise ValueError(f"how: {how!r}")
    root = os.geteuid() == 0
    if how == "link" and root:
        raise SnapshotError(
            "links are not safe for root: a job that ignores file modes could write through them into other runs",
            ("from", "snapshot.materialize=link"), hint="use snapshot.materialize=copy, or run as another user",
        )
    return how == "link" or (how == "auto" and not root and (file_count > LINK_FROM_FILES or size_bytes > LINK_FROM_BYTES))


def build(dest: str, fill: Callable[[bytes], None]) -> None:
    """Make the folder `dest` in one step: `fill` a folder beside it, then rename. On any failure nothing is left."""
    if os.path.lexists(dest):
        raise StorageError("the folder for the code exists already", ("path", dest))
    temp = os.fsencode(f"{dest}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        os.mkdir(temp)
        fill(temp)
        os.rename(temp, dest)
    except BaseException as error:
        remove_tree(temp)
        if isinstance(error, OSError):
            raise StorageError.from_os_error(error, f"the code cannot be written to {dest!r}") from error
        raise


def layout(manifest: bytes) -> Layout:
    """The manifest by folder; every folder of the tree is a key, parents before children when sorted."""
    folders: Layout = {b"": []}
    for kind, content, size, path in manifests.parse(manifest):
        folder, _, name = path.rpartition(b"/")
        if kind == b"d":
            folder = path
        missing = folder
        while missing not in folders:
            folders[missing] = []
            missing = missing.rpartition(b"/")[0]
        if kind != b"d":
            folders[folder].append((kind, content, size, name))
    return folders


def copy_tree(reader: PackReader, folders: Layout, dest: bytes, *, read_only_at_ns: int | None = None) -> None:
    """Fill the empty folder `dest`. With `read_only_at_ns` files are read-only and have that time. Raises OSError, DamagedError."""
    for folder in sorted(folders):
        path = os.path.join(dest, folder)
        if folder:
            os.mkdir(path)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for record in folders[folder]:
                _write(reader, record, fd, read_only_at_ns)
        finally:
            os.close(fd)


def _write(reader: PackReader, record: Record, folder_fd: int, read_only_at_ns: int | None) -> None:
    kind, content, size, name = record
    if kind == b"l":
        os.symlink(content, name, dir_fd=folder_fd)
        return
    mode = 0o777 if kind == b"x" else 0o666
    fd = os.open(name, NEW_FILE, mode if read_only_at_ns is None else mode & 0o555, dir_fd=folder_fd)
    try:
        digest = bytes.fromhex(content.decode())
        if int(size) < LARGE_BYTES:
            files.write_all(fd, reader.read(digest))
        else:
            _write_large(reader, digest, fd)
        if read_only_at_ns is not None:
            os.utime(fd, ns=(read_only_at_ns, read_only_at_ns))
    finally:
        os.close(fd)


def _write_large(reader: PackReader, digest: bytes, fd: int) -> None:
    """Let the kernel copy, or share the blocks where the disk can; through this process only where the kernel will not."""
    source, offset, size = reader.place(digest)
    end = offset + size
    try:
        while offset < end:
            copied = os.copy_file_range(source, fd, end - offset, offset)
            if not copied:
                raise DamagedError(digest, reader.index[digest])
            offset += copied
    except OSError as error:
        if error.errno not in NO_KERNEL_COPY:
            raise
        os.lseek(fd, 0, os.SEEK_SET)
        for data in reader.chunks(digest):
            files.write_all(fd, data)


class LinkTree:
    """The unpacked, read-only tree of one snapshot, from which its runs are linked.

    All its files have one modification time, kept beside them: a file whose size or time is another was written to, and is made anew.
    """

    def __init__(self, path: str, reader: PackReader, folders: Layout) -> None:
        self._path = path
        self._reader = reader
        self._folders = folders
        self._files = os.fsencode(os.path.join(path, "files"))

    def link_into(self, dest: bytes) -> None:
        """Fill the empty folder `dest` with links. Raises OSError, DamagedError, StorageError."""
        unpacked_at_ns = self._unpacked_at_ns()
        for folder in sorted(self._folders):
            path = os.path.join(dest, folder)
            if folder:
                os.mkdir(path)
            source_fd = os.open(os.path.join(self._files, folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            dest_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                for record in self._folders[folder]:
                    self._link(record, source_fd, dest_fd, unpacked_at_ns)
            finally:
                os.close(dest_fd)
                os.close(source_fd)

    def _unpacked_at_ns(self) -> int:
        marker = os.path.join(self._path, "unpacked_at_ns")
        if not os.path.exists(marker):
            self._unpack()
        return int(files.read_json(marker))

    def _unpack(self) -> None:
        now = time.time_ns()

        def fill(temp: bytes) -> None:
            inner = os.path.join(temp, b"files")
            os.mkdir(inner)
            copy_tree(self._reader, self._folders, inner, read_only_at_ns=now)
            files.write_atomic(os.fsdecode(os.path.join(temp, b"unpacked_at_ns")), files.dumps(now))

        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        try:
            build(self._path, fill)
        except StorageError:
            if not os.path.exists(self._path):
                raise  # else another process unpacked the same tree at the same time

    def _link(self, record: Record, source_fd: int, dest_fd: int, unpacked_at_ns: int) -> None:
        kind, content, size, name = record
        if kind == b"l":
            os.symlink(content, name, dir_fd=dest_fd)
            return
        if not self._is_sound(name, int(size), source_fd, unpacked_at_ns):
            self._repair(record, source_fd, unpacked_at_ns)
        try:
            os.link(name, name, src_dir_fd=source_fd, dst_dir_fd=dest_fd, follow_symlinks=False)
        except OSError as error:
            if error.errno not in CANNOT_LINK:
                raise
            _write(self._reader, record, dest_fd, unpacked_at_ns)

    @staticmethod
    def _is_sound(name: bytes, size: int, fd: int, unpacked_at_ns: int) -> bool:
        try:
            now = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return now.st_size == size and now.st_mtime_ns == unpacked_at_ns

    def _repair(self, record: Record, fd: int, unpacked_at_ns: int) -> None:
        """Put the file from the packs in the place of the damaged one; runs that have that one keep it."""
        kind, content, size, name = record
        temp = b".%d-%s.tmp" % (os.getpid(), os.urandom(4).hex().encode())
        try:
            _write(self._reader, (kind, content, size, temp), fd, unpacked_at_ns)
            os.replace(temp, name, src_dir_fd=fd, dst_dir_fd=fd)
        except BaseException:
            if os.access(temp, os.F_OK, dir_fd=fd):
                os.unlink(temp, dir_fd=fd)
            raise


def remove_tree(path: bytes) -> None:
    """Remove a folder of our own making and all in it; a missing one is no error."""
    for folder, folders, names in os.walk(path, topdown=False):
        for name in names:
            os.unlink(os.path.join(folder, name))
        for name in folders:
            inner = os.path.join(folder, name)
            (os.unlink if os.path.islink(inner) else os.rmdir)(inner)
    if os.path.isdir(path):
        os.rmdir(path)
