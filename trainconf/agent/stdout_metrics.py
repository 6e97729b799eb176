"""Metrics out of what a script prints: patterns over rank 0's log, read beside the job in bounded memory and time.

Imported only for runs that ask for it; `re` is half of the agent's start-up time.
"""

from __future__ import annotations

import os
import re
import time

from trainconf import files
from trainconf.agent.signals import signal
from trainconf.history import events, metrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trainconf.paths import RunPaths

INTERVAL_SECONDS = 0.25
SLICE_SECONDS = 0.1  # of reading between two polls of the signals
END_SECONDS = 10.0  # of reading once the job has ended
BLOCK_BYTES = 65536
LINE_BYTES = 1 << 18  # of a longer line only the beginning is searched
LONG_LINE = 16384  # characters; over a longer line a search is done in steps that a signal can come between
SLOW_SECONDS = 0.5  # CPU time of one pattern over one line
SLOW_LINES = 3  # a pattern that was too slow so often is given up
MATCHES_PER_LINE = 10_000

# What ends a line or a redraw of it: a newline, a return to the line's beginning, backspaces.
_END = re.compile(rb"\n|\r\n?|\x08+|\x1b\[[01]?G")
_LONGEST_END = 4  # bytes, but for runs of one character
# Colours, cursor movements, titles, links (ECMA-48): a terminal shows none of their characters.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


class _TooSlow(Exception):
    """A pattern has searched one line for longer than SLOW_SECONDS."""


class _SearchTimer:
    """Ends a search that takes too long: `re` runs the handlers of signals while it matches.

    The timer counts CPU time of this process, so that a busy machine makes no pattern slow.
    """

    def __init__(self) -> None:
        self._searches = self._seen = 0
        self._is_searching = False

    def start(self) -> None:
        signal.signal(signal.SIGVTALRM, self._check)  # stays installed: a late signal must not end the agent
        signal.setitimer(signal.ITIMER_VIRTUAL, SLOW_SECONDS / 2, SLOW_SECONDS / 2)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def search(self, pattern: re.Pattern[str], text: str) -> list[re.Match[str]]:
        """The matches, at most one more than MATCHES_PER_LINE. Raises _TooSlow."""
        found: list[re.Match[str]] = []
        self._searches += 1
        self._is_searching = True
        try:
            for match in pattern.finditer(text) if len(text) <= LONG_LINE else _matches(pattern, text):
                found.append(match)
                if len(found) > MATCHES_PER_LINE:
                    break
            self._is_searching = False
        finally:
            self._is_searching = False
        return found

    def _check(self, *_: object) -> None:
        if self._is_searching and self._seen == self._searches:
            raise _TooSlow
        self._seen = self._searches


class _Lines:
    """Bytes in, lines out, as a terminal would show them. Each redraw of a line counts as a line."""

    def __init__(self) -> None:
        self.is_cut = False  # some line was longer than LINE_BYTES
        self._rest = b""  # the beginning of a line that has not ended yet
        self._kept = ""  # what stands before it, where backspaces have left something
        self._was_return = False

    def feed(self, block: bytes) -> Iterator[tuple[str, int]]:
        """Lines that end in `block`, each with the count of characters that the line before began with likewise."""
        data, at = self._rest + block, 0
        for end in _END.finditer(data, max(0, len(self._rest) - _LONGEST_END)):
            kind, text = end.group(), self._shown(data[at : end.start()])
            at = end.end()
            is_newline = kind.endswith(b"\n")
            if text or (is_newline and not self._was_return):
                yield text, len(self._kept)
            self._kept = text[: -len(kind)] if kind[0] == 8 else ""
            self._was_return = kind == b"\r"
        self._rest = data[at:]
        if len(self._rest) > LINE_BYTES:
            self._rest, self.is_cut = self._rest[:LINE_BYTES], True

    def finish(self) -> Iterator[tuple[str, int]]:
        """The last line, when nobody has ended it."""
        if self._rest:
            yield self._shown(self._rest), len(self._kept)
        self._rest = b""

    def _shown(self, data: bytes) -> str:
        if len(data) > LINE_BYTES:
            data, self.is_cut = data[:LINE_BYTES], True
        text = data.decode("utf-8", "replace")
        return (self._kept + (_ESCAPE.sub("", text) if "\x1b" in text else text))[:LINE_BYTES]


