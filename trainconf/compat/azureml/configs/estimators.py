"""`Estimator` and those of frameworks: the older way to say what a ScriptRunConfig says. Each is one."""

from __future__ import annotations

import os
from typing import Any

from trainconf.compat.azureml.absent import not_here
from trainconf.compat.azureml.configs.processes import MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration
from trainconf.compat.azureml.configs.run_config import ScriptRunConfig
from trainconf.compat.azureml.configs.software import CondaDependencies, DockerSection, Environment
from trainconf.compat.azureml.data.inputs import DatasetConsumptionConfig
from trainconf.compat.azureml.exceptions import TrainingException, UserErrorException
from trainconf.compat.azureml.said import once

OF_THE_CLOUD = ("vm_size", "vm_priority", "use_gpu", "source_directory_data_store", "shm_size")


class Estimator(ScriptRunConfig):
    """A script with its packages and arguments. Raises TrainingException, UserErrorException."""

    _packages: tuple[str, ...] = ()  # of the framework; a version is added to the first

    def __init__(
        self, source_directory: Any, *, compute_target: Any = None, vm_size: Any = None, vm_priority: Any = None, entry_script: Any = None,
        script_params: dict[str, Any] | None = None, node_count: int = 1, process_count_per_node: int = 1,
        distributed_backend: str | None = None, distributed_training: Any = None, use_gpu: bool = False, use_docker: bool | None = None,
        custom_docker_base_image: str | None = None, custom_docker_image: str | None = None, image_registry_details: Any = None,
        user_managed: bool = False, conda_packages: Any = None, pip_packages: Any = None, conda_dependencies_file_path: Any = None,
        conda_dependencies_file: Any = None, pip_requirements_file_path: Any = None, pip_requirements_file: Any = None,
        environment_variables: dict[str, str] | None = None, environment_definition: Any = None, inputs: Any = None,
        source_directory_data_store: Any = None, shm_size: Any = None, resume_from: Any = None, max_run_duration_seconds: Any = None,
        framework_version: str | None = None, parameter_server_count: int = 1, worker_count: int = 1, **kwargs: Any,
    ) -> None:  # fmt: skip
        if kwargs:
            raise TrainingException(f"{type(self).__name__} takes no {', '.join(kwargs)}")
        if entry_script is None:
            raise TrainingException(f"{type(self).__name__} needs entry_script, the name of a Python file in {source_directory!r}")
        given = locals()
        for name in OF_THE_CLOUD:
            if given[name]:
                once(f"{type(self).__name__}({name}=...) has no effect here; conf/compute/ says what a run gets")
        image = custom_docker_image or custom_docker_base_image
        files = {
            "conda": conda_dependencies_file or conda_dependencies_file_path, "pip": pip_requirements_file or pip_requirements_file_path,
        }  # fmt: skip
        packages = {"conda": list(conda_packages or []), "pip": list(pip_packages or [])}
        environment = environment_definition or self._environment(source_directory, image, packages, files, framework_version, user_managed)
        super().__init__(
            source_directory, entry_script, arguments_of(script_params), compute_target=compute_target, environment=environment,
            distributed_job_config=_distributed(
                distributed_training, distributed_backend, node_count, process_count_per_node, worker_count, parameter_server_count
            ),
            resume_from=resume_from, max_run_duration_seconds=max_run_duration_seconds,
        )  # fmt: skip
        if environment_variables:
            self.run_config.environment_variables = dict(environment_variables)
        if use_docker and image is None:
            self.run_config.docker.use_docker = True
        for number, each in enumerate(inputs or []):
            self.run_config.data[_input_name(each, number)] = each

    def _environment(
        self, source: Any, image: str | None, packages: dict[str, list[str]], files: dict[str, Any], version: str | None,
        user_managed: bool,
    ) -> Any:  # fmt: skip
        """The software: what was named, with the framework's own packages."""
        name = f"{type(self).__name__.lower()}-packages"
        paths = {kind: _path(source, path) for kind, path in files.items() if path}
        if image is not None and not (any(packages.values()) or paths):
            return Environment.from_docker_image(name, image)
        environment = Environment(name)
        if user_managed:
            environment.python.user_managed_dependencies = True
            return environment
        own = [f"{self._packages[0]}=={version}" if version else self._packages[0], *self._packages[1:]] if self._packages else []
        if not (own or any(packages.values()) or paths or image):
            return None
        conda = CondaDependencies(paths["conda"]) if "conda" in paths else CondaDependencies.create()
        for package in [*own, *packages["pip"], *_lines(paths.get("pip"))]:
            conda.add_pip_package(package)
        for package in packages["conda"]:
            conda.add_conda_package(package)
        environment.python.conda_dependencies = conda
        if image is not None:
            environment.docker = DockerSection(base_image=image)
        return environment

    def submit(self, workspace: Any, experiment_name: str) -> Any:
        """Not carried out: it was removed from the original, too."""
        raise not_here("azureml.train.estimator.Estimator.submit", "Experiment(workspace, name).submit(estimator)")

    def fit(self, workspace: Any, experiment_name: str) -> Any:
        return self.submit(workspace, experiment_name)

    @property
    def conda_dependencies(self) -> Any:
        """The packages of its environment."""
        return self.run_config.environment.python.conda_dependencies


