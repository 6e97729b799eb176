"""A text with positions: an editor counts lines and code units, YAML counts other lines, and Python counts characters."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple

_EDITORS_BREAK = re.compile(r"\r\n|\n|\r")
_YAMLS_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
UTF_16 = "utf-16"


class Span(NamedTuple):
    """Characters of a text, from `start` up to, and without, `end`."""

    start: int
    end: int

    def has(self, index: int) -> bool:
        """Whether a cursor at an index touches it."""
        return self.start <= index <= self.end


class Text:
    """The content of a file. encoding: the one whose code units the editor counts, as the protocol names it.

    Half of a character that needs two code units of UTF-16, which no encoding can hold, is read as U+FFFD.
    """

    def __init__(self, content: str, encoding: str = UTF_16) -> None:
        self.content = _SURROGATE.sub("\ufffd", content)
        self.encoding = encoding
        self._starts = [0, *(found.end() for found in _EDITORS_BREAK.finditer(self.content))]
        self._yaml_starts = [0, *(found.end() for found in _YAMLS_BREAK.finditer(self.content))]

    def position(self, index: int) -> tuple[int, int]:
        """Line and code unit, both from 0, of a character."""
        index = max(0, min(index, len(self.content)))
        line = bisect_right(self._starts, index) - 1
        return line, self._units(self.content[self._starts[line] : index])

    def index(self, line: int, unit: int) -> int:
        """The character at a line and code unit; what is beyond an end is that end."""
        if line >= len(self._starts):
            return len(self.content)
        span = self.line(line)
        low, high = span
        while low < high:  # the first character that is not before the unit
            middle = (low + high) // 2
            if self._units(self.content[span.start : middle]) < unit:
                low = middle + 1
            else:
                high = middle
        return low

    def line(self, line: int) -> Span:
        """A line as the editor counts them, without its break."""
        return self._line(self._starts, line)

    def yaml_line(self, number: int) -> Span:
        """A line as YAML counts them, from 1, without its break; the last one for a number beyond."""
        return self._line(self._yaml_starts, min(number, len(self._yaml_starts)) - 1)

    def line_at(self, index: int) -> Span:
        """The editor's line that has a character."""
        return self.line(bisect_right(self._starts, max(0, index)) - 1)

    def _line(self, starts: list[int], line: int) -> Span:
        start = starts[max(0, line)]
        end = starts[line + 1] if line + 1 < len(starts) else len(self.content)
        return Span(start, start + len(self.content[start:end].rstrip("\r\n\x85\u2028\u2029")))

    def _units(self, text: str) -> int:
        if self.encoding == "utf-32" or text.isascii():
            return len(text)
        return len(text.encode("utf-8")) if self.encoding == "utf-8" else len(text.encode("utf-16-le")) // 2
