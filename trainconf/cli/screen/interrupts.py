"""Ctrl-C while something is watched: the first cancels it, the second kills it at once."""

from __future__ import annotations

from trainconf.cli.screen.printer import printer
from trainconf.fast.stdlib import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class Interrupts:
    """A context manager that answers SIGINT and SIGTERM. `cancel(force)` asks for the end; `notice` is printed the first time.

    Until `has_started` there is nothing to cancel: a signal raises KeyboardInterrupt.
    `tell` prints; whoever draws on the screen replaces it.
    """

    def __init__(self, cancel: Callable[[bool], None], notice: str, has_started: Callable[[], bool] = lambda: True) -> None:
        self.count = 0
        self.tell: Callable[[str], None] = printer.alert
        self._has_started = has_started
        self._cancel = cancel
        self._notice = notice
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _interrupted(self, _signal: int, _frame: FrameType | None) -> None:
        if not self._has_started():
            raise KeyboardInterrupt
        self.count += 1
        self.tell(self._notice if self.count == 1 else "killing")
        self._cancel(self.count > 1)
