"""MPI jobs on three nodes of a real cluster, started by whatever goes with their MPI; what one machine shows is in `test_mpi`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.mpi_runs import NODES_OF_ONE_MACHINE, PROLOGUE, REPORT, Installed, agent_log, end_of, mpi_job, mpich, openmpi, reports
from tests.contract.slurm_runs import sent, slurm, slurm_state, until
from tests.contract.test_mpi import POLITE, agent_of, running
from tests.testbed.cluster import Cluster
from trainconf.agent.processes import tree
from trainconf.errors import ConfigError
from trainconf.history import events
from trainconf.launchers.protocol import RunHandle
from trainconf.launchers.slurm.launcher import SlurmLauncher
from trainconf.paths import RunPaths
from trainconf.testing.runs import submit

__all__ = ["mpich", "openmpi"]
pytestmark = [pytest.mark.slurm, pytest.mark.network, pytest.mark.usefixtures("no_job_is_left")]
NODES, PER_NODE = 3, 2
RANKS = NODES * PER_NODE
# Name of the MPI, what is asked for, and what starts it
WAYS = [("mpich", "auto", "srun --mpi=pmi2 for MPICH"), ("mpich", "mpirun", "mpirun of MPICH"), ("openmpi", "auto", "mpirun of Open MPI")]

@pytest.fixture(params=["mpich", "openmpi"])
def mpi(request: pytest.FixtureRequest) -> Installed:
    found: Installed = request.getfixturevalue(request.param)
    return found


def run(root: Path, code: str, mpi: Installed, **wishes: Any) -> RunPaths:
    """Six processes on three nodes, as a user would submit them."""
    job = mpi_job(root, code, mpi, PER_NODE, NODES, env=NODES_OF_ONE_MACHINE, **wishes)
    submit(SlurmLauncher(), job)
    sent.append(job.paths)
    return job.paths


def texts(paths: RunPaths) -> list[str]:
    return [Path(paths.log(rank)).read_text() if os.path.exists(paths.log(rank)) else "" for rank in range(RANKS)]


def until_up(paths: RunPaths) -> None:
    until(lambda: all("up" in text for text in texts(paths)), "the ranks", told=lambda: agent_log(paths))


@pytest.fixture
def idle_bridges() -> Iterator[None]:
    """Interfaces such as an engine's networks without a container: they have addresses, and nothing is reached by them."""
    names = ("tcidle0", "tcidle1")
    for number, name in enumerate(names):
        subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
        subprocess.run(["ip", "address", "add", f"198.18.{number}.1/24", "dev", name], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
    yield
    for name in names:
        subprocess.run(["ip", "link", "delete", name], check=True)


@pytest.mark.usefixtures("idle_bridges")
@pytest.mark.parametrize(("name", "launcher", "words"), WAYS)
def test_six_processes_of_three_nodes_are_one_world(
    tmp_path: Path, request: pytest.FixtureRequest, name: str, launcher: str, words: str
) -> None:
    paths = run(tmp_path / "with space", REPORT, request.getfixturevalue(name), distributed={"launcher": launcher})
    assert end_of(paths)["state"] == "Completed", agent_log(paths)
    told = reports(paths, RANKS)
    assert [(one["rank"], one["size"], one["total"]) for one in told] == [(rank, RANKS, 21) for rank in range(RANKS)]
    assert [one["host"] for one in told] == ["node1", "node1", "node2", "node2", "node3", "node3"]
    names = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR")
    places = [[str(rank), str(rank % 2), str(rank // 2), "6", "2", "node1"] for rank in range(RANKS)]
    assert [[one["env"][name] for name in names] for one in told] == places
    assert [(rank["rank"], rank["host"]) for rank in running(paths)["ranks"]] == [(one["rank"], one["host"]) for one in told]
    assert words in running(paths)["mpi"]


def test_mpi_abort_ends_all_nodes_and_is_told(tmp_path: Path, mpi: Installed) -> None:
    paths = run(tmp_path, PROLOGUE + "if rank == 3:\n    world.Abort(7)\nworld.Barrier()\n", mpi)
    end = end_of(paths)
    assert (end["exit_code"], end["rank"], end["host"]) == (7, 3, "node2"), (end, agent_log(paths))
    until(lambda: not tree.processes_with_run_id(paths.run_id), "the ranks")


def test_a_rank_that_fails_ends_the_others_politely_on_every_node(tmp_path: Path, mpi: Installed) -> None:
    paths = run(tmp_path, POLITE.replace("while True:", "world.Barrier()\nif rank == 5:\n    os._exit(9)\nwhile True:"), mpi)
    end = end_of(paths)
    assert (end["exit_code"], end["reason"], end["rank"], end["host"]) == (9, "rank 5: exit code 9", 5, "node3"), agent_log(paths)
    assert [text.endswith("bye\n") for text in texts(paths)] == [True] * 5 + [False]
    assert tree.processes_with_run_id(paths.run_id) == set()


def test_cancellation_reaches_every_node(tmp_path: Path, mpi: Installed) -> None:
    paths = run(tmp_path, POLITE, mpi)
    until_up(paths)
    SlurmLauncher().cancel(RunHandle(paths))
    assert end_of(paths)["state"] == "Canceled"
    assert [text.endswith("bye\n") for text in texts(paths)] == [True] * RANKS
    assert tree.processes_with_run_id(paths.run_id) == set()


def test_nothing_survives_the_runs_agent_on_any_node(tmp_path: Path, mpi: Installed) -> None:
    paths = run(tmp_path, POLITE, mpi)
    until_up(paths)
    job_id = next(event["scheduler"]["job_id"] for event in events.read(paths) if event["state"] == "Starting")
    slurm("srun", f"--jobid={job_id}", "--overlap", "--nodes=1", "--ntasks=1", "--nodelist=node1", "kill", "-9", str(agent_of(paths)))
    until(lambda: not tree.processes_with_run_id(paths.run_id), "the ranks")
    until(lambda: slurm_state(job_id) != "RUNNING", "Slurm")


def test_a_node_that_dies_leaves_nothing_of_the_run(tmp_path: Path, slurm_cluster: Cluster, mpi: Installed) -> None:
    paths = run(tmp_path, POLITE, mpi)
    until_up(paths)
    slurm_cluster.lose("node2")
    assert end_of(paths, 90)["state"] == "Failed", agent_log(paths)
    until(lambda: not tree.processes_with_run_id(paths.run_id), "the ranks of the other nodes")


def test_a_pmi_that_slurm_does_not_have_is_refused_at_submission(tmp_path: Path, mpich: Installed) -> None:
    with pytest.raises(ConfigError, match=r"distributed\.pmi=pmi9 is not what this Slurm has") as refused:
        run(tmp_path, REPORT, mpich, distributed={"pmi": "pmi9"})
    assert "pmi2" in dict(refused.value.mistakes[0].facts)["allowed"]
