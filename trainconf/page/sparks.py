"""The best value of a run's metric and its course in a few points, for its row in the table: told again when there is more."""

from __future__ import annotations

import os
import threading
from array import array
from collections import OrderedDict
from math import isfinite

from trainconf.control.curves.points import STEPS, VALUES
from trainconf.fast.records import Record
from trainconf.history import metrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.control.curves.points import Points
    from trainconf.control.curves.store import PointStore
    from trainconf.history.index.rows import Row
    from trainconf.paths import RunPaths

POINTS = 32
MOST = 5000
LARGE_BYTES = 1 << 20  # of metrics: nobody who waits for a table waits for these to be read


class Spark(Record):
    """`best` is None where the run has no goal, or no finite value; `at` is the step of it."""

    best: float | None = None
    at: int | None = None
    points: tuple[float, ...] = ()


class Sparks:
    """What was read of runs. Many threads may ask."""

    def __init__(self, points: PointStore) -> None:
        self._points = points
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[object, Spark]] = OrderedDict()

    def known(self, row: Row) -> Spark | None:
        """What is known of a run and still holds; None where it must be read."""
        found = self._known.get(row.paths.run_dir)
        return found[1] if found is not None and found[0] == _seen(row) else None

    def is_quick(self, row: Row) -> bool:
        """Whether reading takes no longer than somebody may wait for a table."""
        return sum(size for size, _ in _sizes(row.paths)) < LARGE_BYTES

    def read(self, row: Row) -> Spark:
        """Read the series of the row's metric."""
        seen = _seen(row)
        with self._points.of(row.paths) as written:
            points = written.series().get(row.metric or "")
            spark = Spark() if points is None else _of(points, row.goal)
        with self._lock:
            self._known[row.paths.run_dir] = seen, spark
            self._known.move_to_end(row.paths.run_dir)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return spark


def _of(points: Points, goal: str | None) -> Spark:
    """Its best value, the step that had it first, and the course of its finite values. A block is in memory at a time, and those values."""
    best = {"maximize": points.highest, "minimize": points.lowest}.get(goal or "")
    values, at = array("d"), None
    for steps, block in zip(points.blocks(STEPS, 0, len(points)), points.blocks(VALUES, 0, len(points)), strict=True):
        values.extend(block if isfinite(sum(block)) else filter(isfinite, block))
        if at is None and best is not None and best in block:
            at = steps[block.index(best)]
    count = len(values)
    shown = values if count <= POINTS else [values[number * (count - 1) // (POINTS - 1)] for number in range(POINTS)]
    return Spark(best, at, tuple(shown))


def _seen(row: Row) -> object:
    """What changes when there is more: a run that ends may have brought its event files with it."""
    return (row.metric, row.goal, row.fields["ended"], *_sizes(row.paths))


def _sizes(paths: RunPaths) -> list[tuple[int, int]]:
    """Of each file that `Run.log` writes."""
    found = []
    for path in metrics.files_of(paths):
        try:
            info = os.stat(path)
        except OSError:
            continue
        found.append((info.st_size, info.st_mtime_ns))
    return found