class LogReader:
    """Follows a log from where it stood. Each match of a pattern's first group becomes a metric: a number, else the text.

    `take_notes` tells people what could not be found or recorded.
    """

    def __init__(self, paths: RunPaths, patterns: Mapping[str, str]) -> None:
        self.deadline: float | None = time.monotonic() + INTERVAL_SECONDS
        self._paths = paths
        self._patterns = {name: re.compile(pattern) for name, pattern in patterns.items()}
        self._offset = _size(paths.log(0))  # an earlier attempt's output has been read
        self._end: float | None = None  # of reading after the job's end, by the monotonic clock
        self._fd = -1
        self._lines = _Lines()
        self._waiting: Iterator[tuple[str, int, str]] = iter(())  # what of the last block is still to be searched
        self._timer = _SearchTimer()
        self._slow: dict[str, int] = {}  # how often each pattern was too slow
        self._noted: set[str] = set()
        self._notes: list[str] = []

    def read_on(self, *, to_end: bool = False) -> bool:
        """Search what has come since, for at most SLICE_SECONDS; whether that was all.

        Call it with `to_end`, until it says so, when nothing more is written: a last line without newline counts then.
        Raises OSError when the metrics cannot be recorded.
        """
        now = time.monotonic()
        self.deadline = now + INTERVAL_SECONDS
        if to_end and self._end is None:
            self._end = now + END_SECONDS
        try:
            self._fd = files.open_regular(self._paths.log(0))
        except files.NotAFileError as error:
            self.note_error(error)
            return True
        except FileNotFoundError:
            return True
        self._timer.start()
        try:
            return self._search_until(now + SLICE_SECONDS, to_end=to_end)
        finally:
            self._timer.stop()
            os.close(self._fd)

    def stop(self) -> None:
        """Give up what is left: the next `read_on` is the last."""
        self._end = 0.0

    def take_notes(self) -> list[str]:
        """The notes since the last call."""
        notes, self._notes = self._notes, []
        return notes

    def note_error(self, error: OSError) -> None:
        """The log cannot be read, or a metric not be recorded."""
        self._note(f"error {error.errno}", f"metrics from the output could not be recorded: {error}")

    def _search_until(self, slice_end: float, *, to_end: bool) -> bool:
        while True:
            search = next(self._waiting, None)
            if search is not None:
                self._search(*search)
            elif block := self._block():
                self._waiting = self._searches(self._lines.feed(block))
            else:
                break
            if time.monotonic() >= slice_end:
                if self._end is None or slice_end < self._end:
                    return False
                left = max(1, _size(self._paths.log(0)) - self._offset)
                self._note("end", f"at least {left} bytes at the end of the output were not searched for stdout_metrics: it took too long")
                return True
        for search in self._searches(self._lines.finish()) if to_end else ():
            self._search(*search)
        return True

    def _searches(self, lines: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int, str]]:
        """Each line with the name of each pattern."""
        for text, old in lines:
            for name in list(self._patterns):
                yield text, old, name

    def _block(self) -> bytes:
        """What comes next in the log; empty at its end."""
        if os.fstat(self._fd).st_size < self._offset:
            self._offset, self._lines = 0, _Lines()  # somebody has cut it short
        block = os.pread(self._fd, BLOCK_BYTES, self._offset)
        self._offset += len(block)
        return block

    def _search(self, text: str, old: int, name: str) -> None:
        """Record what a line has of a metric. A match within its first `old` characters was found before."""
        if self._lines.is_cut:
            self._note("long", f"of a line longer than {LINE_BYTES} bytes only the beginning was searched for stdout_metrics")
        pattern = self._patterns[name]
        try:
            matches = self._timer.search(pattern, text)
        except _TooSlow:
            self._was_too_slow(name, len(text))
            return
        if len(matches) > MATCHES_PER_LINE:
            matches.pop()
            often = f"stdout_metrics.{name} was found more than {MATCHES_PER_LINE} times in one line"
            self._note(f"many {name}", f"{often}; the rest was left out")
        new = (match for match in matches if not old or match.end() > old)
        values = [match.group(1) if pattern.groups else match.group() for match in new]
        records = [{"time": events.now(), "name": name, "value": _number(value), "step": None} for value in values if value is not None]
        if records:
            files.append_lines(metrics.file_of_this_machine(self._paths), records)

    def _was_too_slow(self, name: str, length: int) -> None:
        self._slow[name] = self._slow.get(name, 0) + 1
        took = f"stdout_metrics.{name} is too slow a pattern: it took more than {SLOW_SECONDS:g} s for a line of {length} characters"
        self._note(f"slow {name}", f"{took}, which was passed over")
        if self._slow[name] == SLOW_LINES or self._end is not None:
            del self._patterns[name]
            self._note(f"gave up {name}", f"stdout_metrics.{name} was given up: it was too slow")

    def _note(self, key: str, text: str) -> None:
        """Say it once."""
        if key not in self._noted:
            self._noted.add(key)
            self._notes.append(text)


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """As `finditer`, position by position: within one call of that, no signal is heard between two positions."""
    at = 0
    while at <= len(text):
        match = pattern.match(text, at)
        if match is not None:
            yield match
        at = at + 1 if match is None else max(match.end(), at + 1)


def _number(text: str) -> float | int | str:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
