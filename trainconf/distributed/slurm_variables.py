"""Corrects Slurm's variables for the ranks of a run. Pure.

Slurm knows only the processes that it has started: the batch script, and one agent on each node. Ranks inherit the variables of these, and
there may be several on a node. Libraries read SLURM_PROCID and SLURM_NTASKS as they read RANK and WORLD_SIZE, so both say the same here,
and a process that is no rank has neither (sbatch(1) and srun(1), OUTPUT ENVIRONMENT VARIABLES).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# They describe the process that Slurm has started, not its job or its node.
_OF_A_TASK = frozenset({
    "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_TASKS_PER_NODE", "SLURM_GTIDS", "SLURM_TASK_PID",
    "SLURM_STEPID", "SLURM_DISTRIBUTION", "SLURM_LAUNCH_NODE_IPADDR", "SLURM_PRIO_PROCESS",
})
_BEGINNINGS = ("SLURM_STEP_", "SLURM_NTASKS_PER_", "SLURM_SRUN_COMM_", "SLURM_CPU_BIND", "SLURM_MEM_BIND")


def corrected(environ: Mapping[str, str], rank: Mapping[str, str], node_count: int, *, is_mpi: bool) -> dict[str, str]:
    """`environ`, for a process whose own variables are `rank`: RANK and the like, or none of them.

    Nothing is removed for MPI: by these variables its library finds the other processes.
    """
    if "SLURM_JOB_ID" not in environ:
        return dict(environ)
    found = dict(environ) if is_mpi else {name: value for name, value in environ.items() if not _is_of_a_task(name)}
    return {**found, **_place(environ, rank, node_count)} if "RANK" in rank else found


def _is_of_a_task(name: str) -> bool:
    return name in _OF_A_TASK or name.startswith(_BEGINNINGS)


def _place(environ: Mapping[str, str], rank: Mapping[str, str], node_count: int) -> dict[str, str]:
    world_size, local_world_size = rank["WORLD_SIZE"], rank["LOCAL_WORLD_SIZE"]
    found = {
        "SLURM_PROCID": rank["RANK"], "SLURM_LOCALID": rank["LOCAL_RANK"], "SLURM_NODEID": rank["NODE_RANK"],
        "SLURM_NTASKS": world_size, "SLURM_NPROCS": world_size, "SLURM_STEP_NUM_TASKS": world_size, "SLURM_STEP_NUM_NODES": str(node_count),
        "SLURM_STEP_NODELIST": environ.get("SLURM_STEP_NODELIST", environ.get("SLURM_JOB_NODELIST", "")),
    }
    if int(local_world_size) * node_count == int(world_size):  # else no two nodes need have the same number of tasks
        each = f"{local_world_size}(x{node_count})" if node_count > 1 else local_world_size
        found |= {"SLURM_NTASKS_PER_NODE": local_world_size, "SLURM_TASKS_PER_NODE": each, "SLURM_STEP_TASKS_PER_NODE": each}
    return found
