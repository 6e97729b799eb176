"""The least, the largest and the mean value of each metric of a run, found as its lines are read: no points of a long series are kept."""

from __future__ import annotations

from trainconf.history import metrics
from trainconf.history.event_files import scan
from trainconf.history.index.columns import series_name
from trainconf.history.series import SYSTEM, Log, Series, of_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

    from trainconf.paths import RunPaths


class Extremes(Series):
    """A series of which only the last step and these values are there. What is not a number counts for none of them."""

    __slots__ = ("count", "highest", "lowest", "total")

    def __init__(self, name: str, source: str) -> None:
        super().__init__(name, source)
        self.lowest, self.highest, self.total, self.count = float("inf"), -float("inf"), 0.0, 0

    def extend(self, steps: array[int], values: array[float], times: array[float]) -> None:
        """Add points."""
        super().extend(steps, values, times)
        del self.steps[:-1], self.values[:], self.times[:]
        known = values if sum(values) == sum(values) else [value for value in values if value == value]
        if known:
            least, most = min(known), max(known)
            self.lowest, self.highest = min(self.lowest, least), max(self.highest, most)
            self.total += sum(known)
            self.count += len(known)


def facts_of(paths: RunPaths) -> dict[str, Any]:
    """These values by their names in the index."""
    found: dict[str, Any] = {}
    for each in _read(paths):
        if each.count:
            facts = {"min": each.lowest, "max": each.highest, "mean": each.total / each.count}
            found.update({series_name(function, f"metrics.{each.name}"): value for function, value in facts.items()})
    return found


def _read(paths: RunPaths) -> list[Extremes]:
    logged = metrics.files_of(paths)
    log = Log(None, Extremes)
    if len(logged) == 1 and not scan.files_of(paths):
        metrics.read_from(logged[0], log.take)
        found = [series for series in log.found.values() if isinstance(series, Extremes)]
        if all(series.is_in_order for series in found):
            return found
    # A step that was logged again replaces what was logged for it before, and some are in several files: only all points tell.
    return [_of(series) for series in of_run(paths) if series.source != SYSTEM]


def _of(series: Series) -> Extremes:
    found = Extremes(series.name, series.source)
    found.extend(series.steps, series.values, series.times)
    return found
