"""Job files of Azure ML v2 in Docker and on Slurm: the same file, another target."""

from __future__ import annotations

import pytest

from tests.conftest import Shell

JOB = """\
command: python train.py ${{inputs.data}} ${{outputs.model}} ${{inputs.lr}}
code: src
environment: ENVIRONMENT
environment_variables: {COLOR: "deep blue"}
inputs:
  data: {type: uri_file, path: "da ta.txt"}
  lr: 0.5
outputs: {model: {type: uri_folder}}
"""
TRAIN = """\
import os, pathlib, sys
from azureml.core import Run
Run.get_context().log("lr", float(sys.argv[3]))
pathlib.Path(sys.argv[2], "model.txt").write_text(pathlib.Path(sys.argv[1]).read_text())
print(os.environ["COLOR"])
"""


def write(shell: Shell, environment: str, more: str = "") -> None:
    shell.write("sub dir/src/train.py", TRAIN)
    shell.write("sub dir/da ta.txt", "read me")
    shell.write("sub dir/job.yml", JOB.replace("ENVIRONMENT", environment) + more)


def check(shell: Shell, *words: str) -> None:
    answer = shell("azureml", "sub dir/job.yml", *words)
    assert answer.code == 0, answer
    (run,) = shell.run_dirs()
    assert (run / "outputs/model/model.txt").read_text() == "read me"
    assert (run / "logs/std_log.txt").read_text().splitlines()[-1] == "deep blue"
    assert '"value":0.5' in (run / "metrics.jsonl").read_text().replace(" ", "")


@pytest.mark.docker
def test_an_image_means_docker_and_a_container_finds_inputs_and_outputs(shell: Shell, docker_base_image: str) -> None:
    write(shell, f"{{image: {docker_base_image!r}}}", "resources: {shm_size: 64m, docker_args: '--ipc=private'}\n")
    check(shell, f"compute.lease_dir={str(shell.leases)!r}")


@pytest.mark.slurm
def test_a_target_of_azures_is_a_cluster_by_the_mapping(shell: Shell) -> None:
    shell.write("conf/azureml.yaml", "cpu-cluster: slurm\n")
    write(shell, "azureml:current:1", "compute: azureml:cpu-cluster\nresources: {instance_type: Standard_D2}\nlimits: {timeout: 300}\n")
    answer = shell("azureml", "sub dir/job.yml")
    assert answer.code == 0, answer
    (run,) = shell.run_dirs()
    assert (run / "outputs/model/model.txt").read_text() == "read me"
    assert (run / "logs/std_log.txt").read_text().splitlines()[-1] == "deep blue"
    assert shell("ls", "--where", "metrics.lr == 0.5", "--json").out.count("run_id") == 1
