"""On a real cluster: what Slurm tells a rank about its place is true, and a step of the script's own can start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testbed.cluster import Cluster
from trainconf.launchers.slurm.launcher import SlurmLauncher
from trainconf.spec import DistributedSpec
from trainconf.testing.runs import make_job, output, shell, submit

pytestmark = pytest.mark.slurm
PLACE = 'echo "$SLURM_PROCID $SLURM_LOCALID $SLURM_NODEID $SLURM_NTASKS $SLURM_NTASKS_PER_NODE $SLURM_TASKS_PER_NODE $SLURM_STEP_NUM_TASKS"'
OF_A_TASK = "SLURM_(PROCID|LOCALID|NTASKS|NPROCS|STEP|TASKS_PER_NODE|GTIDS)"


def test_several_processes_on_several_nodes_are_told_their_own_place(tmp_path: Path, slurm_cluster: Cluster) -> None:
    layout = DistributedSpec(kind="pytorch", node_count=2, processes_per_node=2)
    launcher = SlurmLauncher()
    handle = submit(launcher, make_job(str(tmp_path), shell(PLACE), distributed=layout))
    assert launcher.wait(handle).status == "Completed"
    assert [Path(handle.paths.log(rank)).read_text() for rank in range(4)] == [
        f"{rank} {rank % 2} {rank // 2} 4 2 2(x2) 4\n" for rank in range(4)
    ]  # fmt: skip


def test_what_the_user_says_of_these_variables_stays(tmp_path: Path, slurm_cluster: Cluster) -> None:
    launcher = SlurmLauncher()
    handle = submit(launcher, make_job(str(tmp_path), shell("echo $SLURM_NTASKS"), env={"SLURM_NTASKS": "mine"}))
    assert launcher.wait(handle).status == "Completed"
    assert output(handle) == "mine\n"


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_step_of_the_scripts_own_starts(nodes: int, tmp_path: Path, slurm_cluster: Cluster) -> None:
    text = 'if [ "${NODE_RANK:-0}" = 0 ]; then timeout 60 srun --nodes=1 --ntasks=1 echo stepped; fi'
    launcher = SlurmLauncher()
    handle = submit(launcher, make_job(str(tmp_path), shell(text), distributed=DistributedSpec(node_count=nodes)))
    assert launcher.wait(handle).status == "Completed", output(handle)
    assert output(handle) == "stepped\n"
