"""A curve in as many buckets as there are pixels: of each its lowest, its highest and its last value, from all of its points.

A spike is never hidden, and a past bucket does not move as points come. Smoothing is over all points, before there are buckets.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from math import isfinite
from operator import le

from trainconf.fast.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Sequence
    from typing import Any

SMALLEST = 1e-18  # of a weight: what it adds to a number is lost in its last digit


class Drawn(Record):
    """A piece of a curve. All lists are of one length, but for `marks`: [x, value] of what is not finite, the last of each bucket.

    count: points between the ends that were asked for.
    """

    x: list[float]
    lowest: list[float]
    highest: list[float]
    last: list[float]
    smooth: list[float] | None
    count: int
    marks: list[tuple[float, float]]


class Smoother:
    """The exponential moving average of all points, without the bias of its beginning, as TensorBoard has it.

    A past value never changes. What is not finite counts for nothing, and is itself in its place. `total` and `left`, what the average is
    before the bias is taken out and how much of it is bias, are all that is needed to go on from a place.
    """

    def __init__(self, weight: float, total: float = 0.0, left: float | None = None) -> None:
        self.weight = weight
        self.total = total
        self.left = weight if left is None else left

    def take(self, values: array[float]) -> array[float]:
        """The line over the next values."""
        from array import array

        if isfinite(sum(values)):
            return self._take(values)
        finite = iter(self._take(array("d", filter(isfinite, values))))
        return array("d", (next(finite) if isfinite(value) else value for value in values))

    def _take(self, values: array[float]) -> array[float]:
        from array import array

        weight, rest = self.weight, 1.0 - self.weight
        found = array("d", accumulate(values, lambda before, value: before * weight + value * rest, initial=self.total))
        del found[0]
        self.total = found[-1] if found else self.total
        for place in range(len(found)):
            if self.left < SMALLEST:
                break
            found[place] /= 1.0 - self.left
            self.left *= weight
        return found


class Span(Record):
    """Which points are drawn: those from the place `first` on, `count` of them; `low` and `high` are x at both ends.

    is_sorted: whether x never goes back.
    """

    first: int
    count: int
    low: float
    high: float
    is_sorted: bool


def span_of(blocks: Iterable[Sequence[float]], start: float | None, end: float | None, *, is_sorted: bool = False) -> Span:
    """The points between two values of x, both included; to the ends where there is none, or where x goes back and forth.

    blocks: x of all points. is_sorted: whether x is known never to go back.
    """
    count = below = above = 0
    low = high = last = first_x = float("nan")
    is_sorted_until_now = True
    for x in blocks:
        if not len(x):
            continue
        if not is_sorted and is_sorted_until_now:
            is_sorted_until_now = (count == 0 or last <= x[0]) and all(map(le, x, x[1:]))
        if count == 0:
            first_x = x[0]
        if is_sorted or is_sorted_until_now:
            begin = bisect_left(x, start) if start is not None else 0
            stop = bisect_right(x, end) if end is not None else len(x)
            if below == count and begin < len(x):
                low = x[begin]
            below += begin
            if stop and stop > begin:
                high = x[stop - 1]
            above += len(x) - stop
        count, last = count + len(x), x[-1]
    if is_sorted or is_sorted_until_now:
        return Span(below, max(0, count - below - above), low, high, True)
    return Span(0, count, first_x, last, False)


def drawn_of(
    blocks: Iterable[tuple[Sequence[float], array[float], array[float] | None]], span: Span, buckets: int, *, is_smooth: bool
) -> Drawn:
    """One piece of a curve, from x, the values and the smooth line of the points of its span, a block at a time.

    The buckets are of equal width, or of equal count where x goes back and forth. `buckets` is at least 1.
    """
    count, low, place, number = span.count, span.low, 0, 1
    is_by_width = span.is_sorted and low != span.high and count > buckets
    buckets = buckets if count > buckets else max(1, count)
    width = (span.high - low) / buckets
    bucket = _Bucket()
    for x, values, smooth in blocks:
        start, size = 0, len(x)
        while start < size:
            if not is_by_width:
                edge = count * number // buckets - place
            else:
                edge = bisect_left(x, low + number * width, start) if number < buckets else size
            if edge >= size:
                bucket.take(x, values, smooth, start, size)
                break
            bucket.take(x, values, smooth, start, edge)
            bucket.end()
            start, number = edge, number + 1
        place += size
    bucket.end()
    xs, lowest, highest, last, smooths = [list(column) for column in zip(*bucket.made, strict=True)] or [[], [], [], [], []]
    return Drawn(xs, lowest, highest, last, smooths if is_smooth else None, count, bucket.marks)


class _Bucket:
    """A bucket that is being filled, and those that are: x, the lowest, highest and last value, and the smooth line's last."""

    def __init__(self) -> None:
        self.made: list[tuple[float, float, float, float, Any]] = []
        self.marks: list[tuple[float, float]] = []
        self._open: tuple[float, float, float, float, Any] | None = None
        self._mark: tuple[float, float] | None = None

    def take(self, x: Sequence[float], values: array[float], smooth: array[float] | None, begin: int, stop: int) -> None:
        part: Sequence[float] = values[begin:stop]
        if not part:
            return
        place = stop - 1
        if not isfinite(sum(part)):
            there = [each for each in range(begin, stop) if isfinite(values[each])]
            odd = next((each for each in range(stop - 1, begin - 1, -1) if not isfinite(values[each])), None)
            if odd is not None:
                self._mark = x[odd], values[odd]
            if not there:
                return
            place = there[-1]
            part = [values[each] for each in there]
        lowest, highest = min(part), max(part)
        if self._open is not None:
            lowest, highest = min(lowest, self._open[1]), max(highest, self._open[2])
        self._open = x[place], lowest, highest, values[place], None if smooth is None else smooth[place]

    def end(self) -> None:
        """Begin the next one."""
        if self._open is not None:
            self.made.append(self._open)
        if self._mark is not None:
            self.marks.append(self._mark)
        self._open = self._mark = None


def smoothed(values: array[float], weight: float) -> array[float]:
    """The smooth line over all of them."""
    return Smoother(weight).take(values)


def drawn(
    x: Sequence[float], values: array[float], smooth: array[float] | None, buckets: int, start: float | None, end: float | None,
    *, is_sorted: bool = False,
) -> Drawn:  # fmt: skip
    """One piece of a curve between two values of x, of points that are in memory: see `span_of` and `drawn_of`."""
    span = span_of([x], start, end, is_sorted=is_sorted)
    part = slice(span.first, span.first + span.count)
    return drawn_of([(x[part], values[part], None if smooth is None else smooth[part])], span, buckets, is_smooth=smooth is not None)
