"""Appends lines to a file that is opened once. What is slow is gathered for a moment; nothing else is kept back.

A line is written at once where writing takes a few microseconds, as on a disk of this machine: then nothing is lost, however the
process ends. Where a write takes longer (a shared disk, or a thread of the script that keeps the interpreter), lines are gathered, for
0.2 seconds at most. These are written by a thread, when the process exits, and at SIGTERM, unless the script has a handler of its own. A
forked process gathers nothing, for many end without leaving Python.

A disk that refuses is told once on standard error. What it refused, up to a megabyte, is tried again.
"""

from __future__ import annotations

import _thread
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Set, Tuple

CHEAP_S = 5e-5  # a write that takes less is no reason to gather
MANY_SLOW = 8  # one after the other that took longer are one
LONGEST_S = 0.2  # that a line waits
SHARE = 9  # of the time, a write that takes one part is followed by so many without any
FULL_BYTES = 1 << 16  # of gathered lines are written at once
KEPT_BYTES = 1 << 20  # of lines that a disk has refused
NO_SPACE = 28  # errno.ENOSPC

_files: Dict[str, AppendFile] = {}
_state = {"may_gather": True, "is_registered": False}
_told: Set[str] = set()  # folders whose disk has refused


def opened(path: str) -> AppendFile:
    """The one appender of this process for a file."""
    found = _files.get(path)
    if found is None:
        found = _files.setdefault(path, AppendFile(path))
        if not _state["is_registered"]:
            _state["is_registered"] = True
            import atexit

            atexit.register(_at_exit)
            os.register_at_fork(after_in_child=_after_fork)
    return found


def flush_all() -> None:
    """Write whatever is gathered, to every file."""
    for file in list(_files.values()):
        file.flush()


def _at_exit() -> None:
    _state["may_gather"] = False  # what other exit handlers log later is written at once
    flush_all()


def _after_fork() -> None:
    _state["may_gather"] = False
    for file in _files.values():
        file.forget()


class AppendFile:
    """Lines appended to one file, by any number of threads and processes of one machine: each comes in whole."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1
        self._identity: Tuple[int, int] = (0, 0)
        self._may_be_torn = True  # a writer before us, or our own last write, may have left half a line
        self.forget()

    def forget(self) -> None:
        """Begin with nothing gathered: what was gathered before a fork is the parent's."""
        self._lock = _thread.RLock()
        self._waiting: List[bytes] = []
        self._late: List[bytes] = []  # of a signal handler that came while the same thread was writing
        self._is_writing = False
        self._size = 0
        self._next = 0.0  # when it may be written again
        self._slow = 0  # writes that were slow, one after the other
        self._has_thread = False

    def add(self, line: bytes) -> None:
        """Append a line, which has its newline."""
        with self._lock:
            if self._size > KEPT_BYTES:
                return  # the disk refuses, which was told
            if self._is_writing:
                self._late.append(line)
                return
            self._waiting.append(line)
            self._size += len(line)
            if self._next and self._size < FULL_BYTES and _state["may_gather"] and time.monotonic() < self._next:
                self._write_later()
            else:
                self._write()

    def flush(self) -> None:
        """Write what is gathered."""
        with self._lock:
            self._write()

    def close(self) -> None:
        """Write what is gathered, and close the file; a later line opens it again."""
        with self._lock:
            self.flush()
            if self._fd >= 0:
                fd, self._fd = self._fd, -1
                os.close(fd)

    def _write(self) -> None:
        """Write what is gathered, and what a signal handler adds meanwhile."""
        while self._waiting and not self._is_writing:
            self._is_writing = True
            try:
                self._write_once()
            finally:
                self._is_writing = False
            if not self._late:
                return
            late, self._late = self._late, []
            self._waiting += late

    def _write_once(self) -> None:
        data = b"".join(self._waiting)
        began = time.monotonic()
        try:
            left = self._append(data)
        except OSError as error:
            left = data
            self._refused(error)
        self._waiting = [left] if left else []
        self._size = len(left)
        ended = time.monotonic()
        took = ended - began
        if left:
            self._next = ended + LONGEST_S
            if _state["may_gather"]:
                self._write_later()
        else:
            self._slow = 0 if took < CHEAP_S else self._slow + 1
            self._next = ended + min(LONGEST_S, SHARE * took) if self._slow >= MANY_SLOW else 0.0

    def _append(self, data: bytes) -> bytes:
        """Append whole lines; those that the disk had no room for. Raises OSError when it refuses them all."""
        fd = self._open()
        size = os.fstat(fd).st_size if self._may_be_torn else 0
        if size and os.pread(fd, 1, size - 1) != b"\n":
            # Another's line that is just being written may look like half a line: then an empty line results, which readers pass over.
            data = b"\n" + data
        self._may_be_torn = True
        written = os.write(fd, data)
        if written == len(data):
            self._may_be_torn = False
            return b""
        whole = data.rfind(b"\n", 0, written) + 1
        end = os.fstat(fd).st_size
        if os.pread(fd, written - whole, end - (written - whole)) == data[whole:written]:
            os.ftruncate(fd, end - (written - whole))  # no half of a line stays
        self._refused(OSError(NO_SPACE, os.strerror(NO_SPACE), self.path))
        return data[whole:].lstrip(b"\n")

    def _open(self) -> int:
        """The open file. A script may have closed what it did not open, and another file may have its number now."""
        if self._fd >= 0:
            try:
                info = os.fstat(self._fd)
                if (info.st_dev, info.st_ino) == self._identity and info.st_nlink:
                    return self._fd
                if (info.st_dev, info.st_ino) == self._identity:
                    os.close(self._fd)  # it was removed
            except OSError:
                pass  # closed
        self._fd = -1
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)
        info = os.fstat(fd)
        self._fd, self._identity, self._may_be_torn = fd, (info.st_dev, info.st_ino), True
        return fd

    def _refused(self, error: OSError) -> None:
        folder = os.path.dirname(self.path)
        if folder not in _told:
            _told.add(folder)
            print("trainconf: metrics cannot be recorded, the script goes on without: %s" % error, file=sys.stderr, flush=True)

    def _write_later(self) -> None:
        if not self._has_thread:
            self._has_thread = True
            _flush_at_sigterm()
            try:
                _thread.start_new_thread(self._write_on, (self._lock,))
            except RuntimeError:  # no more threads, or Python is about to end
                self._has_thread, self._next = False, 0.0
                return

    def _write_on(self, lock: Any) -> None:
        """Write what is gathered until there is nothing for a while."""
        idle = 0
        while idle < 10:
            time.sleep(LONGEST_S / 2)
            with lock:
                idle = 0 if self._waiting else idle + 1
                if self._waiting:
                    self._write()
                if idle == 10:
                    self._has_thread = False


def _flush_at_sigterm() -> None:
    """Write what is gathered when SIGTERM would end the process at once. A handler that the script has, or sets later, is its own."""
    import signal

    def end(number: int, frame: object) -> None:
        flush_all()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, end)
    except ValueError:
        pass  # not the main thread: the thread that writes is all there is
