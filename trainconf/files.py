"""The store of runs: reading, replacing and appending to files so that a crash leaves the old or the new, and locks the kernel frees.

Whoever opens a file of a run does it by a function of this module, or of `fast.json` on what that has read: these functions are the port
that another kind of store would have to offer, and a local or shared disk is the only one there is. A rank's log is the exception: its
descriptor is handed to a process, so it always lies on the machine of that process.
Standard library only. No name of a run's file is known here; `paths` has them.
"""

from __future__ import annotations

import _thread
import errno
import fcntl
import os
import stat
import time

from trainconf.fast.json import depth_exceeds, loads
from trainconf.fast.json import dumps as dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

LINE_TAIL_BYTES = 65536
RACY_NS = 2_000_000_000  # the coarsest clock of a disk in use (FAT); others tick in milliseconds
ASKERS_SECONDS = 0.5
JSON_BYTES = 1 << 28  # the plan of 65,536 processes is a fifth of that
JSON_DEPTH = 100
LINES_BYTES = 1 << 26  # of a file of JSON lines
LINE_BYTES, BLOCK_BYTES = 1 << 24, 1 << 20  # of one line: the start of 65,536 ranks is a third of that


class NotAFileError(FileNotFoundError):
    """Something is there, and it is no regular file: to whoever looks for a file it is as if there were none."""


def open_regular(path: str, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
    """Open what a job may have written: a regular file, never through a link, and without waiting for anybody (open(2)).

    Raises OSError for a link, a folder, a FIFO, a socket or a device: NotAFileError where it was only to be read.
    """
    fd, _ = open_with_size(path, flags, mode)
    if flags & os.O_ACCMODE != os.O_RDONLY:
        os.set_blocking(fd, True)  # a process may be handed the descriptor to write to
    return fd


def open_with_size(path: str, flags: int = os.O_RDONLY, mode: int = 0o644) -> tuple[int, int]:
    """As `open_regular`, with the size, for a descriptor that no process is handed: O_NONBLOCK stays set, which means nothing here."""
    is_read = flags & os.O_ACCMODE == os.O_RDONLY
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if is_read and error.errno in (errno.ELOOP, errno.ENXIO, errno.ENOTDIR):  # a link, a socket, a file above
            raise NotAFileError(error.errno, "it is no regular file", path) from error
        raise
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise (NotAFileError if is_read else OSError)(errno.EINVAL, "it is no regular file", path)
    return fd, status.st_size


def write_atomic(path: str, data: bytes | str | Iterable[bytes | memoryview], *, mode: int = 0o644, durable: bool = True) -> None:
    """Replace `path` by `data`, or by blocks of it, in one step: temp file in the same folder, fsync when `durable`, rename.

    Raises OSError, which names `path`; the temp file is gone then.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    temp = f"{path}.{os.getpid()}.{_thread.get_ident()}.tmp"
    try:
        fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            for block in (data,) if isinstance(data, bytes) else data:
                write_all(fd, block)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temp, path)
    except BaseException as error:
        if os.path.exists(temp):  # else Ctrl-C came between the rename and its return
            os.unlink(temp)
        if isinstance(error, OSError):
            error.filename, error.filename2 = path, None  # write(2) names nothing, and the temp file means nothing to anybody
        raise


def write_new(path: str, data: bytes | str, *, mode: int = 0o644, durable: bool = True) -> None:
    """Write a file that is not there yet, in a folder that nobody reads before something else says so: half the work of `write_atomic`.

    Raises OSError, which names `path`; whoever makes the folder removes it then.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        write_all(fd, data)
        if durable:
            os.fsync(fd)
    except OSError as error:
        error.filename = path  # write(2) names nothing
        raise
    finally:
        os.close(fd)


def sync_disk(path: str) -> None:
    """Return when all that was written until now to the disk that holds `path` survives a power cut: the one `fsync` of many files.

    Raises OSError.
    """
    import ctypes

    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd):  # syncfs(2), Linux 2.6.39
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte, whatever the kernel takes at once."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def append_line(path: str, value: Any, *, durable: bool = False) -> None:
    """Append one JSON line; see `append_lines`."""
    append_lines(path, [value], durable=durable)


def append_lines(path: str, values: Iterable[Any], *, durable: bool = False) -> None:
    """Append JSON lines with one write, so that concurrent appenders never mix within a line.

    A torn last line, left by a writer that died or a disk that was full, is closed first so that it stays one bad line.
    """
    data = "".join([dumps(value) + "\n" for value in values]).encode()
    fd, size = open_with_size(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        if size and os.pread(fd, 1, size - 1) != b"\n":
            data = b"\n" + data
        write_all(fd, data)
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def read_untrusted(path: str, limit: int, offset: int = 0) -> bytes:
    """What a regular file that somebody else may have put there has from `offset` on. Raises OSError, also for more than `limit` bytes."""
    fd, size = open_with_size(path)
    left = max(0, size - offset)
    try:
        data = os.pread(fd, left + 1, offset) if left <= limit else b""
        while data and len(data) != left and len(data) <= limit and (more := os.pread(fd, LINE_TAIL_BYTES, offset + len(data))):
            data += more  # it grows
    finally:
        os.close(fd)
    if max(left, len(data)) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit} bytes", path)
    return data


