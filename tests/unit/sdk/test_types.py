"""A program that uses the names is checked by mypy --strict, and what it gets has its type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import asyncio
from typing import Any

from trainconf import (
    ComputeTarget, DockerConfiguration, Environment, Experiment, MpiConfiguration, PyTorchConfiguration, Run, RunConfiguration,
    ScriptRunConfig, SubmittedRun, SweepRun, TensorflowConfiguration, Workspace,
)

ws = Workspace.from_config()
targets: dict[str, ComputeTarget] = ws.compute_targets
experiment = Experiment(workspace=ws, name="typed")
environment = Environment("mine")
environment.python.user_managed_dependencies = True
shared = RunConfiguration(framework="Python")
shared.target = "slurm"
shared.docker.use_docker = True
shared.mpi.process_count_per_node = 2
config = ScriptRunConfig(
    source_directory=".", script="train.py", arguments=["--lr", 0.1], run_config=shared, compute_target=targets["local"],
    environment=environment, distributed_job_config=PyTorchConfiguration("Nccl", process_count=2, node_count=1),
    docker_runtime_config=DockerConfiguration(True, ["--ipc=host"]), params={"lr": 0.1}, tags={"a": "b"}, overrides=["retries=1"],
)
config.run_config.target = "local"
config.distributed_job_config = MpiConfiguration(2)
config.distributed_job_config = TensorflowConfiguration(worker_count=2)
run: SubmittedRun = experiment.submit(config, tags={"a": 1})
details: dict[str, Any] = run.wait_for_completion(show_output=True, timeout=5.0)
sweep: SweepRun = experiment.submit_sweep(config, "params.lr=1,2")
fetched: SubmittedRun = Run.get(ws, run.id)
again: SubmittedRun = fetched.rerun("params.lr=2")
names: list[str] = again.get_file_names()
status: str = again.get_status()
children: list[Run] = run.get_children()
found: list[SubmittedRun] = list(experiment.get_runs(tags={"a": "b"}, where="metrics.loss < 1"))
with experiment.start_logging() as here:
    here.log("loss", 0.5)


async def wait() -> str:
    told: dict[str, Any] = await run
    return str(told["status"])


asyncio.run(wait())
"""
WRONG = """\
from trainconf import Experiment, ScriptRunConfig, Workspace

Experiment("ws", 3)
ScriptRunConfig(".", "train.py", compute_traget="local")
Experiment(Workspace(), "a").submit(ScriptRunConfig(".", "train.py")).wait_for_completion(timeout="1h")
"""


def checked(folder: Path, text: str) -> tuple[int, str]:
    (folder / "submit.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "submit.py"], cwd=folder, capture_output=True, text=True
    )
    return done.returncode, done.stdout


@pytest.mark.slow
def test_a_program_that_uses_the_names_passes(tmp_path: Path) -> None:
    assert checked(tmp_path, PROGRAM) == (0, "Success: no issues found in 1 source file\n")


@pytest.mark.slow
def test_a_wrong_call_is_found(tmp_path: Path) -> None:
    code, told = checked(tmp_path, WRONG)
    assert code == 1
    for line in (3, 4, 5):
        assert f"submit.py:{line}: error" in told
