"""digits_tensorflow, and parameter servers: TensorFlow itself says how many there are, and together they learn what one learns."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.projects.conftest import Experiment, walks_the_path_of
from tests.testbed.cluster import Cluster

pytestmark = [pytest.mark.network, pytest.mark.slow]
TWO_WORKERS = "distributed.worker_count=2"


def test_two_workers_of_this_machine_learn_what_one_process_learns(tensorflow: Experiment) -> None:
    one, two = tensorflow.alone, tensorflow.here(TWO_WORKERS)
    assert (one.values("num_replicas_in_sync"), two.values("num_replicas_in_sync")) == ([1], [2])
    assert one.values("val_accuracy")[-1] > 0.95
    walks_the_path_of(one, two)
    assert two.log_count == 2
    assert [path.name for path in (two.run_dir / "outputs").iterdir()] == ["model.npz"], "the chief saves, alone"


@pytest.mark.slurm
def test_two_nodes_of_a_cluster_learn_what_one_process_learns(tensorflow: Experiment, slurm_cluster: Cluster) -> None:
    words = ["compute=slurm", "compute.mem_gib=1.5", TWO_WORKERS, "distributed.node_count=2"]
    two = tensorflow.run(*words, env={"SLURM_CONF": slurm_cluster.conf})
    assert (two.values("num_replicas_in_sync"), two.log_count) == ([2], 2)
    walks_the_path_of(tensorflow.alone, two)


def test_a_chief_has_a_worker_count_on_a_parameter_server_and_both_are_ended_when_it_is_done(tensorflow: Experiment) -> None:
    scripts = tensorflow.workshop.root / "scripts"
    shutil.copytree(Path(__file__).with_name("scripts"), scripts)
    tasks = ["distributed.worker_count=1", "distributed.parameter_server_count=1", "distributed.chief=true"]
    run = tensorflow.here("source_directory=scripts", "script=parameter_server.py", "argument_style=none", *tasks)
    assert run.values("total") == [55.0], "the script adds the numbers from 1 to 10"
    assert "/job:ps/" in run.values("held_by")[0]
    assert run.log_count == 3
