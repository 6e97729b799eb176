"""`PyTorchConfiguration`, `MpiConfiguration`, `TensorflowConfiguration` and `DockerConfiguration` with the original's defaults."""

from __future__ import annotations

from typing import Any

from trainconf.compat.azureml.configs.told import told
from trainconf.compat.azureml.exceptions import RunConfigurationException, UserErrorException
from trainconf.compat.azureml.said import once
from trainconf.sdk import distributed, docker
from trainconf.sdk.settings.arguments import Arguments

NAMES = {"nccl": "Nccl", "gloo": "Gloo"}
SHM_SIZE = "2g"


@told(RunConfigurationException)
class PyTorchConfiguration(distributed.PyTorchConfiguration):
    """Processes of `torch.distributed`. `Nccl`, the default, is nccl where the run has GPUs, and gloo elsewhere."""

    def __init__(self, communication_backend: str = "Nccl", process_count: int | None = None, node_count: int = 1) -> None:
        super().__init__(communication_backend, process_count, node_count)

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        super()._checked(arguments, values)
        values["communication_backend"] = NAMES.get(values["communication_backend"], values["communication_backend"])

    def _layer(self) -> tuple[list[str], dict[str, Any]]:
        words, tree = super()._layer()
        backend = self.communication_backend.lower()
        if backend == "nccl":
            once("the communication backend Nccl is nccl where a run has GPUs, and gloo elsewhere")
            backend = "auto"
        tree["distributed"]["communication_backend"] = backend
        return words, tree


@told(RunConfigurationException)
class MpiConfiguration(distributed.MpiConfiguration):
    """Processes of one MPI_COMM_WORLD."""


@told(RunConfigurationException)
class TensorflowConfiguration(distributed.TensorflowConfiguration):
    """Tasks of a TensorFlow cluster. One of them is a parameter server unless `parameter_server_count=0`."""

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1, node_count: int = 1) -> None:
        super().__init__(worker_count, parameter_server_count, node_count)


@told(UserErrorException)
class DockerConfiguration(docker.DockerConfiguration):
    """How a container runs a job. Without `use_docker` an environment that is an image implies a container."""

    def __init__(
        self, use_docker: bool | None = None, shared_volumes: bool = True, arguments: Any = None, shm_size: str | None = None
    ) -> None:
        super().__init__(use_docker, arguments, shm_size, shared_volumes)

    def __getattr__(self, name: str) -> Any:
        return read_as_there(name, super().__getattr__(name))


def read_as_there(name: str, value: Any) -> Any:
    """What a setting of Docker that nobody has set is in the original."""
    return {"use_docker": False, "enabled": False, "shm_size": SHM_SIZE}.get(name) if value is None else value
