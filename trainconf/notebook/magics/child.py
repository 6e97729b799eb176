"""Runs `trainconf` for a magic, as a process of its own: the output is that of a terminal, and nothing of the kernel can break it.

Its standard output is a terminal, so that tables are coloured and fit. Its standard error is a pipe, so that nothing moves the cursor,
which a notebook cannot follow: a sweep tells its trials line by line.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import select
import struct
import sys
import termios

from trainconf.fast.spawn import spawn
from trainconf.fast.stdlib import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    Take = Callable[[str], object]

COLUMNS, ROWS = 100, 50  # where COLUMNS of the environment does not say another width
LOOK_MS = 100
READ_BYTES = 65536
KILLS_AT = 3  # interruptions: the first two are the command's own


def run(words: Sequence[str], take_output: Take, take_error: Take) -> int:
    """Run one command to its end and hand on what it prints, as it comes; its exit code.

    An interruption of the kernel is handed on to the command, and answered there as Ctrl-C is: a run that is watched is cancelled, and by
    the second one killed. The third one kills the command.
    """
    env = {"TERM": "xterm-256color", **os.environ}
    env.setdefault("COLUMNS", str(COLUMNS))
    output, theirs = _terminal(env["COLUMNS"])
    errors, theirs_too = os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        argv = [sys.executable, "-m", "trainconf", *words]
        pid = spawn(sys.executable, argv, env, [nothing, theirs, theirs_too], reset=(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT))
    except BaseException:
        os.close(output)
        os.close(errors)
        raise
    finally:
        for fd in (theirs, theirs_too, nothing):
            os.close(fd)
    try:
        with _Interrupts(pid):
            return _relay(pid, {output: _Decoder(take_output), errors: _Decoder(take_error)})
    finally:
        os.close(output)
        os.close(errors)


class _Interrupts:
    """Hands SIGINT on to a process. In a thread that is not the main one no signal arrives, and nothing is done."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._count = 0
        self._before: object = None
        self._is_ours = False

    def __enter__(self) -> None:
        try:
            self._before = signal.signal(signal.SIGINT, self._interrupted)
            self._is_ours = True
        except ValueError:
            pass

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]

    def _interrupted(self, _signal: int, _frame: FrameType | None) -> None:
        self._count += 1
        try:
            os.kill(self._pid, signal.SIGKILL if self._count >= KILLS_AT else signal.SIGINT)
        except ProcessLookupError:
            return


class _Decoder:
    """Turns bytes into text, of which a character may come in two pieces."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __call__(self, data: bytes) -> None:
        text = self._decoder.decode(data, final=not data)
        if text:
            self._take(text)


def _terminal(columns: str) -> tuple[int, int]:
    """A terminal's two ends: what we read from, and what a program writes to."""
    ours, theirs = os.openpty()
    modes = termios.tcgetattr(theirs)
    modes[1] &= ~termios.OPOST  # a newline stays one
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    wide = int(columns) if columns.isdecimal() and int(columns) else COLUMNS
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, min(wide, 65535), 0, 0))
    return ours, theirs


def _relay(pid: int, decoders: dict[int, _Decoder]) -> int:
    """Hand on what a process writes until it has ended: what it started and left behind may have its channels for longer."""
    waiting = select.poll()
    for fd in decoders:
        waiting.register(fd, select.POLLIN)
    open_fds = set(decoders)
    status: int | None = None
    while open_fds:
        ready = waiting.poll(0 if status is not None else LOOK_MS)
        if not ready and status is not None:
            break
        for fd, _ in ready:
            data = _read(fd)
            decoders[fd](data)
            if not data:
                waiting.unregister(fd)
                open_fds.remove(fd)
        if status is None:
            found, told = os.waitpid(pid, os.WNOHANG)
            status = told if found else None
    if status is None:
        status = os.waitpid(pid, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, READ_BYTES)
    except OSError:  # EIO: nobody has the other end of the terminal any more
        return b""
