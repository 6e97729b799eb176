"""Metrics out of what a script prints: patterns over rank 0's log, read behind the job's back in bounded memory.

Imported only for runs that ask for it; `re` is half of the agent's start-up time.
"""

from __future__ import annotations

import os
import re
import time

from trainconf import files
from trainconf.history import events, metric_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainconf.paths import RunPaths

INTERVAL_SECONDS = 1.0
BLOCK_BYTES = 65536
LINE_BYTES = 16384  # of a longer line only the beginning is looked at
STEP_BYTES = 32 << 20  # at most this much between two looks at the signals


class LogReader:
    """Follows a log from where it stood. Each match of a pattern's first group becomes a metric: a number, else the text."""

    def __init__(self, paths: RunPaths, patterns: Mapping[str, str]) -> None:
        self._paths = paths
        self._patterns = [(name, re.compile(pattern)) for name, pattern in patterns.items()]
        self._offset = _size(paths.log(0))  # an earlier attempt's output has been read
        self._rest = b""  # the beginning of a line that has not ended yet
        self.deadline: float | None = time.monotonic() + INTERVAL_SECONDS

    def read_on(self, *, to_end: bool = False) -> None:
        """Read what has come since, at most STEP_BYTES unless `to_end`; at the end a last line without newline counts."""
        self.deadline = time.monotonic() + INTERVAL_SECONDS
        try:
            fd = files.open_regular(self._paths.log(0))
        except FileNotFoundError:
            return
        try:
            limit = self._offset + STEP_BYTES
            while to_end or self._offset < limit:
                block = os.pread(fd, BLOCK_BYTES, self._offset)
                if not block:
                    break
                self._offset += len(block)
                self._take(block)
        finally:
            os.close(fd)
        if to_end and self._rest:
            self._match(self._rest)
            self._rest = b""

    def _take(self, block: bytes) -> None:
        *whole, rest = (self._rest + block).split(b"\n")
        for line in whole:
            self._match(line)
        self._rest = rest[:LINE_BYTES]

    def _match(self, line: bytes) -> None:
        text = line[:LINE_BYTES].decode("utf-8", "replace")
        for name, pattern in self._patterns:
            for match in pattern.finditer(text):
                value = match.group(1) if pattern.groups else match.group()
                if value is not None:
                    record = {"time": events.now(), "name": name, "value": _number(value), "step": None}
                    files.append_line(metric_files.of_this_machine(self._paths), record)


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
    except FileNotFoundError:
        return 0
