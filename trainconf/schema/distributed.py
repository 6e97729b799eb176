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
    process_count: Optional[int] = setting(None, "processes on all nodes together; default: one on each", minimum=1)
    process_count_per_node: Optional[int] = setting(None, "processes on each node, instead of process_count", minimum=1)
    communication_backend: str = setting(
        "auto", "value of TRAINCONF_COMMUNICATION_BACKEND; auto is nccl where the run has GPUs, else gloo",
        choices=("auto", "gloo", "nccl"),
    )
    interface: Optional[str] = setting(None, "network interface between the processes, as in ib0; default: that of the first node's name")
    gpu_visibility: str = setting("node", "GPUs that a process sees: all of its node, or its own share", choices=("node", "process"))


@dataclass
class MpiDistributed:
    """distributed=mpi: the processes of one MPI_COMM_WORLD."""

    kind: str = setting("mpi", "set by the choice of `distributed`", choices=("mpi",))
    node_count: int = setting(1, "nodes", minimum=1)
    process_count_per_node: Optional[int] = setting(None, "processes on each node; default: one", minimum=1)
    process_count: Optional[int] = setting(None, "processes on all nodes together, instead of process_count_per_node", minimum=1)
    launcher: str = setting(
        "auto", "what starts them; auto is srun or mpirun inside a Slurm job, as the MPI found there wants it, else mpirun",
        choices=("auto", "mpirun", "srun"),
    )
    pmi: Optional[str] = setting(None, "srun's --mpi, one of `srun --mpi=list`; default: what goes with the MPI that is found")
    mpirun: Optional[str] = setting(None, "the mpirun to use; default: the first on the job's PATH, which begins with its environment")
    mpirun_arguments: list[str] = setting(list, "further arguments of mpirun")
    interface: Optional[str] = setting(None, "network interface of MASTER_ADDR; default: that of the first node's name")
    gpu_visibility: str = setting("node", "GPUs that a process sees: all of its node, or its own share", choices=("node", "process"))


@dataclass
class TensorFlowDistributed:
    """distributed=tensorflow: tasks of a TensorFlow cluster, which TF_CONFIG describes. Worker 0 is the chief, unless `chief` adds one."""

    kind: str = setting("tensorflow", "set by the choice of `distributed`", choices=("tensorflow",))
    node_count: int = setting(1, "nodes that share the tasks; at most worker_count", minimum=1)
    worker_count: int = setting(1, "workers", minimum=1)
    parameter_server_count: int = setting(0, "parameter servers; they end when the workers are done", minimum=0)
    chief: bool = setting(False, "a chief besides the workers, as ParameterServerStrategy needs; the run ends when the chief does")
    interface: Optional[str] = setting(None, "network interface between the tasks; default: that of each node's name")
    gpu_visibility: str = setting("process", "GPUs that a task sees: all of its node, or its own share", choices=("node", "process"))
