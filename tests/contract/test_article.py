"""Every block of the article that Azure ML's users began with, in one script for SDK v1: on this machine, in Docker, on Slurm.

The script is run as it stands. It differs between the targets in one word, the compute target, as the article promises.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell

TRAIN = """\
import argparse
import os

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--arg1", type=float)
parser.add_argument("--arg2")
args = parser.parse_args()
run = Run.get_context()
run.log("accuracy", args.arg1)
with open("outputs/my_output_file", "w") as stream:
    stream.write(f"{args.arg1} {args.arg2}")
with open("logs/my.log", "w") as stream:
    stream.write("logged")
print("trained by", type(run).__name__)
"""
# The article's blocks in its order: the workspace, an experiment, an environment, the configuration, the submission.
HEAD = """\
from azureml.core import Workspace, Environment

ws = Workspace.from_config()
{environment}

from azureml.core import Experiment

experiment_name = 'my_experiment'
experiment = Experiment(workspace=ws, name=experiment_name)

from azureml.core import ScriptRunConfig

project_folder, my_compute_target, arg1_val, arg2_val = 'project', {target!r}, 0.5, 'two words'
src = ScriptRunConfig(source_directory=project_folder,
                      script='train.py',
                      arguments=['--arg1', arg1_val, '--arg2', arg2_val],
                      compute_target=my_compute_target,
                      max_run_duration_seconds=600,
                      environment=myenv)

# Set compute target: the article's name for it is one that it never defines
script_run_config = src
script_run_config.run_config.target = my_compute_target

run = experiment.submit(config=src)
run.wait_for_completion(show_output=True)

run.download_file(name='outputs/my_output_file', output_file_path='my_destination_path')
print(run.get_status(), run.get_metrics(), sorted(n for n in run.get_file_names() if n.startswith('outputs/')))
"""
CURATED = 'myenv = Environment.get(workspace=ws, name="AzureML-Minimal")'
USER_MANAGED = """\
myenv = Environment("user-managed-env")
myenv.python.user_managed_dependencies = True

# You can choose a specific Python environment by pointing to a Python path
import sys
myenv.python.interpreter_path = sys.executable"""
DISTRIBUTED = """\
from azureml.core import Experiment, Environment, ScriptRunConfig, Workspace
from azureml.core.runconfig import {kind}

ws = Workspace.from_config()
myenv = Environment("user-managed-env")
myenv.python.user_managed_dependencies = True
src = ScriptRunConfig(source_directory='project', script='ranks.py', compute_target='local', environment=myenv,
                      distributed_job_config={config})
run = Experiment(ws, 'ranks').submit(src)
run.wait_for_completion(show_output=True)
print(run.get_status())
"""


def article(shell: Shell, environment: str, target: str, *settings: str) -> Answer:
    """Run the article in a workspace whose machine has these settings."""
    shell.write("project/train.py", TRAIN)
    shell.write("conf/local.yaml", "\n".join(settings) + "\n" if settings else "{}\n")
    shell.write("submit.py", HEAD.format(environment=environment, target=target))
    return shell("azureml", "submit.py")


def check(shell: Shell, answer: Answer) -> Path:
    """What the article promises of a run; its directory."""
    assert answer.code == 0, answer
    assert "trained by Run" in answer.out
    assert answer.out.splitlines()[-1] == "Completed {'accuracy': 0.5} ['outputs/my_output_file']"
    assert (shell.root / "my_destination_path").read_text() == "0.5 two words"
    (run,) = shell.run_dirs()
    assert (run / "code/train.py").read_text() == TRAIN
    assert (run / "logs/my.log").read_text() == "logged"
    return run


def local(shell: Shell) -> str:
    return f"compute: {{lease_dir: '{shell.leases}', slots: 2}}"


def test_on_this_machine_in_the_python_that_submits(shell: Shell) -> None:
    run = check(shell, article(shell, USER_MANAGED, "local", local(shell)))
    assert json.loads((run / "spec.json").read_text())["compute"]["max_run_duration_seconds"] == 600


@pytest.mark.network
def test_on_this_machine_in_a_curated_environment(shell: Shell) -> None:
    answer = article(shell, CURATED, "local", local(shell))
    check(shell, answer)
    assert "AzureML-Minimal" in answer.err  # which of ours stands for it


@pytest.mark.docker
def test_in_docker(shell: Shell, docker_base_image: str) -> None:
    environment = f"myenv = Environment.from_docker_image('image', {docker_base_image!r})"
    check(shell, article(shell, environment, "docker", local(shell)))


@pytest.mark.slurm
def test_on_a_cluster(shell: Shell) -> None:
    shell.write("conf/azureml.yaml", "cpu-cluster: slurm\n")
    run = check(shell, article(shell, USER_MANAGED, "cpu-cluster"))
    assert json.loads((run / "run.json").read_text())["compute"] == "slurm"


@pytest.mark.parametrize(("kind", "config", "ranks"), [
    ("PyTorchConfiguration", "PyTorchConfiguration(process_count=2)", 2),
    ("TensorflowConfiguration", "TensorflowConfiguration(worker_count=2, parameter_server_count=0)", 2),
])
def test_a_distributed_configuration_starts_its_processes(kind: str, config: str, ranks: int, shell: Shell) -> None:
    shell.write("project/ranks.py", "import os\nprint(os.environ['RANK'], os.environ['WORLD_SIZE'], 'TF_CONFIG' in os.environ)\n")
    shell.write("conf/local.yaml", local(shell) + "\n")
    shell.write("submit.py", DISTRIBUTED.format(kind=kind, config=config))
    answer = shell("azureml", "submit.py")
    assert answer.code == 0, answer
    assert answer.out.splitlines()[-1] == "Completed"
    (run,) = shell.run_dirs()
    said = {(run / "logs" / name).read_text().strip() for name in ("std_log.txt", "std_log_rank_1.txt")}
    assert said == {f"{rank} {ranks} {kind == 'TensorflowConfiguration'}" for rank in range(ranks)}


def test_a_second_run_records_what_was_changed_and_git_says_where_it_came_from(shell: Shell) -> None:
    import subprocess

    shell.write("project/train.py", TRAIN)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "first")):
        subprocess.run(["git", *words], cwd=shell.root, env=shell.env, check=True)
    check(shell, article(shell, USER_MANAGED, "local", local(shell)))
    shell.write("project/train.py", TRAIN.replace("trained by", "again by"))
    answer = shell("azureml", "submit.py")
    assert answer.code == 0, answer
    first, second = sorted(shell.run_dirs(), key=lambda run: str(json.loads((run / "run.json").read_text())["created"]))
    assert "trained by" in (first / "code/train.py").read_text()
    assert "again by" in (second / "code/train.py").read_text()
    assert len(json.loads((second / "git.json").read_text())["commit"]) == 40
