"""The only printer: data to standard output, talk to standard error, both in a form that no name can break.

Bytes that are no text are shown escaped. So is every character that would steer a terminal or turn the order of a line, wherever it
comes from: a name, a key, a reason, a tool's message; only newlines, tabs and the colours that `paint` puts in get through. A job's own
output, which `raw` hands on, stays as it is. Every secret that was handed to `redact` is blotted out of whatever is printed.
"""

from __future__ import annotations

import os
import sys

from trainconf.fast.stdlib import json
from trainconf.reporter import Reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import IO, Any

    from trainconf.errors import TrainconfError

BLOTTED = "********"
SHORTEST_SECRET = 4
CSV_LINES = 1000  # that are written at once
COLOURS = {
    "green": "32", "red": "31", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36", "bold": "1", "dim": "2",
}  # fmt: skip
STATUS_COLOURS = {
    "Completed": "green", "Failed": "red", "NotResponding": "red", "Canceled": "yellow", "CancelRequested": "yellow", "Running": "blue",
}  # fmt: skip


_COLOUR = f"\x1b{os.urandom(8).hex()}["  # what `paint` begins a colour with: no name can hold it
# C0, DEL and C1, the ends of lines that are no newline, and what turns the order of characters (Unicode TR36, bidirectional text)
_STEERING = (
    range(0x09), range(0x0B, 0x20), range(0x7F, 0xA0), (0x061C, 0x200E, 0x200F), range(0x2028, 0x202F), range(0x2066, 0x206A),
)  # fmt: skip


_secrets: list[str] = []  # of the whole process: whoever learns one, nobody prints it


class Printer(Reporter):
    """Writes to whatever `sys.stdout` and `sys.stderr` are at that moment."""

    def redact(self, values: Iterable[str]) -> None:
        """Never print these values from now on. Very short ones would blot out half of every text, and are let be."""
        long_enough = {value for value in values if len(value) >= SHORTEST_SECRET}
        known = {*_secrets, *long_enough, *(json.dumps(value)[1:-1] for value in long_enough)}
        _secrets[:] = sorted(known, key=len, reverse=True)  # a secret that holds another one goes first

    def clean(self, text: str) -> str:
        """The text without any secret."""
        for secret in _secrets:
            text = text.replace(secret, BLOTTED)
        return text

    def data(self, text: str = "") -> None:
        """Print lines of the answer. Raises BrokenPipeError when nobody reads it any more."""
        self._write(sys.stdout, text + "\n", 1)

    def exact(self, text: str) -> None:
        """As `data`, of a text whose characters count, such as a file: its writer has escaped them in the file's own way."""
        self._write(sys.stdout, text + "\n", 1, form=str)

    def raw(self, chunk: bytes) -> None:
        """A job's own output, byte by byte as it wrote it. Raises BrokenPipeError like `data`."""
        if sys.stdout is None:
            return
        try:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            _stop_writing_to(1)
            raise

    def info(self, text: str = "") -> None:
        """One line, or several, for the person who watches."""
        self._write(sys.stderr, text + "\n", 2)

    def alert(self, text: str) -> None:
        """As `info`, from a signal handler: past the stream, which may be in the middle of a write of its own."""
        try:
            os.write(2, (escaped(self.clean(text)) + "\n").encode("utf-8", "backslashreplace"))
        except OSError:
            return  # nobody reads standard error; the signal has its effect all the same

    def steer(self, before: str, text: str, after: str) -> None:
        """Write a text to standard error with characters before and after it that steer the terminal, all of them at once."""
        if sys.stderr is not None:
            sys.stderr.write(before + escaped(self.clean(text)) + after)
            sys.stderr.flush()

    def error(self, error: TrainconfError) -> None:
        """Print a mistake or failure, in the one form of all."""
        self.info("\n".join(one_line(line) for line in error.render().split("\n")))

    def json(self, value: Any) -> None:
        """A value as JSON that every reader understands: numbers that JSON does not have become "NaN", "Infinity", "-Infinity"."""
        try:
            text = json.dumps(value, indent=2, allow_nan=False)
        except ValueError:
            text = json.dumps(_finite(value), indent=2, allow_nan=False)
        self._write(sys.stdout, text + "\n", 1)

    def csv(self, lines: Iterable[Sequence[Any]]) -> None:
        """Comma-separated values, of which the first line is the header; a block at a time: however many there are, they take no memory."""
        import csv
        import io

        block = io.StringIO()
        writer = csv.writer(block, lineterminator="\n")
        for place, line in enumerate(lines, 1):
            writer.writerow(line)
            if place % CSV_LINES == 0:
                self._write(sys.stdout, block.getvalue(), 1, form=str)
                block.seek(0)
                block.truncate()
        self._write(sys.stdout, block.getvalue(), 1, form=str)

    def json_array(self, values: Iterable[Any]) -> None:
        """An array as `json` prints it, one value after the other: however many there are, they take no memory."""
        between = "["
        for value in values:
            try:
                text = json.dumps(value, indent=2, allow_nan=False)
            except ValueError:
                text = json.dumps(_finite(value), indent=2, allow_nan=False)
            self._write(sys.stdout, between + "\n  " + text.replace("\n", "\n  "), 1)
            between = ","
        self._write(sys.stdout, "[]\n" if between == "[" else "\n]\n", 1)

    def table(
        self, headers: Sequence[str], rows: Iterable[Sequence[str]], *, status_column: int | None = None,
        colours: Mapping[tuple[int, int], str] | None = None,
    ) -> None:
        """Aligned columns, two spaces apart, under their headers. The last column is not padded. `colours` are by row and column."""
        headers, *cells = [[one_line(cell) for cell in row] for row in (headers, *rows)]
        widths = [max(width(row[column]) for row in [headers, *cells]) for column in range(len(headers))]
        self.data(self.paint(_aligned(headers, widths), "bold"))
        lines = []
        for place, row in enumerate(cells):
            padded = _padded(row, widths)
            if colours:
                padded = [self.paint(cell, colours.get((place, column), "")) for column, cell in enumerate(padded)]
            if status_column is not None:
                padded[status_column] = self.paint(padded[status_column], STATUS_COLOURS.get(row[status_column], ""))
            lines.append("  ".join(padded).rstrip())
        if lines:
            self.data("\n".join(lines))

    def status(self, status: str) -> str:
        """A run's state in its colour."""
        return self.paint(status, STATUS_COLOURS.get(status, ""))

    def paint(self, text: str, colour: str) -> str:
        """The text in a colour, where standard output is a terminal that shows colours and nobody forbade them (no-color.org)."""
        if not colour or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or sys.stdout is None or not sys.stdout.isatty():
            return text
        return f"{_COLOUR}{COLOURS[colour]}m{text}{_COLOUR}0m"

    def flush(self) -> None:
        """Hand on what is buffered. Raises BrokenPipeError like `data`."""
        self._write(sys.stdout, "", 1)

    def _write(self, stream: IO[str] | None, text: str, descriptor: int, form: Callable[[str], str] | None = None) -> None:
        if stream is None:
            return  # the program was started with this channel closed
        encoding = getattr(stream, "encoding", None) or "utf-8"
        text = (form or escaped)(self.clean(text)).encode(encoding, "backslashreplace").decode(encoding)
        try:
            stream.write(text)
            stream.flush()
        except BrokenPipeError:
            _stop_writing_to(descriptor)
            raise


