"""The curves of groups of runs that differ in nothing but their seeds: the mean of each step, and how far the runs lie around it.

The mean is of the values that the runs have at a step, before there are buckets; it is smoothed as the curve of one run is. A run that has
no value at a step, or one that is not finite, counts for nothing there. Other groups on the screen change nothing of a group.
"""

from __future__ import annotations

from array import array
from math import isfinite, sqrt

from trainconf.control.curves.buckets import Drawn, drawn, smoothed
from trainconf.control.curves.read import STEP, buckets_of
from trainconf.errors import UserError
from trainconf.fast.records import Record, replace
from trainconf.fast.stdlib import re
from trainconf.history import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from trainconf.control.curves.points import Points
    from trainconf.control.curves.read import Asked
    from trainconf.control.curves.store import PointStore
    from trainconf.history.series import Series
    from trainconf.paths import RunPaths

STD, RANGE = "std", "range"  # the band: the standard deviation of a sample on both sides, or from the lowest to the highest value
BANDS = (STD, RANGE)
SEED = re.compile(r"(?:^|[._])seed$")


class Group(Record):
    """Runs with the same params. label: the params that tell it from the other groups."""

    label: str
    runs: list[RunPaths]


class GroupCurve(Record):
    """The curve of one name of a group: `last` is the mean, from `lowest` to `highest` is the band."""

    group: str
    name: str
    drawn: Drawn

    def to_dict(self) -> dict[str, Any]:
        """The form that the page reads: that of a curve of one run."""
        made = self.drawn
        return {
            "run": self.group, "name": self.name, "piece": 0, "attempt": 1, "count": made.count, "x": made.x, "min": made.lowest,
            "max": made.highest, "last": made.last, "smooth": made.smooth, "marks": [],
        }  # fmt: skip


def groups_of(runs: Sequence[RunPaths], but: Collection[str] = ()) -> list[Group]:
    """Runs whose params are the same, in the order of their first run. but: names of params that do not count, besides seeds."""
    params = {paths.run_dir: _params(paths, but) for paths in runs}
    names = dict.fromkeys(key for each in params.values() for key in each)
    differing = [name for name in names if len({each.get(name) for each in params.values()}) > 1]
    found: dict[str, list[RunPaths]] = {}
    for paths in runs:
        own = params[paths.run_dir]
        label = ", ".join(f"{name}={own.get(name, 'none')}" for name in differing)
        found.setdefault(label, []).append(paths)
    return [Group(label or "all", some) for label, some in found.items()]


def read_groups(
    store: PointStore, groups: Sequence[Group], names: Sequence[str], asked: Asked, band: str
) -> tuple[list[GroupCurve], dict[str, int]]:
    """The curves of these names, one for each group that has any value of it, and by run the bytes that were read of its metrics.

    Raises UserError: there is no mean over time.
    """
    if asked.x != STEP:
        raise UserError(f"runs have no mean by {asked.x}: they log at different times", ("allowed", STEP))
    asked = replace(asked, buckets=buckets_of(asked, len(groups) * len(names)))
    curves: list[GroupCurve] = []
    cursors: dict[str, int] = {}
    for group in groups:
        columns: dict[str, list[Series]] = {}
        for paths in group.runs:
            with store.of(paths) as written:
                for name, points in written.series().items():
                    if name in names:
                        columns.setdefault(name, []).append(_once(points))
                cursors[paths.run_id] = written.total
        for name in names:
            if name in columns:
                curves.append(GroupCurve(group.label, name, _drawn(columns[name], asked, band)))
    return curves, cursors


def _params(paths: RunPaths, but: Collection[str]) -> dict[str, str]:
    """The params of a run as text, without those that do not count."""
    said = record.read_mapping(paths.record).get("params")
    found: dict[str, str] = {}

    def take(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                take(f"{name}.{key}" if name else str(key), each)
        elif not SEED.search(name) and name not in but:
            found[name] = str(value)

    take("", said if isinstance(said, dict) else {})
    return found


def _once(points: Points) -> Series:
    """A copy in which each step is there once: it is read after others may write to the series."""
    own = points.whole()
    own.settle()
    return own


def _drawn(parts: Sequence[Series], asked: Asked, band: str) -> Drawn:
    at: dict[int, list[float]] = {}
    for series in parts:
        for step, value in zip(series.steps, series.values, strict=True):
            if isfinite(value):
                at.setdefault(step, []).append(value)
    steps = array("q", sorted(at))
    means, low, high = array("d"), array("d"), array("d")
    for step in steps:
        values = at[step]
        mean = sum(values) / len(values)
        means.append(mean)
        spread = _deviation(values, mean) if band == STD else 0.0
        low.append(mean - spread if band == STD else min(values))
        high.append(mean + spread if band == STD else max(values))
    smooth = None if asked.smooth is None else smoothed(means, asked.smooth)
    made, below, above = (
        drawn(steps, column, smooth, asked.buckets, asked.start, asked.end, is_sorted=True) for column in (means, low, high)
    )  # fmt: skip
    return Drawn(made.x, below.lowest, above.highest, made.last, made.smooth, made.count, [])


def _deviation(values: Sequence[float], mean: float) -> float:
    """The standard deviation of a sample; 0 of one value."""
    return sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1)) if len(values) > 1 else 0.0
