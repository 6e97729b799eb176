"""`HyperDriveConfig`: a search over the arguments of a script; what `Experiment.submit` takes as it takes a ScriptRunConfig."""

from __future__ import annotations

import enum

from trainconf.errors import UserError
from trainconf.sdk.hyperdrive import own_arguments
from trainconf.sdk.hyperdrive.policies import EarlyTerminationPolicy
from trainconf.sdk.hyperdrive.run import HyperDriveRun
from trainconf.sdk.hyperdrive.sampling import ParameterSampling, name_of
from trainconf.sdk.run import SubmittedRun
from trainconf.sdk.script_run_config import ScriptRunConfig
from trainconf.sdk.settings.arguments import Arguments
from trainconf.sdk.settings.checked import Settings
from trainconf.sdk.submission.request import Part, parts_of, request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from trainconf.sdk.experiment import Experiment

MAX_EARLIER = 5  # sweeps to begin with
RESUME_PARAM = "resume-from"


class PrimaryMetricGoal(enum.Enum):
    """Whether the best value of the metric is the highest or the lowest."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class HyperDriveConfig(Settings):
    """A search over the arguments of a script.

    hyperparameter_sampling: RandomParameterSampling, GridParameterSampling or BayesianParameterSampling.
    primary_metric_name: the name that the script logs. primary_metric_goal: PrimaryMetricGoal.MAXIMIZE or MINIMIZE.
    max_total_runs: trials in all; a smaller space gives fewer.
    max_concurrent_runs: trials at a time, by default as many as there are slots.
    max_duration_minutes: then what runs is canceled; by default there is no limit. policy: when a trial is stopped early.
    run_config: a ScriptRunConfig; or estimator: what a script of the older SDK has instead.
    resume_from: up to five sweeps to learn from. resume_child_runs: runs whose values the first trials have; they find what those wrote,
    as `--resume-from PATH`.

    Raises UserError with every mistake, and its line.

        >>> from trainconf import HyperDriveConfig, PrimaryMetricGoal, RandomParameterSampling, ScriptRunConfig, uniform
        >>> config = HyperDriveConfig(
        ...     RandomParameterSampling({"--lr": uniform(0.001, 0.1)}), "accuracy", PrimaryMetricGoal.MAXIMIZE, 20,
        ...     run_config=ScriptRunConfig(".", "train.py"),
        ... )
    """

    _names = (
        "hyperparameter_sampling", "primary_metric_name", "primary_metric_goal", "max_total_runs", "max_concurrent_runs",
        "max_duration_minutes", "policy", "run_config", "estimator", "resume_from", "resume_child_runs",
    )  # fmt: skip
    hyperparameter_sampling: ParameterSampling
    primary_metric_name: str
    primary_metric_goal: PrimaryMetricGoal
    max_total_runs: int
    max_concurrent_runs: int | None
    max_duration_minutes: float | None
    policy: EarlyTerminationPolicy | None
    run_config: ScriptRunConfig | None
    estimator: ScriptRunConfig | None
    resume_from: list[SubmittedRun | str]
    resume_child_runs: list[SubmittedRun | str]

    def __init__(
        self, hyperparameter_sampling: ParameterSampling, primary_metric_name: str, primary_metric_goal: PrimaryMetricGoal | str,
        max_total_runs: int, max_concurrent_runs: int | None = None, max_duration_minutes: float | None = None,
        policy: EarlyTerminationPolicy | None = None, estimator: ScriptRunConfig | None = None, run_config: ScriptRunConfig | None = None,
        resume_from: Sequence[SubmittedRun | str] | SubmittedRun | str | None = None,
        resume_child_runs: Sequence[SubmittedRun | str] | SubmittedRun | str | None = None, pipeline: None = None, debug_flag: None = None,
        custom_run_id: None = None,
    ) -> None:  # fmt: skip
        arguments = Arguments("HyperDriveConfig")
        for name, value, why in (
            ("pipeline", pipeline, "there are no pipelines here: give each step's script a search of its own"),
            ("debug_flag", debug_flag, "it is of the service behind HyperDrive"),
            ("custom_run_id", custom_run_id, "trainconf makes ids; `display_name` of the ScriptRunConfig names a search"),
        ):
            if value is not None:
                arguments.wrong(f"HyperDriveConfig: {name} has no meaning here", ("because", why), hint="leave it out")
        try:
            self._set(
                hyperparameter_sampling=hyperparameter_sampling, primary_metric_name=primary_metric_name,
                primary_metric_goal=primary_metric_goal, max_total_runs=max_total_runs, max_concurrent_runs=max_concurrent_runs,
                max_duration_minutes=max_duration_minutes, policy=policy, run_config=run_config, estimator=estimator,
                resume_from=resume_from, resume_child_runs=resume_child_runs,
            )  # fmt: skip
        except UserError as error:
            arguments.mistakes.extend(error.mistakes)
        arguments.check()

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        sampling, policy = values["hyperparameter_sampling"], values["policy"]
        if not isinstance(sampling, ParameterSampling):
            arguments.refuse("hyperparameter_sampling", sampling, "Random-, Grid- or BayesianParameterSampling")
        arguments.text("primary_metric_name", values["primary_metric_name"], "the name of a metric that the script logs", optional=False)
        values["primary_metric_goal"] = _goal(arguments, values["primary_metric_goal"])
        arguments.whole("max_total_runs", values["max_total_runs"], minimum=1)
        arguments.whole("max_concurrent_runs", values["max_concurrent_runs"], minimum=1, optional=True)
        minutes = values["max_duration_minutes"]
        if minutes is not None and (isinstance(minutes, bool) or not isinstance(minutes, (int, float)) or not 0 < minutes < float("inf")):
            arguments.refuse("max_duration_minutes", minutes, "a number of minutes above 0, or None")
        if policy is not None and not isinstance(policy, EarlyTerminationPolicy):
            arguments.refuse("policy", policy, "Bandit-, MedianStopping-, TruncationSelection- or NoTerminationPolicy")
        given = [name for name in ("run_config", "estimator") if values[name] is not None]
        if len(given) != 1:
            what = "run_config and estimator are both given" if given else "neither run_config nor estimator is given"
            arguments.wrong(f"HyperDriveConfig: {what}", ("allowed", "one of them"), hint='run_config=ScriptRunConfig(".", "train.py")')
        for name in given:
            if not isinstance(values[name], ScriptRunConfig):
                arguments.refuse(name, values[name], "a ScriptRunConfig")
        values["resume_from"] = _runs(arguments, "resume_from", values["resume_from"], "sweeps", MAX_EARLIER)
        values["resume_child_runs"] = _runs(arguments, "resume_child_runs", values["resume_child_runs"], "runs", values["max_total_runs"])

    def _layer(self) -> tuple[list[str], dict[str, Any]]:
        """The choices of `sweep` and `sweep/policy` as overrides, and their values."""
        words, tree = self.hyperparameter_sampling._layer()
        sweep = tree["sweep"]
        sweep["max_total_runs"] = self.max_total_runs
        for name in ("max_concurrent_runs", "max_duration_minutes"):
            if self._values[name] is not None:
                sweep[name] = self._values[name]
        for name in ("resume_from", "resume_child_runs"):
            if self._values[name]:
                sweep[name] = [run if isinstance(run, str) else run.id for run in self._values[name]]
        if self.resume_child_runs:
            sweep["resume_param"] = RESUME_PARAM
        tree["metric"] = {"name": self.primary_metric_name, "goal": self.primary_metric_goal.value}
        if self.policy is not None:
            choice, values = self.policy._layer()
            words += choice
            sweep["policy"] = values["sweep"]["policy"]
            if not sweep["policy"]:
                del sweep["policy"]
        return words, tree

    def _submit(self, experiment: Experiment, tags: dict[str, str]) -> HyperDriveRun:
        """Submit the sweep; see `Experiment.submit`."""
        from trainconf.control.sweeps import steer
        from trainconf.sdk.runs.talk import Talk

        config = self.run_config or self.estimator
        assert config is not None
        workspace = experiment.workspace
        names = {name_of(key) for key in self.hyperparameter_sampling.parameter_space}
        words, values = self._layer()
        own = own_arguments.without(parts_of(config, workspace.root), names)
        parts = [*own, experiment._part(self._place, tags), Part(self._place, words, values)]
        asked = request(config, workspace, parts)
        return HyperDriveRun(workspace, steer.submit(asked, workspace._paths, Talk()))


def _goal(arguments: Arguments, given: Any) -> PrimaryMetricGoal:
    if isinstance(given, PrimaryMetricGoal):
        return given
    found = next((goal for goal in PrimaryMetricGoal if isinstance(given, str) and given.lower() == goal.value), None)
    if found is None:
        arguments.refuse("primary_metric_goal", given, "PrimaryMetricGoal.MAXIMIZE or PrimaryMetricGoal.MINIMIZE")
    return found or PrimaryMetricGoal.MAXIMIZE


def _runs(arguments: Arguments, name: str, given: Any, what: str, most: Any) -> list[Any]:
    """Runs, or their ids."""
    found = [] if given is None else [given] if isinstance(given, (str, SubmittedRun)) else given
    if not isinstance(found, (list, tuple)) or not all(isinstance(run, (str, SubmittedRun)) and run for run in found):
        arguments.refuse(name, given, f"a list of {what}, or of their ids")
        return []
    ids = [run if isinstance(run, str) else run.id for run in found]
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        arguments.wrong(f"{name} names {', '.join(twice)} twice", hint="name each once")
    if isinstance(most, int) and 0 < most < len(found):
        arguments.wrong(f"{name} has {len(found)} {what}", ("allowed", f"up to {most}"))
    return list(found)
