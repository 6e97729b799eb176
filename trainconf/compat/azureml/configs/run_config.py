"""`RunConfiguration` and `ScriptRunConfig`: those of `trainconf.sdk`, with the original's order of arguments and its further settings."""

from __future__ import annotations

import os
from typing import Any

from trainconf.compat.azureml.absent import not_here
from trainconf.compat.azureml.compute import ComputeTarget, Provisioning
from trainconf.compat.azureml.configs import processes as processes  # what stands for the sections
from trainconf.compat.azureml.configs import software as software
from trainconf.compat.azureml.configs.told import standing_for, told
from trainconf.compat.azureml.exceptions import NotFoundException, RunConfigurationException, UserErrorException
from trainconf.compat.azureml.said import once
from trainconf.sdk import run_configuration, script_run_config

MAX_RUN_SECONDS = 30 * 24 * 3600  # the original's default; here a run has no limit that is not asked for
DEFAULT_CPU_IMAGE = DEFAULT_GPU_IMAGE = "python:3.11-slim"

IN_A_FILE = "keep settings in conf/experiment/NAME.yaml; `trainconf azureml convert` writes one"

# Settings of the original that a script may set, and what each is when nobody has: what it means here is said once.
FURTHER: dict[str, Any] = {
    "data": dict, "data_references": dict, "output_data": dict, "datacaches": list, "services": dict, "amlcompute": Provisioning,
    "hdi": Provisioning, "spark": Provisioning, "paralleltask": Provisioning, "kubernetescompute": Provisioning,
    "source_directory_data_store": None, "priority": None, "credential_passthrough": False, "auto_prepare_environment": True,
    "node_count_": None, "identity": None, "cmk8s_compute": Provisioning,
}  # fmt: skip
READ = ("data", "data_references")
NAMES = {"nccl": "Nccl", "gloo": "Gloo", "mpi": "OpenMpi", "parameterserver": "ParameterServer", "none": "None"}


@told(UserErrorException)
class HistoryConfiguration(run_configuration.HistoryConfiguration):
    """What a run keeps: everything."""


@told(RunConfigurationException, load=NotFoundException, delete=NotFoundException)
class RunConfiguration(run_configuration.RunConfiguration):
    """How a script is run. `data` and `data_references` become inputs of the run; other settings of the cloud have no effect."""

    def save(
        self, path: str | os.PathLike[str] | None = ".", name: str | None = None, separate_environment_yaml: bool = False
    ) -> str:
        """Write it to `<path>/.azureml/<name>.runconfig`, the environment in it."""
        if separate_environment_yaml:
            raise not_here("azureml.core.RunConfiguration.save(separate_environment_yaml=True)", IN_A_FILE)
        return super().save(path or ".", name)

    def _default(self, name: str) -> Any:
        ours = {**run_configuration.SECTIONS, "history": run_configuration.HistoryConfiguration}.get(name)
        return super()._default(name) if ours is None else standing_for(ours)()

    def __getattr__(self, name: str) -> Any:
        if name in FURTHER:
            further = self.__dict__.setdefault("_further", {})
            if name not in further:
                base = self.__dict__.get("_base")
                made = FURTHER[name]
                further[name] = getattr(base, name) if isinstance(base, RunConfiguration) else made() if callable(made) else made
            return further[name]
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FURTHER:
            if name not in READ:
                once(f"run_config.{name} has no effect here")
            self.__dict__.setdefault("_further", {})[name] = value
        elif name == "communicator" and isinstance(value, str):
            super().__setattr__(name, NAMES.get(value.lower(), value))
        else:
            super().__setattr__(name, value)


@told(RunConfigurationException)
class ScriptRunConfig(script_run_config.ScriptRunConfig):
    """A script and how it is run, with the original's order of arguments. The job gets `import azureml`, too."""

    _run_configuration = RunConfiguration

    def __init__(
        self, source_directory: Any = ".", script: Any = None, arguments: Any = None, run_config: Any = None, _telemetry_values: Any = None,
        compute_target: Any = None, environment: Any = None, distributed_job_config: Any = None, resume_from: Any = None,
        max_run_duration_seconds: Any = None, command: Any = None, docker_runtime_config: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            source_directory, script, arguments, command, run_config, compute_target, environment, distributed_job_config,
            getattr(resume_from, "location", resume_from), max_run_duration_seconds, docker_runtime_config,
        )  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        return MAX_RUN_SECONDS if name == "max_run_duration_seconds" and found is None else found


def target_name(value: Any) -> Any:
    """The name that a compute target was given by."""
    return value.name if isinstance(value, ComputeTarget) else value


def refuse_other(name: str, value: Any, allowed: str) -> None:
    """Raise UserErrorException for a value of the wrong kind."""
    raise UserErrorException(f"{name} cannot be {value!r}; it is {allowed}")
