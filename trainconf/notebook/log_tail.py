"""The last lines of a job's output as they would look on a terminal: progress bars at their last state, colours left out."""

from __future__ import annotations

from trainconf.cli.screen.printer import one_line
from trainconf.fast.stdlib import re
from trainconf.history import ranks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import RunPaths

LINES = 12
COLUMNS = 400  # of a line
READ_LINES = 200  # a progress bar of many lines leaves little
# CSI and OSC sequences, and the other escapes (ECMA-48, 5.4 and 8.3)
_STEERING = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


def read(paths: RunPaths, rank: int = 0) -> list[str]:
    """At most LINES lines; none where nothing was written, or it cannot be read."""
    try:
        found = ranks.last_lines(paths.log(rank), READ_LINES)
    except OSError:
        return []
    lines: list[str] = []
    for line in reversed(found):
        text = shown(line.decode("utf-8", "backslashreplace"))
        if text or lines:  # empty ones at the end are no lines
            lines.append(text)
        if len(lines) == LINES:
            break
    return lines[::-1]


def shown(line: str) -> str:
    """A line as a terminal would have it at its end."""
    plain = _STEERING.sub("", line).expandtabs().rstrip("\r\n")
    last = next((part for part in reversed(plain.split("\r")) if part.strip()), "")
    text = one_line(_without_erased(last)).rstrip()
    return text if len(text) <= COLUMNS else text[:COLUMNS] + ".."


def _without_erased(line: str) -> str:
    """Without what a backspace has taken back."""
    if "\b" not in line:
        return line
    kept: list[str] = []
    for character in line:
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)
