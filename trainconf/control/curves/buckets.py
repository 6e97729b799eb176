"""A curve in as many buckets as there are pixels: of each its lowest, its highest and its last value, from all of its points.

A spike is never hidden, and a past bucket does not move as points come. Smoothing is over all points, before there are buckets.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate, chain, pairwise
from math import isfinite
from operator import le, sub

from trainconf.fast.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence
    from typing import Any

MOST_PIECES = 32  # of one series; more are no attempts, but several processes that log one name
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


def pieces(steps: Sequence[int]) -> list[tuple[int, int]]:
    """Where a series begins anew, at a step that lies before the one before it: the places of each piece, from and to.

    Empty where it does so too often to be told apart.
    """
    if len(steps) < 2:
        return [(0, len(steps))]
    starts = [place for place, gap in enumerate(map(sub, steps[1:], steps), 1) if gap < 0]
    bounds = [0, *starts, len(steps)]
    return [] if len(bounds) - 1 > MOST_PIECES else list(pairwise(bounds))


def smoothed(values: array[float], weight: float) -> array[float]:
    """The exponential moving average of all points, without the bias of its beginning, as TensorBoard has it.

    A past value never changes. What is not finite counts for nothing, and is itself in its place.
    """
    from array import array

    if isfinite(sum(values)):
        return _smoothed(values, weight)
    finite = iter(_smoothed(array("d", filter(isfinite, values)), weight))
    return array("d", (next(finite) if isfinite(value) else value for value in values))


def _smoothed(values: array[float], weight: float) -> array[float]:
    from array import array

    rest = 1.0 - weight
    found = array("d", accumulate(chain((0.0,), values), lambda before, value: before * weight + value * rest))[1:]
    left = weight
    for place in range(len(found)):
        if left < SMALLEST:
            break
        found[place] /= 1.0 - left
        left *= weight
    return found


def drawn(
    x: Sequence[float], values: array[float], smooth: array[float] | None, buckets: int, start: float | None, end: float | None,
    *, is_sorted: bool = False,
) -> Drawn:  # fmt: skip
    """One piece of a curve between two values of x, both included; to its ends where there is none. `buckets` is at least 1.

    is_sorted: whether x is known never to go back.
    """
    is_sorted = is_sorted or all(map(le, x, x[1:]))
    first = bisect_left(x, start) if start is not None and is_sorted else 0
    after = bisect_right(x, end) if end is not None and is_sorted else len(x)
    edges = range(first, after + 1) if after - first <= buckets else _edges(x, first, after, buckets, is_sorted)
    made: list[tuple[float, float, float, float, Any]] = []
    marks: list[tuple[float, float]] = []
    for begin, stop in pairwise(edges):
        part = values[begin:stop]
        if not part:
            continue
        place = stop - 1
        if not isfinite(sum(part)):
            there = [each for each in range(begin, stop) if isfinite(values[each])]
            odd = next((each for each in range(stop - 1, begin - 1, -1) if not isfinite(values[each])), None)
            if odd is not None:
                marks.append((x[odd], values[odd]))
            if not there:
                continue
            place = there[-1]
            part = values[begin:stop].__class__("d", map(values.__getitem__, there))
        made.append((x[place], min(part), max(part), values[place], None if smooth is None else smooth[place]))
    xs, lowest, highest, last, smooths = [list(column) for column in zip(*made, strict=True)] or [[], [], [], [], []]
    return Drawn(xs, lowest, highest, last, None if smooth is None else smooths, max(0, after - first), marks)


def _edges(x: Sequence[float], first: int, after: int, buckets: int, is_sorted: bool) -> Sequence[int]:
    """The places between which the points of each bucket are: of equal width, or of equal count where x goes back and forth."""
    if not is_sorted or x[first] == x[after - 1]:
        return [first + (after - first) * number // buckets for number in range(buckets + 1)]
    low, width = x[first], (x[after - 1] - x[first]) / buckets
    edges = [first]
    for number in range(1, buckets):
        edges.append(bisect_left(x, low + number * width, edges[-1], after))
    return [*edges, after]