class MMLBaseEstimator(Estimator):
    """The base of all estimators."""


class PyTorch(Estimator):
    """A script of PyTorch."""

    _packages = ("torch",)


class TensorFlow(Estimator):
    """A script of TensorFlow."""

    _packages = ("tensorflow",)


class Chainer(Estimator):
    """A script of Chainer."""

    _packages = ("chainer",)


class SKLearn(Estimator):
    """A script of scikit-learn."""

    _packages = ("scikit-learn",)


class Mpi(MpiConfiguration):
    """`distributed_training=Mpi()`: processes of MPI."""


class Gloo(PyTorchConfiguration):
    """`distributed_training=Gloo()`: processes of torch.distributed."""

    def __init__(self) -> None:
        super().__init__("gloo")


class Nccl(PyTorchConfiguration):
    """`distributed_training=Nccl()`: processes of torch.distributed."""

    def __init__(self) -> None:
        super().__init__("nccl")


class ParameterServer(TensorflowConfiguration):
    """`distributed_training=ParameterServer()`: tasks of TensorFlow."""

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        super().__init__(worker_count, parameter_server_count)


def arguments_of(script_params: dict[str, Any] | None) -> list[Any]:
    """`{"--lr": 0.1, "--fast": ""}` as arguments: an empty value is a flag."""
    found: list[Any] = []
    for name, value in (script_params or {}).items():
        found += [name] if isinstance(value, str) and value == "" else [name, value]
    return found


def _distributed(training: Any, backend: str | None, nodes: int, processes: int, workers: int, servers: int) -> Any:
    """The distributed part. `distributed_training` says the kind, and the counts of the estimator how many where it says none."""
    wanted = (backend or "").lower() or ("mpi" if isinstance(training, MpiConfiguration) and not isinstance(training, str) else "")
    if training is None and not wanted:
        if nodes == 1 and processes == 1:
            return None
        wanted = "mpi"
    if wanted in ("nccl", "gloo") or isinstance(training, PyTorchConfiguration):
        kind = wanted or (training.communication_backend if training is not None else "auto")
        return PyTorchConfiguration(kind, max(nodes * processes, getattr(training, "process_count", None) or 1), nodes)
    if wanted in ("ps", "parameterserver"):
        return TensorflowConfiguration(workers, servers)
    if isinstance(training, TensorflowConfiguration):
        return training
    if wanted == "mpi":
        per_node = max(processes, getattr(training, "process_count_per_node", None) or 1)
        return MpiConfiguration(per_node, max(nodes, getattr(training, "node_count", None) or 1))
    raise TrainingException(f"distributed_training cannot be {training!r}; allowed are Mpi(), Nccl(), Gloo(), ParameterServer()")


def _input_name(given: Any, number: int) -> str:
    if isinstance(given, DatasetConsumptionConfig):
        return given.name or f"input_{number + 1}"
    if hasattr(given, "data_reference_name"):
        return str(given.data_reference_name)
    raise UserErrorException(f"an input cannot be {given!r}; give dataset.as_named_input('data'), or a path in a datastore")


def _path(source: Any, path: Any) -> str:
    """A file that is named from the source directory on, or from the current folder."""
    inside = os.path.join(os.fspath(source), os.fspath(path))
    return inside if os.path.exists(inside) else str(path)


def _lines(path: str | None) -> list[str]:
    """The packages of a requirements file."""
    if path is None:
        return []
    with open(path, encoding="utf-8") as stream:
        return [line.partition(" #")[0].strip() for line in stream if line.strip() and not line.lstrip().startswith("#")]