def escaped(text: str) -> str:
    """A text of several lines as a terminal may have it: nothing in it but our own colours steers that."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    shown = {code: chr(code).encode("unicode_escape").decode() for codes in _STEERING for code in codes}
    first, *painted = text.split(_COLOUR)
    found = [first.translate(shown)]
    for part in painted:
        colour, _, rest = part.partition("m")
        found.append(f"\x1b[{colour}m{rest.translate(shown)}")
    return "".join(found)


def one_line(text: str) -> str:
    """A name as it may stand in a line: control characters and undecodable bytes escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode("ascii") for c in text)


def terminal_size() -> tuple[int, int]:
    """Columns and rows of what standard output is shown on; 80 and 24 where it is no terminal. COLUMNS and LINES override them."""
    try:
        found = tuple(os.get_terminal_size(sys.stdout.fileno()))
    except (OSError, ValueError, AttributeError):
        found = 0, 0
    asked = (os.environ.get(name, "") for name in ("COLUMNS", "LINES"))
    columns, rows = (int(text) if text.isdecimal() and int(text) else there for text, there in zip(asked, found, strict=True))
    return columns or 80, rows or 24


def width(text: str) -> int:
    """Columns the text takes on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, columns: int) -> str:
    """As much of a line as fits, its end replaced by two dots where it does not."""
    if width(text) <= columns:
        return text
    shown = ""
    for character in text:
        if width(shown) + width(character) > columns - 2:
            break
        shown += character
    return (shown + "..")[: max(0, columns)]


def duration(seconds: float | None) -> str:
    """1.2 s, 3m 12s, 2h 05m, 3d 04h; empty for None."""
    if seconds is None:
        return ""
    if not abs(seconds) < 1e15:
        return "unknown"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, whole_seconds = divmod(int(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if not hours:
        return f"{minutes}m {whole_seconds:02d}s"
    days, hours_left = divmod(hours, 24)
    return f"{days}d {hours_left:02d}h" if days else f"{hours}h {minutes_left:02d}m"


def short_duration(seconds: float | None) -> str:
    """1.2s, 3m12s, 2h05m, 3d04h: a duration as one word, for a column of a table."""
    return duration(seconds).replace(" ", "")


def utc_time(seconds: float | None) -> str:
    """2026-11-23 06:32:07, in UTC as run ids and files have it; empty for None."""
    if seconds is None:
        return ""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def size(count: float) -> str:
    """Bytes for people: 512 B, 1.5 kB, 3.2 GB (powers of 1000)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def number(value: Any) -> str:
    """A metric's or param's value in a table: six significant digits are enough for people."""
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True)]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_padded(row, widths)).rstrip()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value


def _stop_writing_to(descriptor: int) -> None:
    """Point a broken channel at nothing, so that the interpreter does not complain about it on its way out."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)


printer = Printer()
