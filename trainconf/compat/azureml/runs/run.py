"""`Run`: a run of trainconf by the names of the original, in a job, outside any run, and of the history."""

from __future__ import annotations

import os

from trainconf.compat.azureml import names
from trainconf.compat.azureml.absent import not_here
from trainconf.compat.azureml.data import inputs, references
from trainconf.compat.azureml.exceptions import RunEnvironmentException, UserErrorException
from trainconf.compat.azureml.runs import shapes
from trainconf.compat.azureml.runs.logged import Logged, user_errors
from trainconf.compat.azureml.runs.waiting import Waited
from trainconf.compat.azureml.said import once
from trainconf.job_api import Run as Ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_PIPELINES, _NO_SWEEP, _AUTOML = "there are no pipelines here", "this run is no sweep", "there is no automated machine learning here"
NOT_HERE = {
    "get_outputs": "`get_file_names` lists the files in ./outputs", "get_output_data": _PIPELINES, "find_step_run": _PIPELINES,
    "get_steps": _PIPELINES,
    "get_pipeline_output": _PIPELINES, "publish_pipeline": _PIPELINES, "get_output": _AUTOML, "get_best_child": _AUTOML,
    "get_hyperparameters": _NO_SWEEP, "get_best_run_by_primary_metric": _NO_SWEEP, "get_children_sorted_by_primary_metric": _NO_SWEEP,
    "services": "there are no services here", "log_model": "use register_model", "add_type_provider": "runs have no types here",
    "get_job_log": "`get_all_logs` has the logs", "get_stdout_log": "`get_all_logs` has the logs",
}  # fmt: skip


