"""Runs and experiments in mlflow's own classes."""

from __future__ import annotations

import os
from inspect import signature

from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LifecycleStage,
    Metric,
    Param,
    RunData,
    RunInfo,
    RunInputs,
    RunStatus,
    RunTag,
)
from mlflow.entities import Run as MlflowRun

from trainconf.compat.mlflow import artifacts
from trainconf.compat.mlflow.own import EXPERIMENT, RUN_NAME, OwnRun
from trainconf.history import events, series
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HAS_UUID = "run_uuid" in signature(RunInfo).parameters  # mlflow 2
STATUS = {
    "Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED", "NotResponding": "FAILED", "NotStarted": "SCHEDULED",
    "Queued": "SCHEDULED", "Preparing": "SCHEDULED", "Starting": "SCHEDULED",
}  # fmt: skip


def experiment_of(fields: dict[str, Any]) -> str:
    """What mlflow's script calls the experiment of a run; without such a name it is the run's own."""
    return str((fields.get("tags") or {}).get(EXPERIMENT) or fields["experiment_name"])


def experiment(name: str, folder: str, times: tuple[int, int] | None = None) -> Experiment:
    """An experiment; its id is its name."""
    first, last = times or (0, 0)
    return Experiment(name, name, folder, LifecycleStage.ACTIVE, creation_time=first, last_update_time=last)


def run(own: OwnRun, fields: dict[str, Any], ended: dict[str, Any] | None = None, *, exactly: bool = False) -> MlflowRun:
    """A run. `fields` are those of `show --json`; `ended` is what this process knows better of its state.

    exactly: its last values have their steps and times, for which the file of its metrics is read.
    """
    notes = own.notes()
    tags = own.tags(fields, notes)
    status = (ended or {}).get("status") or STATUS.get(str(fields["status"]), "RUNNING")
    info = RunInfo(
        **({"run_uuid": fields["run_id"]} if _HAS_UUID else {}),
        run_id=fields["run_id"],
        experiment_id=experiment_of(fields),
        user_id=tags.get("mlflow.user", ""),
        status=status,
        start_time=milliseconds(fields["started"] or fields["created"]),
        end_time=(ended or {}).get("end_time") or (milliseconds(fields["ended"]) if fields["ended"] else None),
        lifecycle_stage=LifecycleStage.DELETED if fields.get("archived") else LifecycleStage.ACTIVE,
        artifact_uri=artifacts.uri(own.outputs),
        run_name=tags.get(RUN_NAME) or fields["run_id"],
    )
    tags.setdefault(RUN_NAME, info.run_name)
    params = {**dict(flat(fields["params"])), **own.params()}
    metrics = last_values(own) if exactly else [
        Metric(name, float(value), info.end_time or info.start_time, 0) for name, value in fields["metrics"].items() if is_number(value)
    ]  # fmt: skip
    data = RunData(metrics, [Param(name, value) for name, value in params.items()], [RunTag(name, value) for name, value in tags.items()])
    return MlflowRun(info, data, _inputs(notes))


def last_values(own: OwnRun) -> list[Metric]:
    """The last value of each metric."""
    return [found[-1] for found in history(own).values() if found]


def history(own: OwnRun, name: str | None = None) -> dict[str, list[Metric]]:
    """Every value of one metric, or of all, in the order of logging; of event files in the order of their steps."""
    found: dict[str, list[Metric]] = {}
    for line in own.run._store.entries():
        if is_number(line["value"]) and name in (None, line["name"]):
            found.setdefault(line["name"], []).append(Metric(line["name"], line["value"], milliseconds(line["time"]), line["step"] or 0))
    for each in series.of_run(RunPaths(own.run.run_dir), None if name is None else lambda each: each == name):
        if each.name not in found and each.source != series.SYSTEM:
            points = zip(each.steps, each.values, each.times, strict=True)
            found[each.name] = [Metric(each.name, value, round(1000 * time), step) for step, value, time in points]
    return found


def flat(params: dict[str, Any], before: str = "") -> list[tuple[str, str]]:
    """The params of a run under their whole names, as texts."""
    found: list[tuple[str, str]] = []
    for name, value in params.items():
        found += flat(value, f"{before}{name}.") if isinstance(value, dict) else [(before + name, str(value))]
    return found


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def milliseconds(time: Any) -> int:
    """Since the epoch; 0 for what is no time."""
    return round(1000 * (events.seconds(time) or 0))


def status_name(status: Any) -> str:
    """`FINISHED` of mlflow's number or name."""
    return status if isinstance(status, str) else RunStatus.to_string(status)


def input_facts(each: DatasetInput) -> dict[str, Any]:
    """A data set that a run has read, as logs/mlflow.jsonl has it."""
    return {"dataset": dict(each.dataset), "tags": {tag.key: tag.value for tag in each.tags}}


def _inputs(notes: list[dict[str, Any]]) -> RunInputs:
    found = [line["input"] for line in notes if isinstance(line.get("input"), dict)]
    return RunInputs([DatasetInput(Dataset(**one["dataset"]), [InputTag(*tag) for tag in one["tags"].items()]) for one in found])


def folder_of(runs: str, name: str) -> str:
    return artifacts.uri(os.path.join(runs, name))
