"""A real sweep on a real pseudo-terminal: resized in the middle, cancelled by one Ctrl-C, and nothing torn."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
from collections.abc import Callable

import pyte
import pytest

from tests.conftest import Shell

SCRIPT = """
import sys, time
from trainconf import Run
run = Run.get_context()
for epoch in range(1000):
    run.log("loss", 1 / (epoch + 1), step=epoch)
    time.sleep(0.02)
"""


class Session:
    """A command on a terminal of its own."""

    def __init__(self, workspace: Shell, words: list[str], columns: int) -> None:
        self.screen = pyte.Screen(columns, 24)
        self._stream = pyte.ByteStream(self.screen)
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(workspace.root)
            os.execve(sys.executable, [sys.executable, "-m", "trainconf", *words], {**workspace.env, "TERM": "xterm", "PYTHONUTF8": "1"})
        self.resize(columns)

    def resize(self, columns: int) -> None:
        self.screen.resize(columns=columns)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def press(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def until(self, holds: Callable[[], bool], seconds: float = 120) -> None:
        """Read what the command writes until something holds, or it has ended."""
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, "\n".join(self.lines)
            if select.select([self._fd], [], [], 0.05)[0]:
                try:
                    self._stream.feed(os.read(self._fd, 65536))
                except OSError:  # nobody has the terminal any more
                    return

    def end(self) -> int:
        self.until(lambda: False)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_sweep_is_watched_through_a_change_of_width_and_ended_by_one_interrupt(workspace: Shell, columns: int) -> None:
    workspace.write("train.py", SCRIPT)
    words = ("+params.a=1,2,3", "metric.name=loss", "metric.goal=minimize", "sweep.max_concurrent_runs=2", "compute.slots=2")
    session = Session(workspace, ["-m", *workspace.script(*words)], columns)

    def rows(text: str) -> list[str]:
        return [line for line in session.lines if text in line]

    session.until(lambda: bool(rows("2 running, 1 waiting")) and all("█" in line for line in rows("  a=1") + rows("  a=2")))
    for wide in (101, 50, columns):
        session.resize(wide)
        session.press(b"\r")
        begun = time.monotonic()
        session.until(lambda begun=begun: time.monotonic() > begun + 0.4 and bool(rows("elapsed")))  # type: ignore[misc]
        assert [len(rows(text)) for text in ("elapsed", "2 running", "  a=1", "  a=2")] == [1, 1, 1, 1], session.lines
        block = next(place for place, line in enumerate(session.lines) if "elapsed" in line)
        assert all(len(line) < wide for line in session.lines[block:]), session.lines
    session.press(b"\x03")
    session.until(lambda: bool(rows("canceling all runs")))
    assert session.end() == 130
    assert [len(rows(text)) for text in ("canceling all runs", "elapsed", "^C", "waiting")] == [1, 0, 0, 0], session.lines
    assert len(rows("  Canceled")) == 6  # as each ended, and in the table
