"""The only printer: data to standard output, talk to standard error, both in a form that no name can break.

Bytes that are no text are shown escaped. So is every character that would steer a terminal or turn the order of a line, wherever it
comes from: a name, a key, a reason, a tool's message; only newlines, tabs and the colours that `paint` puts in get through. A job's own
output, which `raw` hands on, stays as it is. Every secret that was handed to `redact` is blotted out of whatever is printed.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext

from trainconf.cli.screen.terminal import shows_colours
from trainconf.cli.screen.widths import cut as cut
from trainconf.cli.screen.widths import width as width
from trainconf.cli.screen.widths import wrapped
from trainconf.control.words.values import COLOUR
from trainconf.control.words.values import duration as duration
from trainconf.control.words.values import escaped as escaped
from trainconf.control.words.values import measure as measure
from trainconf.control.words.values import number as number
from trainconf.control.words.values import one_line as one_line
from trainconf.control.words.values import short_duration as short_duration
from trainconf.control.words.values import size as size
from trainconf.control.words.values import utc_time as utc_time
from trainconf.control.words.values import whole_duration as whole_duration
from trainconf.fast.stdlib import json
from trainconf.reporter import Reporter, Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from typing import IO, Any, ClassVar, Protocol

    from trainconf.errors import TrainconfError

    class Waiting(Protocol):
        """What is shown of work that a person waits for, and is taken away while something is printed."""

        def hidden(self) -> AbstractContextManager[None]: ...

BLOTTED = "********"
SHORTEST_SECRET = 4
CSV_LINES = 1000  # that are written at once
COLOURS = {
    "green": "32", "red": "31", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36", "bold": "1", "dim": "2",
}  # fmt: skip
STATUS_COLOURS = {
    "Completed": "green", "Failed": "red", "NotResponding": "red", "Canceled": "yellow", "CancelRequested": "yellow", "Running": "blue",
}  # fmt: skip


_secrets: list[str] = []  # of the whole process: whoever learns one, nobody prints it


class Printer(Reporter):
    """Writes to whatever `sys.stdout` and `sys.stderr` are at that moment. `waiting` is what a person waits for now."""

    begin_wait: ClassVar[Callable[[Printer, str, bool], Wait] | None] = None  # makes what `wait` gives; cli/main.py sets it

    def __init__(self) -> None:
        self.waiting: Waiting | None = None

    def wait(self, what: str, *, is_told_often: bool = False) -> Wait:
        """Show how far something is, if it takes longer than a second. Within another wait nothing is shown."""
        begin = Printer.begin_wait
        return Wait() if begin is None or self.waiting is not None else begin(self, what, is_told_often)

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
        """Print lines of the answer, on a terminal none wider than that. Raises BrokenPipeError when nobody reads it any more."""
        self._write(sys.stdout, text + "\n", 1, form=_fitting(sys.stdout))

    def verbatim(self, text: str) -> None:
        """As `data`, of what may be copied from the screen, such as a script: lines stay whole, however wide they are."""
        self._write(sys.stdout, text + "\n", 1)

    def fitted(self, text: str) -> str:
        """The text as `data` would break its lines."""
        return _fitting(sys.stdout)(self.clean(text))

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
        self._write(sys.stderr, text + "\n", 2, form=_fitting(sys.stderr))

    def lines(self, lines: Sequence[str]) -> None:
        """Lines for the person who waits; nothing without any."""
        if lines:
            self.info("\n".join(lines))

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

    def status(self, status: str) -> str:
        """A run's state in its colour."""
        return self.paint(status, STATUS_COLOURS.get(status, ""))

    def paint(self, text: str, colour: str) -> str:
        """The text in a colour, where standard output has colours."""
        if not colour or not shows_colours(sys.stdout):
            return text
        return f"{COLOUR}{COLOURS[colour]}m{text}{COLOUR}0m"

    def flush(self) -> None:
        """Hand on what is buffered. Raises BrokenPipeError like `data`."""
        self._write(sys.stdout, "", 1)

    def _write(self, stream: IO[str] | None, text: str, descriptor: int, form: Callable[[str], str] | None = None) -> None:
        if stream is None:
            return  # the program was started with this channel closed
        encoding = getattr(stream, "encoding", None) or "utf-8"
        text = (form or escaped)(self.clean(text)).encode(encoding, "backslashreplace").decode(encoding)
        with nullcontext() if self.waiting is None else self.waiting.hidden():
            try:
                stream.write(text)
                stream.flush()
            except BrokenPipeError:
                _stop_writing_to(descriptor)
                raise


def columns_of(stream: IO[str] | None) -> int | None:
    """Columns of the terminal that a stream is, or None where it is none: nothing has to fit there. COLUMNS overrides them."""
    if stream is None or not stream.isatty():
        return None
    asked = os.environ.get("COLUMNS", "")
    try:
        return int(asked) if asked.isdecimal() and int(asked) else os.get_terminal_size(stream.fileno()).columns or 80
    except (ValueError, OSError):
        return 80


def terminal_size() -> tuple[int, int]:
    """Columns and rows of what standard output is shown on; 80 and 24 where it is no terminal. COLUMNS and LINES override them."""
    try:
        found = tuple(os.get_terminal_size(sys.stdout.fileno()))
    except (OSError, ValueError, AttributeError):
        found = 0, 0
    asked = (os.environ.get(name, "") for name in ("COLUMNS", "LINES"))
    columns, rows = (int(text) if text.isdecimal() and int(text) else there for text, there in zip(asked, found, strict=True))
    return columns or 80, rows or 24


def _fitting(stream: IO[str] | None) -> Callable[[str], str]:
    columns = columns_of(stream)
    return escaped if columns is None else lambda text: wrapped(escaped(text), columns)


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
