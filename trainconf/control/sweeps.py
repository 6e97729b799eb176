"""Submits sweeps, follows them, and tells what became of their trials."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from trainconf.composition.grid import grid
from trainconf.control.compose import ComposeRequest, report_notes
from trainconf.history import events, record
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import SILENT, Reporter
from trainconf.sweeps import journal
from trainconf.sweeps.controller import Sweep, Trial, plan_sweep

POLL_PAUSE_S = 0.05


def prepare(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> Sweep:
    """A sweep of which everything is ready that can fail; its `start` begins it. Raises ConfigError and what `submit` raises."""
    combinations = grid(request.overrides, workspace, config_dir=request.config_dir, config_name=request.config_name)
    report_notes(combinations.base, reporter)
    sweep = plan_sweep(combinations, workspace, request.overrides)
    sweep.prepare(reporter)
    return sweep


def follow(sweep: Sweep) -> Iterator[list[Trial]]:
    """The trials whose state has changed, twenty times a second, until the sweep has ended."""
    has_ended = False
    while not has_ended:
        has_ended = sweep.has_ended()
        yield sweep.poll()
        if not has_ended:
            time.sleep(POLL_PAUSE_S)


class TrialResult(NamedTuple):
    """What became of a trial. `row` has the stable fields of `show --json`, and is empty while the trial has no run."""

    number: int
    overrides: list[str]
    values: dict[str, Any]
    row: dict[str, Any]
    metric: Any

    @property
    def status(self) -> str:
        """Its state."""
        return str(self.row.get("status", "NotStarted"))

    @property
    def score(self) -> float | None:
        """The metric of a completed trial, when it is a number."""
        if self.status != "Completed" or not isinstance(self.metric, (int, float)) or self.metric != self.metric:
            return None
        return self.metric


class Results(NamedTuple):
    """A sweep's trials in order, the metric they are compared by, and whether somebody asked for the end of all of them."""

    metric: str | None
    goal: str
    trials: list[TrialResult]
    is_canceled: bool

    @property
    def best(self) -> TrialResult | None:
        """The trial with the best metric; of equal ones the first."""
        scored = [trial for trial in self.trials if trial.score is not None]
        sign = 1 if self.goal == "maximize" else -1
        return max(scored, key=lambda trial: sign * (trial.score or 0), default=None)

    @property
    def exit_code(self) -> int:
        """What a command that waited for the sweep ends with: 130 canceled, 1 when a trial did not complete."""
        return 130 if self.is_canceled else 0 if all(trial.status == "Completed" for trial in self.trials) else 1


def results(sweep: RunPaths) -> Results:
    """What became of a sweep, read from its folder alone, by any process."""
    found = record.read_mapping(sweep.sweep).get("metric")
    metric = found if isinstance(found, dict) else {}
    name = metric.get("name")
    trials = []
    for entry in journal.read(sweep):
        row = record.describe(entry.paths) if events.exists(entry.paths) else {}
        trials.append(TrialResult(entry.number, entry.overrides, dict(entry.values), row, row.get("metrics", {}).get(name)))
    is_canceled = any(event["state"] in ("CancelRequested", "Canceled") for event in events.read(sweep))
    return Results(name if isinstance(name, str) else None, str(metric.get("goal")), trials, is_canceled)
