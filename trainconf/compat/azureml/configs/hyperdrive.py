"""`HyperDriveConfig` and `HyperDriveRun`: a sweep of trainconf by the names and exceptions of the original."""

from __future__ import annotations

from typing import Any

from trainconf.compat.azureml.exceptions import HyperDriveConfigException, HyperDriveNotImplementedException, UserErrorException, told_as
from trainconf.compat.azureml.runs.run import Run, wrapped
from trainconf.sdk import hyperdrive


class HyperDriveConfig(hyperdrive.HyperDriveConfig):
    """A search over the arguments of a script. Raises HyperDriveConfigException."""

    def __init__(
        self, hyperparameter_sampling: Any, primary_metric_name: Any, primary_metric_goal: Any, max_total_runs: Any,
        max_concurrent_runs: Any = None, max_duration_minutes: Any = 7 * 24 * 60, policy: Any = None, estimator: Any = None,
        run_config: Any = None, resume_from: Any = None, resume_child_runs: Any = None, pipeline: Any = None, debug_flag: Any = None,
        custom_run_id: Any = None,
    ) -> None:  # fmt: skip
        with told_as(HyperDriveConfigException):
            super().__init__(
                hyperparameter_sampling, primary_metric_name, primary_metric_goal, max_total_runs, max_concurrent_runs,
                max_duration_minutes, policy, estimator, run_config, _ours(resume_from), _ours(resume_child_runs), pipeline, debug_flag,
                custom_run_id,
            )  # fmt: skip


class HyperDriveRun(Run):
    """A sweep. Its children are its trials."""

    @property
    def type(self) -> str:
        return "hyperdrive"

    def get_best_run_by_primary_metric(
        self, include_failed: bool = True, include_canceled: bool = True, include_resume_from_runs: bool = True
    ) -> Any:
        """The trial with the best value; None when none has logged the metric."""
        with told_as(UserErrorException):
            best = self.ours.get_best_run_by_primary_metric(include_failed, include_canceled, include_resume_from_runs)
        return None if best is None else wrapped(best, self._experiment)

    def get_children_sorted_by_primary_metric(self, top: int = 0, reverse: bool = False, discard_no_metric: bool = False) -> Any:
        """The trials, the best first, each as a dict."""
        with told_as(UserErrorException):
            return self.ours.get_children_sorted_by_primary_metric(top, reverse, discard_no_metric)

    def get_hyperparameters(self) -> Any:
        """The values of each trial, by its id."""
        return self.ours.get_hyperparameters()

    def get_metrics(self, *args: Any, **kwargs: Any) -> Any:
        """What each trial has logged, by its id."""
        return {child.id: child.get_metrics() for child in self.get_children()}

    @property
    def hyperdrive_config(self) -> Any:
        """What was searched, as the sweep recorded it."""
        return self.ours.get_details()

    def fail(self, *args: Any, **kwargs: Any) -> None:
        """Not offered by the original either."""
        raise HyperDriveNotImplementedException("a sweep cannot be failed; cancel() ends it")


def _ours(runs: Any) -> Any:
    """Runs of the original's names as ours."""
    if isinstance(runs, (list, tuple)):
        return [getattr(run, "ours", run) for run in runs]
    return getattr(runs, "ours", runs)