class Run(Logged, Waited):
    """A run. `Run.get_context()` is that of this process; `experiment.submit` and `Run.get` give others.

    ours: the same run as trainconf's own class.
    """

    def __init__(self, experiment: Any, run_id: str, outputs: Any = None, **kwargs: Any) -> None:
        self._begin(experiment.workspace._ours.get_run(run_id), experiment)

    def _begin(self, ours: Any, experiment: Any = None) -> None:
        self.ours = ours
        self._experiment = experiment

    @classmethod
    def _of(cls, ours: Any, experiment: Any = None) -> Any:
        """The original's run of one of ours."""
        found = cls.__new__(cls)
        found._begin(ours, experiment)
        return found

    @classmethod
    def get_context(cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any) -> Any:
        """The run of this process; outside any run one that prints. Raises RunEnvironmentException there without allow_offline."""
        ours = Ours.get_context()
        if ours.run_dir:
            return Run._of(ours)
        if not allow_offline:
            raise RunEnvironmentException("this process is in no run; submit the script, or call Run.get_context() to run it by itself")
        return _OfflineRun._of(ours)

    @staticmethod
    def get(workspace: Any, run_id: str, **kwargs: Any) -> Any:
        """A run by its id. Raises UserErrorException when there is none."""
        with user_errors():
            return wrapped(workspace._ours.get_run(run_id), None)

    @staticmethod
    def list(experiment: Any, type: Any = None, tags: Any = None, properties: Any = None, status: Any = None,
             include_children: bool = False, **kwargs: Any) -> Any:  # fmt: skip
        """The runs of an experiment, newest first."""
        return experiment.get_runs(type=type, tags=tags, properties=properties, status=status, include_children=include_children)

    @staticmethod
    def list_by_compute(compute: Any, *args: Any, **kwargs: Any) -> Any:
        """Not carried out."""
        raise not_here("azureml.core.Run.list_by_compute", "`trainconf ls` shows where each run runs, and takes --where")

    @property
    def id(self) -> str:
        return str(self.ours.id)

    run_id = id

    @property
    def experiment(self) -> Any:
        """The experiment, which has `name` and `workspace`."""
        if self._experiment is None:
            workspace = names.load("Workspace")._of_run(getattr(self.ours, "run_dir", ""))
            self._experiment = names.load("Experiment")._of(workspace, str(self.ours.experiment))
        return self._experiment

    @property
    def name(self) -> Any:
        return self.ours.name

    @property
    def type(self) -> str:
        return "azureml.scriptrun" if self.ours.type in ("script", "child") else str(self.ours.type)

    @property
    def number(self) -> Any:
        return self.ours.number

    @property
    def parent(self) -> Any:
        above = self.ours.parent
        return None if above is None else wrapped(above, self._experiment)

    @property
    def tags(self) -> Any:
        return self.ours.tags

    @property
    def properties(self) -> Any:
        return self.get_properties()

    @property
    def display_name(self) -> Any:
        return self.ours.display_name or self.id

    @display_name.setter
    def display_name(self, name: str) -> None:
        self.ours.display_name = name

    @property
    def description(self) -> Any:
        return self.ours.description

    @description.setter
    def description(self, text: str) -> None:
        self.ours.description = text

    def flush(self, timeout_seconds: float = 300) -> None:
        self.ours.flush()

    def complete(self, _set_status: bool = True) -> None:
        """End a run that this process is."""
        self.ours.complete()

    def fail(self, error_details: Any = None, error_code: Any = None, _set_status: bool = True) -> None:
        """End a run that this process is, as failed; in a submitted run it records the error; from outside it cancels the run."""
        if hasattr(self.ours, "get_details"):
            once("fail() of a run that another process carries out cancels it here: only its script decides that it has failed")
            self.cancel()
            return
        self.ours.fail(error_details, None if error_code is None else str(error_code))

    def cancel(self) -> None:
        """Ask for the end of the run."""
        with user_errors():
            self.ours.cancel()

    def tag(self, key: str, value: Any = None) -> None:
        self.set_tags({key: value})

    def set_tags(self, tags: dict[str, Any]) -> None:
        with user_errors():
            self.ours.set_tags({key: _text(value) for key, value in tags.items()})

    def get_tags(self) -> Any:
        return self.ours.get_tags()

    def remove_tags(self, tags: Any) -> None:
        self.ours.remove_tags(tags)

    def add_properties(self, properties: dict[str, Any]) -> None:
        """Say what never changes. Raises UserErrorException for another value of a known property."""
        with user_errors():
            self.ours.add_properties({key: _text(value) for key, value in properties.items()})

    def child_run(self, name: str | None = None, run_id: str | None = None, outputs: Any = None) -> Any:
        """A run below this one, which this process is."""
        with user_errors():
            return wrapped(self.ours.child_run(name, run_id, outputs), self._experiment)

    def create_children(self, count: int | None = None, tag_key: str | None = None, tag_values: Sequence[Any] | None = None) -> Any:
        """Several runs below this one."""
        with user_errors():
            return [wrapped(child, self._experiment) for child in self.ours.create_children(count, tag_key, tag_values)]

    def submit_child(self, config: Any, tags: Any = None, **kwargs: Any) -> Any:
        """Submit a run below this one."""
        from importlib import import_module

        submitting = import_module("trainconf.compat.azureml.configs.submitting")
        return submitting.submit(self.experiment, config, tags, parent=self.ours)

    def get_children(self, recursive: bool = False, tags: Any = None, properties: Any = None, type: Any = None, status: Any = None,
                     **kwargs: Any) -> Any:  # fmt: skip
        """The runs below this one, one after the other."""
        for child in self.ours.get_children(recursive, tags, properties, None, status):
            yield wrapped(child, self._experiment)

    def upload_file(self, name: str, path_or_stream: Any, datastore_name: str | None = None) -> Any:
        with user_errors():
            return self.ours.upload_file(name, path_or_stream)

    def upload_files(self, names: Sequence[str], paths: Sequence[Any] = (), name: Any = None, **kwargs: Any) -> Any:
        with user_errors():
            return self.ours.upload_files(names if name is None else name, paths)

    def upload_folder(self, name: str, path: Any, datastore_name: str | None = None) -> Any:
        with user_errors():
            return self.ours.upload_folder(name, path)

    def get_file_names(self) -> Any:
        return self.ours.get_file_names()

    def download_file(self, name: str, output_file_path: Any = None, _validate_checksum: bool = False) -> Any:
        """Copy a file of the run. Names of logs may be those of the original. Raises UserErrorException for one that is not there."""
        with user_errors():
            return self.ours.download_file(shapes.file_name(name, self.ours.get_file_names()), output_file_path)

    def download_files(self, prefix: str | None = None, output_directory: Any = None, output_paths: Sequence[str] | None = None,
                       batch_size: int = 100, append_prefix: bool = True, timeout_seconds: Any = None) -> Any:  # fmt: skip
        """Copy the files below a folder of the run."""
        with user_errors():
            if output_paths is not None:
                names = [name for name in self.get_file_names() if name.startswith(prefix or "")]
                if len(names) != len(output_paths):
                    raise UserErrorException(f"there are {len(names)} files below {prefix!r}, and {len(output_paths)} output_paths")
                return [self.download_file(name, path) for name, path in zip(names, output_paths)]  # noqa: B905 (Python 3.8)
            return self.ours.download_files(prefix, output_directory, append_prefix=append_prefix)

    def get_secret(self, name: str) -> str:
        with user_errors():
            return str(self.ours.get_secret(name))

    def get_secrets(self, secrets: Sequence[str]) -> dict[str, str]:
        return {name: self.get_secret(name) for name in secrets}

    def register_model(
        self, model_name: str, model_path: str | None = None, tags: Any = None, properties: Any = None, model_framework: Any = None,
        model_framework_version: Any = None, description: str | None = None, datasets: Any = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        """Keep files of the run as the next version of a model; `model_path` is a file or folder of the run, by default its outputs."""
        from trainconf.compat.azureml.runs.registering import register

        facts = {"tags": tags, "properties": properties, "description": description, "model_framework": model_framework,
                 "model_framework_version": model_framework_version}  # fmt: skip
        return register(self, model_name, model_path, facts)

    def _get_outputs_datapath(self) -> references.DataPath:
        """The outputs of the run as a path in a datastore: for scripts that give them to a further run."""
        return references.DataPath(references.RunOutputs(self.id, getattr(self.ours, "run_dir", "")))

    def take_snapshot(self, file_or_folder_path: str) -> str:
        """Not carried out."""
        raise not_here("azureml.core.Run.take_snapshot", "a submitted run has a snapshot; `trainconf snapshot create DIR` makes others")

    def clean(self) -> Any:
        """Nothing: a run leaves nothing but its folder."""
        return []

    @property
    def input_datasets(self) -> inputs.InputDatasets:
        """What the run reads, by name: a path, or a dataset."""
        return inputs.InputDatasets(os.environ)

    @property
    def output_datasets(self) -> dict[str, str]:
        """Where the run writes, by the names of its OutputFileDatasetConfigs."""
        return inputs.outputs(os.environ)

    def start(self) -> None:
        """Nothing: the run of a process has begun when it is made."""

    def get_submitted_run(self, **kwargs: Any) -> Run:
        return self

    def __enter__(self) -> Run:
        self.ours.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.ours.__exit__(kind, error, trace)

    def __getattr__(self, name: str) -> Any:
        if name in NOT_HERE:
            raise not_here("azureml.core.Run." + name, NOT_HERE[name])
        if name in ("ours", "_experiment") or name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"trainconf's Run has no {name}; see docs/azureml.md")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Run(Experiment: {self.ours.experiment},\nId: {self.id},\nType: {self.type},\nStatus: {self.ours.status})"


class _OfflineRun(Run):
    """A run outside any run: what is logged is printed, and kept for `get_metrics`."""

    @property
    def id(self) -> str:
        from uuid import uuid4

        global _offline_id
        _offline_id = _offline_id or f"OfflineRun_{uuid4()}"
        return _offline_id

    run_id = id


_offline_id = ""


def wrapped(ours: Any, experiment: Any) -> Any:
    """The original's run of one of ours: of a sweep a HyperDriveRun."""
    if hasattr(ours, "get_best_run_by_primary_metric"):
        from importlib import import_module

        return import_module("trainconf.compat.azureml.configs.hyperdrive").HyperDriveRun._of(ours, experiment)
    return Run._of(ours, experiment)


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else str(value)
