"""Ctrl-C while something is watched: the first cancels it, the second kills it at once."""

from __future__ import annotations

import signal

from trainconf.cli.screen.printer import printer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


class Interrupts:
    """A context manager that answers SIGINT and SIGTERM. `cancel(force)` asks for the end; `notice` is said the first time."""

    def __init__(self, cancel: Callable[[bool], None], notice: str) -> None:
        self.count = 0
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
        self.count += 1
        printer.alert(self._notice if self.count == 1 else "killing")
        self._cancel(self.count > 1)
