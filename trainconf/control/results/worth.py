"""What the trials of a sweep are worth where no controller has told of them, and which one is the best."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from trainconf.files import names_in
from trainconf.history import metrics, record
from trainconf.paths import RunPaths
from trainconf.search.values import best, value_of_point, value_of_trial
from trainconf.sweeps.watching import logs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def search_settings(found: dict[str, Any]) -> dict[str, Any]:
    """The settings of a search, of a sweep's record; empty for a plain grid and where they are damaged."""
    search = found.get("search")
    settings = search.get("settings") if isinstance(search, dict) else None
    return settings if isinstance(settings, dict) else {}


def rule_of(found: dict[str, Any]) -> str:
    """`best` or `last`: `sweep.value`, as the record of a sweep has it. The grids of earlier versions went by the last value."""
    return str(search_settings(found).get("value") or found.get("value") or ("best" if "search" in found else "last"))


def rule_of_run(paths: RunPaths, recorded: dict[str, Any]) -> str:
    """By which rule a run is worth something: that of its sweep, `best` in none. recorded: its run.json."""
    parent = recorded.get("parent")
    if not isinstance(parent, str) or os.path.basename(parent) != parent:
        return "best"
    own = os.path.dirname(paths.run_dir)
    runs = os.path.dirname(own)
    for experiment in (own, *(os.path.join(runs, name) for name in names_in(runs))):  # that of a sweep may be another one
        found = record.read_mapping(RunPaths(os.path.join(experiment, parent)).sweep)
        if found:
            return rule_of(found)
    return "best"


def repeats_of(found: dict[str, Any]) -> int:
    """How many trials each point of a sweep has, as its record says."""
    repeats = search_settings(found).get("repeats")
    return repeats if isinstance(repeats, int) and repeats > 0 else 1


def logged(paths: RunPaths, metric: Any, goal: str, rule: str) -> tuple[dict[str, Any], float | None]:
    """The last value of each metric that a run has logged, and the `best` or the `last` finite one of the metric."""
    if not isinstance(metric, str):
        return metrics.summarise(paths).values, None
    if rule == "best":
        from trainconf.history.index.best import Judge

        judge = Judge(metric, goal)
        summary = metrics.summarise(paths, judge=judge)
        return summary.values, judge.of_summary(summary)
    values = metrics.summarise(paths).values
    value = finite(values.get(metric))
    if value is None and metric in values:
        value = value_of_trial((one for one, _ in logs_of(paths, metric)), goal, rule)
    return values, value


def best_point(values: Sequence[float | None], repeats: int, goal: str) -> tuple[int, float] | None:
    """The number of the first trial of the best point, and what the point is worth: the mean of its trials that have a value.

    values: of each trial, in order; the trials of a point follow each other. None: no trial has a value.
    """
    points = [value_of_point(values[first : first + repeats]) for first in range(0, len(values), repeats)]
    place = best(points, goal)
    value = None if place is None else points[place]
    return None if place is None or value is None else (place * repeats, value)


def finite(value: Any) -> float | None:
    """The value as a finite number; None for what is none."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number if is_number and math.isfinite(number := metrics.as_float(value)) else None
