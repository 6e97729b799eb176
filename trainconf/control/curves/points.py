"""The points of one series, in the order in which they were written: the newest in memory, the others in a file that only grows."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from itertools import chain, islice, pairwise
from math import isfinite
from operator import lt, sub

from trainconf.control.curves.buckets import Smoother
from trainconf.history.series import Series

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

STEPS, VALUES, TIMES = range(3)  # the columns
CODES = "qdd"
ITEM_BYTES = 8
MOST_PIECES = 32  # of one series; more are no attempts, but several processes that log one name
STATE_EVERY = 4096  # points, after which it is remembered where a smooth line has come to
MOST_LINES = 4  # smooth lines of one series of which that is remembered


class DamagedError(OSError):
    """A file of points lacks what was written to it."""


class PointFile:
    """A file of points: of each chunk its steps, then its values, then its times. It is closed when nobody has it any more."""

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path
        self.size = os.fstat(fd).st_size
        self.is_damaged = False

    def __del__(self) -> None:
        os.close(self.fd)

    def append(self, columns: tuple[array[Any], ...]) -> int:
        """Write a chunk; where it begins. Raises OSError: what was written of it then is overwritten by the next."""
        offset = at = self.size
        for column in columns:
            view = memoryview(column).cast("B")
            while view:
                count = os.pwrite(self.fd, view, at)
                view, at = view[count:], at + count
        self.size = at
        return offset

    def read(self, column: int, offset: int, count: int) -> array[Any]:
        """Points of a column. Raises DamagedError."""
        found = array(CODES[column])
        data = os.pread(self.fd, count * ITEM_BYTES, offset)
        if len(data) != count * ITEM_BYTES:
            self.is_damaged = True
            raise DamagedError(f"{self.path} was cut short")
        found.frombytes(data)
        return found


class Points(Series):
    """A series in which a step that goes back stays. `steps`, `values` and `times` are what is not in the file.

    offsets, ends: of each chunk in the file where it begins, and the place after its last point.
    lowest, highest, latest: of the finite values, None where there are none.
    turns: the places at which the step lies before the one before it, the first MOST_PIECES of them.
    """

    __slots__ = ("_lines", "ends", "file", "highest", "last_step", "latest", "lowest", "offsets", "turns")

    def __init__(self, name: str, source: str) -> None:
        super().__init__(name, source)
        self.offsets, self.ends = array("q"), array("q")
        self.file: PointFile | None = None
        self.turns: list[int] = []
        self.last_step: int | None = None
        self.lowest: float | None = None
        self.highest: float | None = None
        self.latest: float | None = None
        self._lines: dict[tuple[int, float], list[tuple[int, float, float]]] = {}

    def __len__(self) -> int:
        return self.spilled + len(self.steps)

    @property
    def spilled(self) -> int:
        """How many points lie in the file."""
        return self.ends[-1] if self.ends else 0

    @property
    def next_step(self) -> int:
        """The step of a value that comes without one."""
        return 0 if self.last_step is None else self.last_step + 1

    def extend(self, steps: array[int], values: array[float], times: array[float]) -> None:
        """Add points, in the order in which they were written."""
        if not steps:
            return
        before = steps[0] if self.last_step is None else self.last_step
        if self.is_in_order:
            self.is_in_order = (self.last_step is None or before < steps[0]) and all(map(lt, steps, steps[1:]))
        if not self.is_in_order and len(self.turns) < MOST_PIECES:
            turns = (place for place, gap in enumerate(map(sub, steps, chain((before,), steps)), len(self)) if gap < 0)
            self.turns += islice(turns, MOST_PIECES - len(self.turns))
        self.last_step = steps[-1]
        known = values if isfinite(sum(values)) else array("d", filter(isfinite, values))
        if known:
            lowest, highest = min(known), max(known)
            self.lowest = lowest if self.lowest is None else min(self.lowest, lowest)
            self.highest = highest if self.highest is None else max(self.highest, highest)
            self.latest = known[-1]
        self.steps.extend(steps)
        self.values.extend(values)
        self.times.extend(times)

    def spill(self, file: PointFile) -> None:
        """Move what is in memory to the file. Raises OSError: it stays in memory then."""
        if self.steps:
            self.offsets.append(file.append((self.steps, self.values, self.times)))
            self.ends.append(len(self))
            self.file = file
            self.steps, self.values, self.times = array("q"), array("d"), array("d")

    def pieces(self) -> list[tuple[int, int]]:
        """From where to where the step does not go back. Empty where it does so too often to be told apart."""
        bounds = [0, *self.turns, len(self)]
        return [] if len(bounds) - 1 > MOST_PIECES else list(pairwise(bounds))

    def blocks(self, column: int, begin: int, end: int) -> Iterator[array[Any]]:
        """A column from one place to another, a block at a time; each column has the same blocks. Raises DamagedError."""
        for number in range(bisect_right(self.ends, begin), len(self.ends)):
            start, stop = (self.ends[number - 1] if number else 0), self.ends[number]
            if max(begin, start) >= end:
                return
            first, after = max(begin, start), min(end, stop)
            assert self.file is not None
            at = self.offsets[number] + ITEM_BYTES * ((stop - start) * column + first - start)
            yield self.file.read(column, at, after - first)
        start = self.spilled
        if end > max(begin, start):
            yield (self.steps, self.values, self.times)[column][max(begin, start) - start : end - start]

    def at(self, column: int, place: int) -> Any:
        """One point of a column. Raises DamagedError."""
        return next(self.blocks(column, place, place + 1))[0]

    def smooth(self, begin: int, first: int, after: int, weight: float) -> Iterator[array[float]]:
        """The smooth line that begins at a place, in blocks from `first` on. Where it had come to is remembered. Raises DamagedError."""
        states = self._lines.pop((begin, weight), None) or [(begin, 0.0, weight)]
        self._lines[begin, weight] = states
        if len(self._lines) > MOST_LINES:
            del self._lines[next(iter(self._lines))]
        place, total, left = states[bisect_right(states, first, key=lambda state: state[0]) - 1]
        smoother = Smoother(weight, total, left)
        for start, stop in ((place, first), (first, after)):
            for block in self.blocks(VALUES, start, stop):
                line = smoother.take(block)
                place += len(block)
                if place - states[-1][0] >= STATE_EVERY:
                    states.append((place, smoother.total, smoother.left))
                if start == first:
                    yield line

    def whole(self) -> Series:
        """A series of all of them, in memory. Raises DamagedError."""
        found = Series(self.name, self.source)
        for steps, values, times in zip(*(self.blocks(column, 0, len(self)) for column in (STEPS, VALUES, TIMES)), strict=True):
            found.extend(steps, values, times)
        return found


def points_of(series: Series) -> Points:
    """The points of a series, in memory."""
    found = Points(series.name, series.source)
    found.extend(series.steps, series.values, series.times)
    return found
