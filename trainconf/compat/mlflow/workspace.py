"""The runs that mlflow's store sees: those of this process, and those of the workspace. In a container that is the job's own run alone."""

from __future__ import annotations

import os

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from trainconf.compat.mlflow import entities, own
from trainconf.compat.mlflow.own import OwnRun
from trainconf.history import events, record
from trainconf.job_api import Run, interactive
from trainconf.paths import RunPaths, WorkspacePaths, find_workspace, is_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


FILES = ("events.jsonl", "records.jsonl", "labels.jsonl", "metrics.jsonl", "logs/mlflow.jsonl")  # of a run that may change after its end


class RunsOfWorkspace:
    """Runs by id. `folder` is runs/ of the workspace, `default` the experiment that is meant where none is named."""

    def __init__(self, uri: str) -> None:
        self.job = Run.get_context()
        path = uri.partition(":")[2]
        path = path[2:] if path.startswith("//") else path
        if path:
            workspace = WorkspacePaths(os.path.abspath(path))
        elif self.job.run_dir:
            workspace = RunPaths(self.job.run_dir).workspace
        else:
            workspace = find_workspace(os.getcwd())
        self.is_in_job = bool(self.job.run_dir) and os.path.dirname(os.path.dirname(self.job.run_dir)) == workspace.runs
        self.place, self.folder = workspace.root, workspace.runs
        self.default = str(self.job.experiment) if self.is_in_job else "Default"
        self._begun: dict[str, OwnRun] = {}
        self._seen: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {}  # of ended runs: when their files were changed, and their fields

    def begin(self, experiment: str, name: str | None, parent: str | None) -> OwnRun:
        """The run that mlflow begins. Raises MlflowException outside a workspace."""
        if self.is_in_job and not self._begun and not parent:
            found = OwnRun(self.job)
        elif self.is_in_job or parent:
            above = self.find(parent) if parent else None
            found = OwnRun((above.run if above is not None else self.job).child_run(name=name), is_begun_here=True)
        else:
            found = OwnRun(self._interactive(experiment, name), is_begun_here=True)
        self._begun[found.run.id] = found
        return found

    def _interactive(self, experiment: str, name: str | None) -> Any:
        if not is_workspace(self.place):
            raise MlflowException(
                f"{self.place} is no workspace of trainconf: `trainconf init` makes it one; or use 'trainconf:/its/path'",
                error_code=INVALID_PARAMETER_VALUE,
            )
        folder = os.path.join(self.folder, experiment)
        os.makedirs(folder, exist_ok=True)
        return interactive.begin(Run._at, folder, experiment, {"type": "interactive", "display_name": name})

    def find(self, run_id: str | None) -> OwnRun | None:
        """A run by its whole id; without one the run of this job, or the newest that this process has begun."""
        if run_id is None:
            return next(reversed(self._begun.values())) if self._begun else OwnRun(self.job) if self.is_in_job else None
        if run_id in self._begun:
            return self._begun[run_id]
        if self.is_in_job and run_id == self.job.id:
            return OwnRun(self.job)
        return next((own.of_folder(paths.run_dir, _experiment(paths)) for paths in self._folders() if paths.run_id == run_id), None)

    def all(self) -> Iterator[OwnRun]:
        """Runs of this process first, then all others."""
        yield from self._begun.values()
        if self.is_in_job and self.job.id not in self._begun:
            yield OwnRun(self.job)
        for paths in self._folders():
            if paths.run_id not in self._begun and paths.run_id != self.job.id:
                yield own.of_folder(paths.run_dir, _experiment(paths))

    def described(self) -> Iterator[tuple[OwnRun, dict[str, Any]]]:
        """Every run, and its fields as `show --json` has them."""
        for one in self.all():
            yield one, self.fields(one)

    def fields(self, one: OwnRun) -> dict[str, Any]:
        """What is recorded of a run. An ended one is read again when one of its files has changed.

        In a container the run's own record is not seen, but its params are.
        """
        one.run.flush()
        seen = tuple(map(_changed, (os.path.join(one.run.run_dir, name) for name in FILES)))
        before = self._seen.get(one.run.run_dir)
        if before is not None and before[0] == seen:
            return before[1]
        found = record.describe(RunPaths(one.run.run_dir))
        if one.run.run_dir == self.job.run_dir:
            found["params"] = self.job.params
            found["experiment_name"] = str(self.job.experiment)
        elif found["status"] in events.TERMINAL:
            self._seen[one.run.run_dir] = (seen, found)
        return found

    def experiments(self) -> dict[str, tuple[int, int]]:
        """Every experiment that has runs, with the times in milliseconds of its oldest and its newest run."""
        found: dict[str, tuple[int, int]] = {}
        for _, fields in self.described():
            name = entities.experiment_of(fields)
            created = entities.milliseconds(fields["created"])
            first, last = found.get(name, (created, created))
            found[name] = (min(first, created), max(last, created))
        return found

    def _folders(self) -> Iterator[RunPaths]:
        """Every run of the workspace, newest first. A sweep is none."""
        try:
            names = sorted(os.listdir(self.folder))
        except OSError:
            return
        found = []
        for experiment in names:
            path = os.path.join(self.folder, experiment)
            found += [RunPaths(os.path.join(path, name)) for name in (os.listdir(path) if os.path.isdir(path) else ())]
        for paths in sorted(found, key=lambda each: each.run_id[-18:], reverse=True):
            if os.path.exists(paths.events) and not os.path.exists(paths.sweep):
                yield paths


def _changed(path: str) -> int:
    """When a file was changed; 0 for none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _experiment(paths: RunPaths) -> str:
    return os.path.basename(os.path.dirname(paths.run_dir))
