"""A command on a terminal of its own: what it wrote, line by line, and what stands on the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable

import pyte
from wcwidth import wcswidth

from tests.conftest import Shell

SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WIDTHS = (60, 80, 200)


class Terminal:
    """A command whose standard input, output and error are a terminal of so many columns."""

    def __init__(
        self, shell: Shell, words: list[str], columns: int, *, rows: int = 24, program: tuple[str, ...] = ("-m", "trainconf"),
        env: dict[str, str] | None = None,
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=1)
        self.written = b""
        self._rows = rows
        self._stream = pyte.ByteStream(self.screen)
        environment = {**shell.env, "TERM": "xterm-256color", "PYTHONUTF8": "1", **(env or {})}
        environment.pop("COLUMNS")
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.chdir(shell.root)
            os.execve(shell.python, [shell.python, *program, *words], environment)
        self.code: int | None = None

    def resize(self, columns: int) -> None:
        """Have other columns from now on; the kernel sends SIGWINCH."""
        self.screen.resize(columns=columns)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", self._rows, columns, 0, 0))

    def press(self, keys: bytes) -> None:
        """What a person types."""
        os.write(self._fd, keys)

    def until(self, holds: Callable[[], bool], seconds: float = 120) -> None:
        """Read what the command writes until something holds, or it has ended."""
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, "\n".join(self.shown)
            if select.select([self._fd], [], [], 0.05)[0]:
                try:
                    chunk = os.read(self._fd, 65536)
                except OSError:  # nobody has the terminal any more
                    return
                self.written += chunk
                self._stream.feed(chunk)

    def end(self) -> int:
        """Read to the end; the exit code."""
        try:
            self.until(lambda: False)
        finally:
            if self.code is None:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
                if not ended:
                    os.kill(self.pid, signal.SIGKILL)
                    status = os.waitpid(self.pid, 0)[1]
                self.code = os.waitstatus_to_exitcode(status)
                os.close(self._fd)
        return self.code

    @property
    def shown(self) -> list[str]:
        """The lines of the screen."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def lines(self) -> list[str]:
        """The lines that were written, each whole however wide it is, without colours."""
        text = self.written.decode("utf-8", "replace").replace("\r\n", "\n")
        return [SEQUENCE.sub("", line) for line in text.split("\n")]


def too_wide(lines: list[str], columns: int) -> list[str]:
    """Lines that a terminal would break in the middle of a word, but for words that have no room in any line."""
    return [line for line in lines if wcswidth(line) > columns >= max(map(wcswidth, line.split())) + 6]
