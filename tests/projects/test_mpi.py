"""digits_mpi by the MPI of its environment and by the machine's: MPI counts the processes, and together they learn what one learns."""

from __future__ import annotations

import pytest

from tests.contract.mpi_runs import NODES_OF_ONE_MACHINE
from tests.projects.conftest import Experiment, walks_the_path_of
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.network


def test_two_processes_of_this_machine_learn_what_one_learns(mpi: Experiment) -> None:
    one, two = mpi.alone, mpi.here("distributed.process_count=2")
    assert (one.values("world_size"), two.values("world_size")) == ([1], [2])
    assert one.values("val_accuracy")[-1] > 0.95
    walks_the_path_of(one, two)
    assert two.log_count == 2


@pytest.mark.slurm
def test_three_nodes_of_a_cluster_learn_what_one_process_learns(mpi: Experiment, slurm_cluster: Cluster) -> None:
    of_testbed = [f"+env.variables.{name}='{value}'" for name, value in NODES_OF_ONE_MACHINE.items()]
    three = mpi.run("compute=slurm", "distributed.node_count=3", *of_testbed, env={"SLURM_CONF": slurm_cluster.conf})
    assert (three.values("world_size"), three.log_count) == ([3], 3)
    walks_the_path_of(mpi.alone, three)
