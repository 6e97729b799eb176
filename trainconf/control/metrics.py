"""The series of runs: chosen by name, and with fewer points where all of them are too many to show."""

from __future__ import annotations

from fnmatch import fnmatchcase
from math import isfinite
from typing import NamedTuple

from trainconf.errors import Mistake, UserError
from trainconf.history import metrics
from trainconf.history import series as history
from trainconf.history.series import SYSTEM, Series

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from trainconf.paths import RunPaths


class RunSeries(NamedTuple):
    """The series of one run."""

    paths: RunPaths
    series: list[Series]

    def to_dict(self) -> dict[str, Any]:
        """The stable form of `metrics --json`: `times` are seconds since the epoch."""
        return {
            "run_id": self.paths.run_id,
            "series": [
                {"name": each.name, "source": each.source,
                 "steps": list(each.steps), "values": list(each.values), "times": list(each.times)}
                for each in self.series
            ],
        }  # fmt: skip


class Extent(NamedTuple):
    """The finite values of a series, in short; all are None where there is none."""

    lowest: float | None
    highest: float | None
    last: float | None


def names(paths: RunPaths) -> frozenset[str]:
    """What a run has logged, without reading every point."""
    return frozenset(metrics.summarise(paths).values)


def read(runs: Sequence[RunPaths], names: Sequence[str] = (), *, system: bool = False) -> list[RunSeries]:
    """The series of each run: those that a name or a glob stands for, or all. Those of the machine only with `system`, and then no other.

    Raises UserError for names that no run has logged, all at once.
    """
    wanted = (lambda name: any(fnmatchcase(name, each) for each in names)) if names else None
    found = [RunSeries(paths, [each for each in history.of_run(paths, wanted) if (each.source == SYSTEM) == system]) for paths in runs]
    there = {name for run in found for each in run.series for name in each.names}
    unknown = [name for name in names if not any(fnmatchcase(each, name) for each in there)]
    if unknown:
        known = {name for paths in runs for each in history.of_run(paths) if (each.source == SYSTEM) == system for name in each.names}
        raise UserError([_unknown(name, sorted(known), runs) for name in unknown])
    return found


def extent(values: Sequence[float]) -> Extent:
    """The lowest, highest and last finite value."""
    known = values if isfinite(sum(values)) else [value for value in values if isfinite(value)]
    return Extent(min(known), max(known), known[-1]) if len(known) else Extent(None, None, None)


def thinned(values: Sequence[float], count: int) -> Sequence[int]:
    """At most `count` places of a series, in order: the first, the last, and the lowest and highest value of each part between.

    All places where they are no more. `count` is at least 4.
    """
    if len(values) <= count:
        return range(len(values))
    parts = (count - 2) // 2
    are_finite = isfinite(sum(values))
    kept = {0, len(values) - 1}
    for part in range(parts):
        places: Sequence[int] = range(part * len(values) // parts, (part + 1) * len(values) // parts)
        if not are_finite:
            places = [place for place in places if isfinite(values[place])]
        if places:
            kept |= {min(places, key=values.__getitem__), max(places, key=values.__getitem__)}
    return sorted(kept)


def _unknown(name: str, known: Sequence[str], runs: Sequence[RunPaths]) -> Mistake:
    import difflib

    whose = runs[0].run_id if len(runs) == 1 else f"any of the {len(runs)} runs"
    if not known:
        return Mistake(f"no metric {name!r} was logged by {whose}, and no other", hint="trainconf.Run.get_context().log(name, value, step)")
    near = difflib.get_close_matches(name, known, 3)
    facts = [("nearest", ", ".join(near))] if near else []
    listed = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
    return Mistake(f"no metric {name!r} was logged by {whose}", *facts, ("there are", listed))
