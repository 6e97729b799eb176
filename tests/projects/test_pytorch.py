"""digits_torch on every target: torch itself says how many processes there are, and together they learn what one learns."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.projects.conftest import Experiment, walks_the_path_of
from tests.testbed.cluster import Cluster

pytestmark = [pytest.mark.network, pytest.mark.slow]


def test_one_process_recognises_digits_and_writes_what_its_page_says(pytorch: Experiment) -> None:
    alone = pytorch.alone
    assert (alone.values("world_size"), alone.values("backend")) == ([1], ["gloo"])
    assert alone.values("val_accuracy")[-1] > 0.95
    assert sorted(path.name for path in (alone.run_dir / "outputs").iterdir()) == ["checkpoint.pt"]
    assert len(list((alone.run_dir / "logs").glob("events.out.tfevents.*"))) == 1


def test_two_processes_of_this_machine_learn_what_one_learns(pytorch: Experiment) -> None:
    two = pytorch.here("distributed.process_count=2")
    assert (two.values("world_size"), two.log_count) == ([2], 2)
    walks_the_path_of(pytorch.alone, two)


def test_a_retry_goes_on_after_the_last_epoch_and_arrives_where_it_would_have(pytorch: Experiment) -> None:
    interrupted = 'if [ "$TRAINCONF_ATTEMPT" = 1 ]; then python train.py --epochs 2; exit 7; fi; exec python train.py'
    run = pytorch.here("script=null", f"command=[sh,-c,'{interrupted}']", "argument_style=none", "retries=1")
    assert run.told["attempt"] == 2
    assert run.values("loss") == pytorch.alone.values("loss"), "each epoch once, and the same weights at its start"
    assert "from epoch 3" in (run.run_dir / "logs" / "std_log.txt").read_text()


def test_a_checkpoint_of_another_training_is_refused(pytorch: Experiment) -> None:
    script = pytorch.workshop.root / "projects" / "digits_torch" / "train.py"
    command: list[str | Path] = [pytorch.python, script, "--lr", "0.3"]
    done = subprocess.run(command, cwd=pytorch.alone.run_dir, env=pytorch.workshop.env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "outputs/checkpoint.pt is of another training, {'lr': 0.05" in done.stderr


def test_no_thread_of_gloo_outlives_the_group(pytorch: Experiment, tmp_path: Path) -> None:
    """Such a thread may free a tensor while the interpreter ends. That aborts the process."""
    script = pytorch.workshop.root / "projects" / "digits_torch" / "train.py"
    code = (
        f"import os, runpy; runpy.run_path({str(script)!r}, run_name='__main__')\n"
        "print(sorted(open(f'/proc/self/task/{thread}/comm').read().strip() for thread in os.listdir('/proc/self/task')))\n"
    )
    command: list[str | Path] = [pytorch.python, "-c", code, "--epochs", "1"]
    done = subprocess.run(command, cwd=tmp_path, env=pytorch.workshop.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "python" in done.stdout.splitlines()[-1]
    assert "gloo" not in done.stdout.splitlines()[-1]


@pytest.mark.docker
def test_two_containers_learn_what_one_process_learns(pytorch: Experiment, docker_base_image: str) -> None:
    """The installed packages are mounted. Other tests build images."""
    (packages,) = pytorch.python.parent.parent.glob("lib/python*/site-packages")
    assert docker_base_image.startswith(f"python:{packages.parent.name.removeprefix('python')}-"), "compiled for the Python of this machine"
    image = ["env=current", f"env.docker.image={docker_base_image}"]
    two = pytorch.run(
        "compute=docker", "distributed.node_count=2", *image, f"+inputs.packages='{packages}'", f"+env.variables.PYTHONPATH='{packages}'"
    )
    assert (two.values("world_size"), two.log_count) == ([2], 2)
    walks_the_path_of(pytorch.alone, two)


@pytest.mark.slurm
def test_three_nodes_of_a_cluster_learn_what_one_process_learns(pytorch: Experiment, slurm_cluster: Cluster) -> None:
    three = pytorch.run("compute=slurm", "compute.mem_gib=1.2", "distributed.node_count=3", env={"SLURM_CONF": slurm_cluster.conf})
    assert (three.values("world_size"), three.log_count) == ([3], 3)
    walks_the_path_of(pytorch.alone, three)


@pytest.mark.slurm
def test_a_torchrun_of_ones_own_on_each_node_makes_one_job_of_them(pytorch: Experiment, slurm_cluster: Cluster) -> None:
    torchrun = "torchrun --nnodes=2 --nproc-per-node=1 --node-rank=$NODE_RANK --master-addr=$MASTER_ADDR --master-port=$MASTER_PORT"
    two = pytorch.run(
        "compute=slurm", "compute.mem_gib=1.2", "distributed.node_count=2", "script=null", "argument_style=none",
        f"command=[sh,-c,'{torchrun} train.py --epochs 2']", env={"SLURM_CONF": slurm_cluster.conf},
    )  # fmt: skip
    assert (two.values("world_size"), two.log_count) == ([2], 2)
    assert two.values("loss") == pytest.approx(pytorch.alone.values("loss")[:2], rel=1e-3)
