"""The curves of some runs, as a chart shows them: each attempt a piece of its own, in buckets, smoothed when asked."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from functools import partial
from itertools import repeat

from trainconf.control.curves.buckets import drawn, drawn_of, span_of
from trainconf.control.curves.points import STEPS, TIMES, VALUES, points_of
from trainconf.fast.records import Record
from trainconf.history import events, system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from trainconf.control.curves.buckets import Drawn
    from trainconf.control.curves.points import Points
    from trainconf.control.curves.store import PointStore
    from trainconf.control.curves.written import Written
    from trainconf.paths import RunPaths

SYSTEM = "system."  # begins the name of what the agent has measured of the machine
STEP, TIME, RELATIVE = "step", "time", "relative"
MOST_BUCKETS = 10_000  # of all curves together: an answer has at most 1 MB, and a bucket with its five numbers 100 bytes
LEAST_BUCKETS = 4  # of a piece of a curve


class Asked(Record):
    """How curves are drawn. x: step, time (seconds since the epoch) or relative (seconds since the run was started).

    start, end: values of x between which they are. smooth: the weight of what came before, from 0 to below 1; None for no smoothing.
    """

    x: str = STEP
    start: float | None = None
    end: float | None = None
    buckets: int = 1000
    smooth: float | None = None


class Curve(Record):
    """A piece of one curve. `piece` counts from 0, `attempt` is the one that wrote its first point."""

    run_id: str
    name: str
    piece: int
    attempt: int
    drawn: Drawn

    def to_dict(self) -> dict[str, Any]:
        """The form that the page reads."""
        made = self.drawn
        return {
            "run": self.run_id, "name": self.name, "piece": self.piece, "attempt": self.attempt, "count": made.count, "x": made.x,
            "min": made.lowest, "max": made.highest, "last": made.last, "smooth": made.smooth,
            "marks": [{"x": x, "value": value} for x, value in made.marks],
        }  # fmt: skip


def read(store: PointStore, runs: Sequence[RunPaths], names: Sequence[str], asked: Asked) -> tuple[list[Curve], dict[str, int]]:
    """The curves of these names that the runs have, and by run the bytes that were read of its metrics."""
    curves: list[Curve] = []
    cursors: dict[str, int] = {}
    buckets = buckets_of(asked, len(runs) * len(names))
    for paths in runs:
        attempts = Attempts(paths)
        with store.of(paths) as written:
            found = written.series()
            for name in names:
                if name in found:
                    curves += _of_series(store, written, name, found[name], attempts, asked, buckets)
            cursors[paths.run_id] = written.total
        curves += _of_machine(store, paths, [name for name in names if name.startswith(SYSTEM)], attempts, asked, buckets)
    return curves, cursors


def buckets_of(asked: Asked, curves: int) -> int:
    """How many buckets each curve has."""
    return max(LEAST_BUCKETS, min(asked.buckets, MOST_BUCKETS // max(1, curves)))


class Attempts:
    """When each attempt of a run began."""

    def __init__(self, paths: RunPaths) -> None:
        self.starts: list[float] = []
        self._numbers: list[int] = []
        self.started: float | None = None  # seconds since the epoch
        for event in events.read_all(paths):
            seconds, number = events.seconds(event.get("time")), event.get("attempt", 1)
            if seconds is None or not isinstance(number, int):
                continue
            if event["state"] == "Running" and self.started is None:
                self.started = seconds
            if not self._numbers or number != self._numbers[-1]:
                self.starts.append(seconds)
                self._numbers.append(number)

    def at(self, seconds: float) -> int:
        """The attempt that ran at a time; the last one where the time is not known."""
        if not self._numbers:
            return 1
        return self._numbers[max(0, bisect_right(self.starts, seconds) - 1)] if seconds == seconds else self._numbers[-1]


def _of_series(
    store: PointStore, written: Written, name: str, points: Points, attempts: Attempts, asked: Asked, buckets: int
) -> Iterator[Curve]:
    found = points.pieces()
    if not found:
        settled = points.whole()
        settled.settle()
        points = points_of(settled)
        found = [(0, len(points))]
    origin = attempts.started or 0.0
    buckets = max(LEAST_BUCKETS, buckets // len(found))
    for number, (begin, end) in enumerate(found):
        draw = partial(_drawn, points, begin, end, asked, origin, buckets)
        made = store.drawn(written, points, (number, asked, origin, buckets), draw)
        yield Curve(written.paths.run_id, name, number, attempts.at(points.at(TIMES, begin)), made)


def _drawn(points: Points, begin: int, end: int, asked: Asked, origin: float, buckets: int) -> Drawn:
    """A piece of a series, of which no more than a block is in memory at a time."""

    def x(first: int, after: int) -> Iterator[Sequence[float]]:
        for block in points.blocks(STEPS if asked.x == STEP else TIMES, first, after):
            yield array("d", [time - origin for time in block]) if asked.x == RELATIVE else block

    span = span_of(x(begin, end), asked.start, asked.end, is_sorted=asked.x == STEP)
    first, after = begin + span.first, begin + span.first + span.count
    line = repeat(None) if asked.smooth is None else points.smooth(begin, first, after, asked.smooth)
    blocks = zip(x(first, after), points.blocks(VALUES, first, after), line)  # noqa: B905 - `repeat` has no end
    return drawn_of(blocks, span, buckets, is_smooth=asked.smooth is not None)


def _of_machine(
    store: PointStore, paths: RunPaths, names: Sequence[str], attempts: Attempts, asked: Asked, buckets: int
) -> Iterator[Curve]:
    if not names:
        return
    from trainconf.control.curves.buckets import smoothed

    origin = attempts.started or 0.0
    columns = system.columns(paths)
    for name in names:
        if name.removeprefix(SYSTEM) not in columns:
            continue
        steps, values, times = columns[name.removeprefix(SYSTEM)]
        x: Sequence[float] = steps if asked.x == STEP else times
        if asked.x == RELATIVE:
            x = array("d", [time - origin for time in times])
        smooth = None if asked.smooth is None else smoothed(values, asked.smooth)
        yield Curve(paths.run_id, name, 0, attempts.at(times[0]), drawn(x, values, smooth, buckets, asked.start, asked.end))
