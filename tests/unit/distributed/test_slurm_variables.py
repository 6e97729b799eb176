"""Slurm's variables say of a rank what RANK and the like say."""

from __future__ import annotations

import pytest

from trainconf.distributed.slurm_variables import corrected

OF_THE_JOB = {"PATH": "/bin", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_NNODES": "2", "SLURM_CPUS_PER_TASK": "4"}
OF_THE_AGENT = {
    "SLURM_PROCID": "1", "SLURM_LOCALID": "0", "SLURM_NODEID": "1", "SLURM_NTASKS": "2", "SLURM_NPROCS": "2", "SLURM_GTIDS": "1",
    "SLURM_NTASKS_PER_NODE": "1", "SLURM_TASKS_PER_NODE": "1(x2)", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_TASKS_PER_NODE": "1(x2)", "SLURM_SRUN_COMM_PORT": "5", "SLURM_CPU_BIND": "mask_cpu:0x1", "SLURM_TASK_PID": "9",
}  # fmt: skip


def rank(number: int, local: int, node: int, world: int, each: int) -> dict[str, str]:
    return {"RANK": str(number), "LOCAL_RANK": str(local), "NODE_RANK": str(node), "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(each)}


def test_several_processes_on_a_node_are_each_told_their_own_place() -> None:
    env = corrected({**OF_THE_JOB, **OF_THE_AGENT}, rank(3, 1, 1, 4, 2), 2, is_mpi=False)
    told = {name: value for name, value in env.items() if name not in OF_THE_JOB}
    assert told == {
        "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_NTASKS": "4", "SLURM_NPROCS": "4",
        "SLURM_NTASKS_PER_NODE": "2", "SLURM_TASKS_PER_NODE": "2(x2)", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2",
        "SLURM_STEP_TASKS_PER_NODE": "2(x2)", "SLURM_STEP_NODELIST": "n[1-2]",
    }  # fmt: skip
    assert {name: env[name] for name in OF_THE_JOB} == OF_THE_JOB


def test_a_process_that_is_no_rank_keeps_only_what_is_true_of_its_node_and_job() -> None:
    env = corrected({**OF_THE_JOB, **OF_THE_AGENT}, {"NODE_RANK": "1"}, 2, is_mpi=False)
    assert env == {**OF_THE_JOB, "SLURM_NODEID": "1"}


def test_where_nodes_have_different_numbers_of_processes_nothing_is_said_of_each() -> None:
    env = corrected({**OF_THE_JOB, **OF_THE_AGENT}, rank(2, 0, 1, 3, 1), 2, is_mpi=False)
    assert env["SLURM_NTASKS"] == "3"
    assert not {"SLURM_NTASKS_PER_NODE", "SLURM_TASKS_PER_NODE", "SLURM_STEP_TASKS_PER_NODE"} & env.keys()


@pytest.mark.parametrize("name", ["SLURM_SRUN_COMM_PORT", "SLURM_STEP_ID", "SLURM_GTIDS"])
def test_an_mpi_process_keeps_what_its_library_may_ask_for(name: str) -> None:
    env = corrected({**OF_THE_JOB, **OF_THE_AGENT}, rank(3, 1, 1, 4, 2), 2, is_mpi=True)
    assert (env[name], env["SLURM_PROCID"]) == (OF_THE_AGENT[name], "3")


def test_outside_of_a_job_nothing_is_touched() -> None:
    assert corrected({"SLURM_NTASKS": "set by hand"}, rank(0, 0, 0, 2, 2), 1, is_mpi=False) == {"SLURM_NTASKS": "set by hand"}
