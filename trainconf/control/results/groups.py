"""Runs folded by sweep or experiment, each group with its best run: of a sweep the one that `trainconf sweep best` names."""

from __future__ import annotations

import os

from trainconf.control.history import scheduled
from trainconf.control.results.worth import best_point, finite, logged, repeats_of, rule_of
from trainconf.fast.records import replace
from trainconf.history import events, find, record
from trainconf.history.index.columns import GOALS
from trainconf.history.index.index import Index
from trainconf.paths import RunPaths
from trainconf.search.values import best
from trainconf.sweeps import journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainconf.history.index.query import Asked, Group, Judged
    from trainconf.paths import WorkspacePaths

    Candidate = tuple[float | None, str]  # what a run, or a point of a sweep, is worth; and the id of the run that stands for it

ENDED = (*events.TERMINAL, "NotResponding")


def groups(workspace: WorkspacePaths, asked: Asked, progress: Callable[[int, int], object] | None = None) -> list[Group]:
    """Runs folded by sweep or experiment (`asked.group`), the group with the newest run first. Raises UserError for a wrong expression.

    The best is one of the runs that were asked for, and has ended. A run in no sweep is worth its best value.
    """
    with Index(workspace, progress) as index:
        index.scheduled = scheduled(index.living())
        found = index.groups(asked)
    return [_with_best(workspace, group, is_whole=not asked.is_narrowed) for group in found]


def _with_best(workspace: WorkspacePaths, group: Group, *, is_whole: bool) -> Group:
    """A group with its best run. Only runs that are judged by the same as the newest one are compared."""
    if not group.judged:
        return group
    metric, goal = group.judged[-1].metric, group.judged[-1].goal
    by_sweep: dict[str | None, list[Judged]] = {}
    for run in group.judged:
        if (run.metric, run.goal) == (metric, goal) and run.status in ENDED:
            by_sweep.setdefault(run.sweep, []).append(run)
    candidates = [each for sweep, runs in by_sweep.items() for each in _candidates(workspace, sweep, runs, is_whole=is_whole)]
    place = best([value for value, _ in candidates], goal if goal in GOALS else "maximize")
    if place is None:
        return replace(group, judged=())
    return replace(group, judged=(), metric=metric, best=candidates[place][1], best_value=candidates[place][0])


def _candidates(workspace: WorkspacePaths, sweep: str | None, runs: Sequence[Judged], *, is_whole: bool) -> list[Candidate]:
    """What may be the best of some runs: of a sweep its best point, else each of them."""
    home = None if sweep is None else next((each for each in find.named(workspace, sweep) if each.is_sweep), None)
    entries = [] if home is None else journal.read(home)
    if home is None or not entries:
        return [(_worth(workspace, run, "best"), os.fsdecode(os.path.basename(run.folder))) for run in runs]
    found = record.read_mapping(home.sweep)
    if not found:  # nobody can tell by what its trials are compared
        return []
    rule, (metric, goal) = rule_of(found), (runs[0].metric, runs[0].goal)
    known = {_paths(workspace, run).run_dir: run for run in runs}
    values: list[float | None] = []
    for entry in entries:
        run = known.get(entry.paths.run_dir)
        if run is not None:
            values.append(_worth(workspace, run, rule))
        else:  # a run of another sweep may stand for the trial
            is_reused = is_whole and not entry.paths.run_id.startswith(f"{sweep}_")
            values.append(logged(entry.paths, metric, goal, rule)[1] if is_reused else None)
    ahead = best_point(values, repeats_of(found), goal if goal in GOALS else "maximize")
    return [] if ahead is None else [(ahead[1], entries[ahead[0]].paths.run_id)]


def _worth(workspace: WorkspacePaths, run: Judged, rule: str) -> float | None:
    """What a run is worth, from the index; its series are read where that has only a last value that is not finite."""
    value = finite(run.best if rule == "best" and run.goal in GOALS else run.last)
    return logged(_paths(workspace, run), run.metric, run.goal, rule)[1] if value is None else value


def _paths(workspace: WorkspacePaths, run: Judged) -> RunPaths:
    return RunPaths(os.path.join(workspace.runs, os.fsdecode(run.folder)))
