"""`HyperDriveRun`: a sweep, and what its trials were worth."""

from __future__ import annotations

import json

from trainconf.control import runs
from trainconf.control.results import sweep as control
from trainconf.control.results.worth import best_point, repeats_of, search_settings
from trainconf.errors import RunNotFoundError
from trainconf.history import record
from trainconf.paths import RunPaths
from trainconf.sdk.run import SubmittedRun
from trainconf.sdk.settings.arguments import Arguments
from trainconf.sdk.sweep_run import SweepRun
from trainconf.search.values import best

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.control.results.sweep import Results, TrialResult

PARAMS = "params."


class HyperDriveRun(SweepRun):
    """A sweep. Its children are its trials; they are compared by the metric of the sweep, each by the best value it has logged."""

    def get_best_run_by_primary_metric(
        self, include_failed: bool = True, include_canceled: bool = True, include_resume_from_runs: bool = True
    ) -> SubmittedRun | None:
        """The trial with the best value, also while others go on; None when none has logged the metric. 0.0 is a value.

        With `sweep.repeats` it is the first trial of the best point, as in `trainconf sweep best`.

        include_resume_from_runs: also of the sweeps that this one began with.
        """
        arguments = Arguments("get_best_run_by_primary_metric")
        arguments.flag("include_failed", include_failed)
        arguments.flag("include_canceled", include_canceled)
        arguments.flag("include_resume_from_runs", include_resume_from_runs)
        arguments.check()
        left_out = {status for status, is_in in (("Failed", include_failed), ("Canceled", include_canceled)) if not is_in}
        results = [self.results, *(self._earlier() if include_resume_from_runs else ())]
        points: list[tuple[TrialResult, float]] = []
        for found in results:
            there = [trial.value if "run_dir" in trial.row and trial.status not in left_out else None for trial in found.trials]
            point = best_point(there, repeats_of(record.read_mapping(found.sweep.sweep)), found.goal)
            points += [] if point is None else [(found.trials[point[0]], point[1])]
        place = best([value for _, value in points], results[0].goal)
        run_dir = None if place is None else points[place][0].row.get("run_dir")
        return None if run_dir is None else SubmittedRun(self.workspace, RunPaths(str(run_dir)))

    def get_children_sorted_by_primary_metric(
        self, top: int = 0, reverse: bool = False, discard_no_metric: bool = False
    ) -> list[dict[str, Any]]:
        """The trials, the best first: `run_id`, `hyperparameters` (JSON), `best_primary_metric` and `status` of each.

        top: only so many; 0 is all. reverse: the worst first. discard_no_metric: without those that have no value, which stand last.
        """
        arguments = Arguments("get_children_sorted_by_primary_metric")
        arguments.whole("top", top)
        arguments.flag("reverse", reverse)
        arguments.flag("discard_no_metric", discard_no_metric)
        arguments.check()
        results = self.results
        with_value = [trial for trial in results.trials if trial.value is not None]
        with_value.sort(key=lambda trial: _order(trial.value, results.goal), reverse=reverse)
        without = [] if discard_no_metric else [trial for trial in results.trials if trial.value is None]
        found = [
            {
                "run_id": _id(results, trial), "hyperparameters": json.dumps(_hyperparameters(trial)),
                "best_primary_metric": trial.value, "status": trial.status,
            }
            for trial in [*with_value, *without]
        ]  # fmt: skip
        return found[:top] if top else found

    def get_hyperparameters(self) -> dict[str, dict[str, Any]]:
        """The values of each trial, by its id: `{"digits-..._0": {"lr": 0.1}}`."""
        results = self.results
        return {_id(results, trial): _hyperparameters(trial) for trial in results.trials}

    def _earlier(self) -> list[Results]:
        """The sweeps that this one began with, as far as they are still there."""
        settings = search_settings(record.read_mapping(self._paths.sweep))
        found = []
        for name in settings.get("resume_from") or ():
            try:
                found.append(control.results(runs.find_sweep(self.workspace._paths, str(name))))
            except RunNotFoundError:
                continue
        return found


def _order(value: float | None, goal: str) -> float:
    assert value is not None
    return value if goal == "minimize" else -value


def _id(results: Results, trial: TrialResult) -> str:
    return str(trial.row.get("run_id") or f"{results.sweep.run_id}_{trial.number}")


def _hyperparameters(trial: TrialResult) -> dict[str, Any]:
    """The values of a trial by the names of the script's arguments."""
    return {key.removeprefix(PARAMS): value for key, value in trial.values.items()}
