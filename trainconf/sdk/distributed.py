"""`PyTorchConfiguration`, `MpiConfiguration`, `TensorflowConfiguration`: the processes of a run."""

from __future__ import annotations

from trainconf.sdk.settings.checked import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.sdk.settings.arguments import Arguments

BACKENDS = ("auto", "nccl", "gloo")


class DistributedConfiguration(Settings):
    """Base of the three: what all of them have."""

    _kind = "none"
    node_count: int

    def _layer(self) -> tuple[list[str], dict[str, Any]]:
        """The choice of `distributed` as an override, and its values."""
        values = {name: value for name, value in self._values.items() if value is not None}
        return [f"distributed={self._kind}"], {"distributed": values}


class PyTorchConfiguration(DistributedConfiguration):
    """Processes of `torch.distributed`.

    communication_backend: `auto` (nccl where the run has GPUs, else gloo), `nccl` or `gloo`, in any case.
    process_count: processes on all nodes together, by default one on each; it must divide evenly among the nodes.
    node_count: nodes.

        >>> from trainconf import PyTorchConfiguration
        >>> PyTorchConfiguration(process_count=4, node_count=2)
        PyTorchConfiguration(communication_backend='auto', process_count=4, node_count=2)
    """

    _kind = "pytorch"
    _names = ("communication_backend", "process_count", "node_count")
    communication_backend: str
    process_count: int | None

    def __init__(self, communication_backend: str = "auto", process_count: int | None = None, node_count: int = 1) -> None:
        self._set(communication_backend=communication_backend, process_count=process_count, node_count=node_count)

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        values["communication_backend"] = arguments.choice("communication_backend", values["communication_backend"], BACKENDS)
        processes = arguments.whole("process_count", values["process_count"], minimum=1, optional=True)
        nodes = arguments.whole("node_count", values["node_count"], minimum=1)
        if processes and nodes and processes % nodes:
            near = max(nodes, processes - processes % nodes)
            arguments.refuse("process_count", processes, f"a multiple of node_count, which is {nodes}", f"process_count={near}")


class MpiConfiguration(DistributedConfiguration):
    """Processes of one MPI_COMM_WORLD.

    process_count_per_node: processes on each node. node_count: nodes.
    """

    _kind = "mpi"
    _names = ("process_count_per_node", "node_count")
    process_count_per_node: int

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        self._set(process_count_per_node=process_count_per_node, node_count=node_count)

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        arguments.whole("process_count_per_node", values["process_count_per_node"], minimum=1)
        arguments.whole("node_count", values["node_count"], minimum=1)


class TensorflowConfiguration(DistributedConfiguration):
    """Tasks of a TensorFlow cluster, which TF_CONFIG describes; worker 0 is the chief.

    worker_count: workers. parameter_server_count: parameter servers; 0 is right for MultiWorkerMirroredStrategy.
    node_count: nodes that share the tasks.
    """

    _kind = "tensorflow"
    _names = ("worker_count", "parameter_server_count", "node_count")
    worker_count: int
    parameter_server_count: int

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 0, node_count: int = 1) -> None:
        self._set(worker_count=worker_count, parameter_server_count=parameter_server_count, node_count=node_count)

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        workers = arguments.whole("worker_count", values["worker_count"], minimum=1)
        arguments.whole("parameter_server_count", values["parameter_server_count"], minimum=0)
        nodes = arguments.whole("node_count", values["node_count"], minimum=1)
        if workers and nodes and nodes > workers:
            arguments.refuse("node_count", nodes, f"at most worker_count, which is {workers}")
