"""distributed=...: the processes of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from trainconf.schema.fields import setting


# Annotations are evaluated by OmegaConf, which reads `Optional[X]` on every line it supports and Python 3.10 to 3.14.
@dataclass
class NoDistributed:
    """distributed=none: one process on each node."""

    kind: str = setting("none", "set by the choice of `distributed`", choices=("none",))
    node_count: int = setting(1, "nodes; the command is started once on each", minimum=1)


@dataclass
class PyTorchDistributed:
    """distributed=pytorch: every process is a rank of `torch.distributed`, or one process per node that starts them itself."""

    kind: str = setting("pytorch", "set by the choice of `distributed`", choices=("pytorch",))
    node_count: int = setting(1, "nodes", minimum=1)
    process_count: Optional[int] = setting(None, "processes on all nodes together; null is one on each", minimum=1)
    process_count_per_node: Optional[int] = setting(None, "processes on each node: the same said otherwise", minimum=1)
    communication_backend: str = setting(
        "auto", "told as TRAINCONF_COMMUNICATION_BACKEND; auto is nccl where the run is given GPUs, else gloo",
        choices=("auto", "gloo", "nccl"),
    )
    interface: Optional[str] = setting(None, "network interface the processes meet on, as in ib0; null is that of the head node's name")
    gpu_visibility: str = setting("node", "GPUs a process sees: all of its node, or its own share", choices=("node", "process"))


@dataclass
class MpiDistributed:
    """distributed=mpi: the processes of one MPI_COMM_WORLD."""

    kind: str = setting("mpi", "set by the choice of `distributed`", choices=("mpi",))
    node_count: int = setting(1, "nodes", minimum=1)
    process_count_per_node: Optional[int] = setting(None, "processes on each node; null is one", minimum=1)
    process_count: Optional[int] = setting(None, "processes on all nodes together: the same said otherwise", minimum=1)
    launcher: str = setting(
        "auto", "what starts them; auto is srun or mpirun inside a Slurm job, as the MPI found there wants it, else mpirun",
        choices=("auto", "mpirun", "srun"),
    )
    pmi: Optional[str] = setting(None, "srun's --mpi, one of `srun --mpi=list`; null is what goes with the MPI found")
    mpirun: Optional[str] = setting(None, "the mpirun to use; null is the first on the job's PATH, which begins with its environment")
    mpirun_arguments: list[str] = setting(list, "further arguments of mpirun")
    interface: Optional[str] = setting(None, "network interface of MASTER_ADDR; null is that of the head node's name")
    gpu_visibility: str = setting("node", "GPUs a process sees: all of its node, or its own share", choices=("node", "process"))


@dataclass
class TensorFlowDistributed:
    """distributed=tensorflow: tasks of a TensorFlow cluster, told by TF_CONFIG. Worker 0 is the chief unless there is one besides."""

    kind: str = setting("tensorflow", "set by the choice of `distributed`", choices=("tensorflow",))
    node_count: int = setting(1, "nodes the tasks are dealt out to; at most worker_count", minimum=1)
    worker_count: int = setting(1, "workers", minimum=1)
    parameter_server_count: int = setting(0, "parameter servers; they are ended when the workers are done", minimum=0)
    chief: bool = setting(False, "a chief besides the workers, as ParameterServerStrategy wants; the run is done when it is")
    interface: Optional[str] = setting(None, "network interface the tasks meet on; null is that of each node's name")
    gpu_visibility: str = setting("process", "GPUs a task sees: all of its node, or its own share", choices=("node", "process"))
