"""Ranks that start ranks: a launcher that starts the processes of its node is not started several times on a node."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.errors import ConfigError
from trainconf.launchers.job import argv, checks
from trainconf.spec import DistributedSpec
from trainconf.testing.runs import make_job


def check(root: Path, command: list[str], per_node: int = 2, node_count: int = 1, kind: str = "pytorch") -> None:
    job = make_job(str(root), command, distributed=DistributedSpec(kind=kind, node_count=node_count, processes_per_node=per_node))
    checks.check(job, argv.argv(job.spec, job.python))


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["torchrun", "--nproc-per-node=2", "train.py"], "torchrun"),
        (["/opt/my env/bin/torchrun", "train.py"], "torchrun"),
        (["accelerate", "launch", "train.py"], "accelerate launch"),
        (["deepspeed", "train.py"], "deepspeed"),
        (["python3.11", "-m", "torch.distributed.run", "train.py"], "torch.distributed.run"),
        (["sh", "-c", 'exec torchrun train.py "$@"'], "torchrun"),
        (["sh", "-c", 'cd "my src" && OMP_NUM_THREADS=1 accelerate launch train.py "$@"'], "accelerate launch"),
        (["sh", "-c", "set -e\n# the ranks\nif true; then torchrun \\\n  train.py; fi"], "torchrun"),
    ],
)
def test_a_launcher_that_would_start_ranks_twice_is_refused_by_its_name(command: list[str], name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{name} starts the processes of its node, and distributed=pytorch starts {name} 2 times"):
        check(tmp_path, command)
    check(tmp_path, command, per_node=1, node_count=3)
    check(tmp_path, command, per_node=1, node_count=3, kind="none")


@pytest.mark.parametrize(
    "command",
    [
        ["python", "train.py", "torchrun"],
        ["python", "-m", "train"],
        ["python"],
        ["accelerate", "config"],
        ["sh", "-c", ""],
        ["sh", "-c", "echo torchrun; exec python train.py 'accelerate launch'"],
        ["sh", "-c", "python train.py # ; torchrun"],
        ["sh", "-c", "echo 'open"],
    ],
)
def test_a_command_that_only_mentions_one_is_not(command: list[str], tmp_path: Path) -> None:
    check(tmp_path, command)
