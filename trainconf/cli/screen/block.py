"""Lines at the end of what a terminal shows, drawn again and again, below text that stays.

The cursor rests at the beginning of the block. Whatever the terminal does to long lines when its size changes, the block is what comes
after the cursor, and is erased as a whole. A frame is one write, so nobody sees half of it.
"""

from __future__ import annotations

import os
import sys

from trainconf.cli.screen.printer import cut, escaped, one_line, printer
from trainconf.cli.screen.widths import wrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

ERASE = "\r\x1b[J"  # from the cursor to the end of the screen
WITHOUT_SIZE = (80, 24)


class Block:
    """The block of one command. Nobody else writes to the terminal until `close`, but through `alert`: keys are not echoed either."""

    def __init__(self) -> None:
        self._echo = _without_echo()
        self._is_writing = False
        self._waiting: list[str] = []  # alerts that came in the middle of a frame
        self._shown: list[str] = []

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows that a block may fill."""
        try:
            columns, rows = os.get_terminal_size(sys.stderr.fileno())
        except OSError:
            columns, rows = 0, 0
        return max(2, (columns or WITHOUT_SIZE[0]) - 1), max(1, (rows or WITHOUT_SIZE[1]) - 1)  # a full last column may begin a row

    def draw(self, above: Sequence[str], lines: Sequence[str]) -> None:
        """Put `above` where the block was, to stay, broken between words, and `lines` below it, cut, and left out from the end."""
        columns, rows = self.size
        shown = [cut(one_line(line), columns) for line in lines[:rows]]
        if shown == self._shown and not above:
            return
        self._shown = shown
        stays = [wrapped(one_line(line), columns) for line in above]
        self._write(stays + shown, f"\x1b[{len(shown)}A\r" if shown else "")

    def close(self) -> None:
        """Take the block away, and give the terminal back."""
        self._shown = []
        self._write([], "")
        if self._echo is not None:
            _set(self._echo)

    def alert(self, text: str) -> None:
        """Say something that stays above the block, from a signal handler: the block comes back with the next frame."""
        if self._is_writing:
            self._waiting.append(text)
            return
        self._shown = []
        try:
            os.write(sys.stderr.fileno(), (ERASE + escaped(printer.clean(text)) + "\n").encode("utf-8", "backslashreplace"))
        except OSError:
            return  # nobody reads standard error; the signal has its effect all the same

    def _write(self, lines: list[str], after: str) -> None:
        self._is_writing = True
        try:
            printer.steer(ERASE, "".join(f"{line}\n" for line in lines), after)
        finally:
            self._is_writing = False
        while self._waiting:
            self.alert(self._waiting.pop(0))


def _without_echo() -> list[Any] | None:
    """Have the terminal show no key that is pressed, for an Enter would move the block; how it was before, None where it is not ours."""
    import termios

    try:
        if not os.isatty(0) or os.tcgetpgrp(0) != os.getpgrp():
            return None  # to change it from the background would stop this process
        before = termios.tcgetattr(0)
        changed = [*before]
        changed[3] &= ~termios.ECHO
    except (OSError, termios.error):
        return None
    _set(changed)
    return before


def _set(attributes: list[Any]) -> None:
    import termios
    from contextlib import suppress

    with suppress(OSError, termios.error):
        if os.tcgetpgrp(0) == os.getpgrp():
            termios.tcsetattr(0, termios.TCSADRAIN, attributes)