def names_in(folder: str) -> list[str]:
    """The names in a folder, sorted; none when it is missing or no folder. Raises OSError when it cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_lines(path: str) -> Iterator[Any]:
    """Every readable JSON line, oldest first; torn or foreign lines are passed over. A missing file, or what is no file, has none.

    Of a file with more than LINES_BYTES the rest is left out.
    """
    try:
        fd, size = open_with_size(path)
    except FileNotFoundError:
        return
    try:
        for line in _lines(fd, size):
            try:
                yield loads(line)
            except (ValueError, RecursionError):
                continue
    finally:
        os.close(fd)


def _lines(fd: int, size: int) -> Iterator[bytes]:
    """The lines of `read_lines`, without their ends, of a file that had this size when it was opened; no empty ones."""
    read, line, is_too_long = 0, b"", False
    while read < LINES_BYTES and (block := os.read(fd, min(LINES_BYTES - read, BLOCK_BYTES, max(0, size - read) + 1))):
        read += len(block)
        lines = (line + block).split(b"\n")
        line = lines.pop()
        for each in lines:
            if each and not is_too_long and len(each) < LINE_BYTES:
                yield each
            is_too_long = False
        if len(line) >= LINE_BYTES:
            line, is_too_long = b"", True
        if read == size:  # else it grows
            break
    if line and not is_too_long:
        yield line


def read_json(path: str, limit: int | None = None) -> Any:
    """The JSON value in a regular file of at most `limit` bytes, or JSON_BYTES. Raises OSError, and ValueError that says what is wrong."""
    data = read_untrusted(path, JSON_BYTES if limit is None else limit)
    try:
        value = loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if data.count(b"[") + data.count(b"{") > JSON_DEPTH and depth_exceeds(value, JSON_DEPTH):
        raise ValueError("nested too deeply")
    return value


def fingerprint(path: str | bytes) -> list[int]:
    """Device, inode, size, mtime and ctime of what is at `path`, links followed; empty when nothing is there.

    It changes whenever the file is written or replaced, also when somebody puts its mtime back. See `is_settled` for the one exception.
    """
    try:
        return fingerprint_of(os.stat(path))
    except (OSError, ValueError):
        return []


def fingerprint_of(status: os.stat_result) -> list[int]:
    """The fingerprint of a file whose status is known."""
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def is_settled(seen: Sequence[int], looked_at_ns: int) -> bool:
    """Whether every later change of a file shows in its fingerprint.

    False for a file that was written shortly before it was looked at: another write may fall into the same tick of the disk's clock.
    """
    return max(seen[3:], default=0) < looked_at_ns - RACY_NS


class FileLock:
    """A `flock`, exclusive unless asked otherwise, freed by the kernel when its last holder dies; a context manager.

    The lock belongs to the open file: a child that inherits `fd` (see `detach`) holds it on.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = -1

    def acquire(self, *, blocking: bool = True, shared: bool = False, patience_s: float = ASKERS_SECONDS) -> bool:
        """Take the lock; False when somebody has it and `blocking` is off. The file is created when missing.

        Whoever asks `is_locked` has it for a moment, shared: without `blocking` that is waited for, at most `patience_s`.
        """
        fd = open_regular(self.path, os.O_RDWR | os.O_CREAT)
        try:
            if not blocking and not shared:
                _lock_among_askers(fd, patience_s)
            else:
                fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if blocking else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(fd)
            return False
        except BaseException:
            os.close(fd)
            raise
        self.fd = fd
        return True

    def release(self) -> None:
        """Let go: this process' descriptor is closed; one that a child inherited still holds the lock."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _lock_among_askers(fd: int, patience_s: float) -> None:
    """Take a lock that others share for moments. Raises BlockingIOError when somebody has it alone, or others share it for long."""
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # refused: somebody has it for himself
            fcntl.flock(fd, fcntl.LOCK_UN)
            if time.monotonic() >= give_up_at:
                raise
            time.sleep(0.001 + 0.004 * os.urandom(1)[0] / 255)  # two who try must not keep each other from it


def is_locked(path: str) -> bool:
    """Whether some living process holds the lock at `path`. Asks with a shared lock, so askers do not see each other."""
    try:
        fd = open_regular(path)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def wait_unlocked(path: str) -> None:
    """Return when nobody holds the lock at `path`; blocks in the kernel, without polling."""
    try:
        fd = open_regular(path)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def until_unlocked(path: str) -> Callable[[float], object]:
    """A `sleep` that ends early, once, when nobody holds the lock at `path` any more."""
    gate = _thread.allocate_lock()
    gate.acquire()

    def wait() -> None:
        try:
            wait_unlocked(path)
        finally:
            gate.release()

    _thread.start_new_thread(wait, ())
    return lambda seconds: gate.acquire(timeout=seconds)
