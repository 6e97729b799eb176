"""What a person waits for: nothing is told of what is quick, and of what takes over a second how far it is, and how long it took.

Where lines are drawn again, that is one line, below what is printed meanwhile. Elsewhere a line tells that it takes long. One more tells
its end.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, nullcontext

from trainconf.cli.screen.printer import cut, duration, one_line, size, whole_duration, width
from trainconf.cli.screen.terminal import redraws
from trainconf.reporter import Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from threading import Event, Thread

    from trainconf.cli.screen.block import Block
    from trainconf.cli.screen.printer import Printer

FIRST_S = 1.0  # what takes less is not told
EVERY_S = 0.2
GAP = "  "
SHORTEST_NOW = 8  # columns in which it is worth telling what goes on
SHORTEST_WHAT = 16  # columns that the work's name keeps on a narrow terminal


class ShownWait(Wait):
    """A wait on standard error. One that is told often how far it is needs no thread that draws it.

    Whoever prints meanwhile does so in `hidden`.
    """

    def __init__(self, printer: Printer, what: str, *, is_told_often: bool) -> None:
        self._lock: AbstractContextManager[object] = nullcontext()
        self._printer = printer
        self._what = one_line(what)
        self._has_thread = not is_told_often
        self._began = self._drawn = time.monotonic()
        self._amount: tuple[int, int, str] | None = None
        self._now = ""
        self._is_told = False
        self._block: Block | None = None
        self._thread: Thread | None = None
        self._is_over: Event | None = None

    def __enter__(self) -> ShownWait:
        self._printer.waiting = self
        if self._has_thread:
            self._start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if self._thread is not None and self._is_over is not None:
                self._is_over.set()
                self._thread.join()
        finally:
            self._printer.waiting = None
            if self._block is not None:
                self._block.close()
        if kind is None and self._is_told:
            self._printer.info(f"{self._what}: done in {duration(time.monotonic() - self._began)}")

    def at(self, done: int, total: int, unit: str = "") -> None:
        """So much is done of how much."""
        self._amount = done, total, unit
        if not self._has_thread and self._printer.waiting is self:
            self._tick()

    def now(self, text: str) -> None:
        """What goes on at this moment."""
        self._now = text.strip()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the line away while something is printed."""
        with self._lock:
            if self._block is not None:
                self._block.draw([], [])
            yield

    def _tick(self) -> None:
        """Tell what there is to tell now."""
        at = time.monotonic()
        if at - self._began < FIRST_S or at - self._drawn < EVERY_S:
            return
        self._drawn = at
        if self._block is None and redraws(sys.stderr):
            from trainconf.cli.screen.block import Block

            self._block = Block()
        if self._block is not None:
            self._block.draw([], [self._line(self._block.size[0], at - self._began)])
        elif not self._is_told:
            self._printer.info(self._what)
        self._is_told = True

    def _line(self, columns: int, elapsed: float) -> str:
        """What, how much of it, for how long, and what goes on, as far as there is room."""
        facts = [*([_amount(*self._amount)] if self._amount is not None else []), whole_duration(elapsed)]
        tail = GAP.join(["", *facts])
        line = cut(self._what, max(SHORTEST_WHAT, columns - width(tail))) + tail
        left = columns - width(line) - len(GAP)
        return line + GAP + cut(self._now, left) if self._now and left >= SHORTEST_NOW else line

    def _start(self) -> None:
        """Draw from a thread that takes no signals: those that are held, or end this process, are the main thread's."""
        from threading import Event, RLock, Thread

        from trainconf.fast.stdlib import signal

        self._lock, self._is_over = RLock(), Event()
        self._thread = Thread(target=self._draw_again, args=(self._is_over,), daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _draw_again(self, is_over: Event) -> None:
        while not is_over.wait(EVERY_S):
            with self._lock:
                try:
                    self._tick()
                except OSError:
                    return  # nobody reads standard error; the work goes on


def _amount(done: int, total: int, unit: str) -> str:
    return f"{size(done)} of {size(total)}" if unit == "B" else f"{done} of {total} {unit}".rstrip()
