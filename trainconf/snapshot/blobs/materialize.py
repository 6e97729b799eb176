"""Makes a folder of a snapshot by copying from the packs. A disk that can share blocks between files shares those of large ones.

`dest` appears whole or not at all: it is made beside its place and renamed. Content below a megabyte is checked by its hash as it is
copied. Larger content is copied by the kernel, as cp does, because hashing would take twice the time of copying; `verify` checks it.
Hard links are not used: their owner can change the mode of a read-only file, and would write through it into the code of other runs.
"""

from __future__ import annotations

import errno
import os

from trainconf import files
from trainconf.errors import StorageError
from trainconf.snapshot.blobs import manifest as manifests
from trainconf.snapshot.blobs.packs import LARGE_BYTES, DamagedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from trainconf.reporter import Wait
    from trainconf.snapshot.blobs.packs import PackReader

    Record = tuple[bytes, bytes, bytes, bytes]  # kind, content, size, name in its folder
    Layout = dict[bytes, list[Record]]  # folder, without slash at the end

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
NO_KERNEL_COPY = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def build(dest: str, fill: Callable[[bytes], None]) -> None:
    """Make the folder `dest` in one step: `fill` a folder beside it, then rename it. A failure leaves nothing."""
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
    """The manifest by folder. Every folder of the tree is a key; sorted, parents come before children."""
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


def copy_tree(reader: PackReader, folders: Layout, dest: bytes, wait: Wait) -> None:
    """Fill the empty folder `dest`. Raises OSError, DamagedError."""
    count, total = 0, sum(map(len, folders.values()))
    for folder in sorted(folders):
        path = os.path.join(dest, folder)
        if folder:
            os.mkdir(path)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for record in folders[folder]:
                _write(reader, record, fd)
        finally:
            os.close(fd)
        count += len(folders[folder])
        wait.at(count, total, "files")


def _write(reader: PackReader, record: Record, folder_fd: int) -> None:
    kind, content, size, name = record
    if kind == b"l":
        os.symlink(content, name, dir_fd=folder_fd)
        return
    fd = os.open(name, NEW_FILE, 0o777 if kind == b"x" else 0o666, dir_fd=folder_fd)
    try:
        digest = bytes.fromhex(content.decode())
        if int(size) < LARGE_BYTES:
            files.write_all(fd, reader.read(digest))
        else:
            _write_large(reader, digest, fd)
    finally:
        os.close(fd)


def _write_large(reader: PackReader, digest: bytes, fd: int) -> None:
    """Let the kernel copy, or share the blocks where the disk can. Copy through this process only where the kernel does not."""
    source, offset, size = reader.place(digest)
    end = offset + size
    try:
        while offset < end:
            copied = os.copy_file_range(source, fd, end - offset, offset)
            if not copied:
                raise DamagedError(digest, reader.index[digest])
            offset += copied
    except (OSError, AttributeError) as error:  # a Python that was built against a glibc before 2.27 has no such call
        if isinstance(error, OSError) and error.errno not in NO_KERNEL_COPY:
            raise
        os.lseek(fd, 0, os.SEEK_SET)
        for data in reader.chunks(digest):
            files.write_all(fd, data)


def remove_tree(path: bytes) -> None:
    """Remove a folder that trainconf made, with all in it; a missing one is no error."""
    for folder, folders, names in os.walk(path, topdown=False):
        for name in names:
            os.unlink(os.path.join(folder, name))
        for name in folders:
            inner = os.path.join(folder, name)
            (os.unlink if os.path.islink(inner) else os.rmdir)(inner)
    if os.path.isdir(path):
        os.rmdir(path)
