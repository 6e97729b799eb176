"""Shows lines that change on a screen of their own, until Ctrl-C; what stood there last stays on the terminal."""

from __future__ import annotations

import os
import sys
import time

from trainconf.cli.screen.printer import escaped, printer
from trainconf.cli.screen.terminal import redraws
from trainconf.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # the alternate screen without a cursor (xterm)


def refresh(draw: Callable[[int], list[str]], every_s: float) -> int:
    """Draw again and again; 0 when it is interrupted. `draw` is given the height of the terminal. Raises UserError without a terminal."""
    if not redraws(sys.stdout):
        raise UserError("--watch needs a terminal on which lines can be drawn again", ("from", "command line"),
                        hint="without --watch the table is printed once")
    lines: list[str] = []
    sys.stdout.write(_ENTER)
    try:
        while True:
            height = os.get_terminal_size(1).lines
            lines = [escaped(printer.clean(line)) for line in draw(height)][:height]
            sys.stdout.write("\x1b[H" + "\x1b[K\r\n".join(lines) + "\x1b[K\x1b[J")
            sys.stdout.flush()
            time.sleep(every_s)
    except KeyboardInterrupt:
        return 0
    finally:
        sys.stdout.write(_LEAVE + "".join(line + "\n" for line in lines))
        sys.stdout.flush()
