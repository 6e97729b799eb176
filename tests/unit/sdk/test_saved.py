"""A RunConfiguration as a file: what is saved is loaded, and files of the original are read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from trainconf import CondaDependencies, DockerConfiguration, Environment, PyTorchConfiguration, RunConfiguration, Workspace
from trainconf import ScriptRunConfig as Config
from trainconf.control.compose import compose
from trainconf.errors import StorageError, UserError
from trainconf.sdk.submission.request import request

OF_AZURE = """\
# The script to run.
script: train.py
arguments: [--lr, 0.1]
target: cpu-cluster
framework: Python
communicator: IntelMpi
maxRunDurationSeconds: 60
nodeCount: 2
priority:
environment:
  name: vision
  version:
  environmentVariables:
    EXAMPLE_ENV_VAR: EXAMPLE_VALUE
  python:
    userManagedDependencies: false
    interpreterPath: python
    condaDependencies:
      name: project_environment
      dependencies:
      - python=3.11
      - pip:
        - numpy==2.3.5
history:
  outputCollection: true
  directoriesToWatch: [logs]
spark:
  configuration: {spark.app.name: Azure ML Experiment}
docker:
  useDocker: false
  shmSize: 2g
  arguments: []
mpi:
  processCountPerNode: 4
amlcompute:
  vmSize:
tensorflow:
  workerCount: 1
  parameterServerCount: 1
"""


def test_what_is_saved_is_loaded(ws: Workspace, tmp_path: Path) -> None:
    saved = RunConfiguration(script="train.py", arguments=["--lr", 0.1])
    saved.target, saved.max_run_duration_seconds, saved.environment_variables = "slurm", 60, {"A": "1"}
    saved.environment = Environment("mine")
    saved.environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["numpy==2.3.5"])
    saved.docker = DockerConfiguration(None, ["--ipc=host"], "1g")
    saved.distributed = PyTorchConfiguration("Gloo", 4, 2)
    file = saved.save(tmp_path, "gpu")
    assert file == str(tmp_path / ".azureml" / "gpu.runconfig")
    loaded = RunConfiguration.load(tmp_path, "gpu")
    both = [compose(request(Config(".", run_config=each, compute_target="docker"), ws), ws._paths) for each in (saved, loaded)]
    assert both[0].config == both[1].config
    assert both[1].origins["arguments"] == file
    RunConfiguration.delete(tmp_path, "gpu")
    with pytest.raises(UserError, match="no such run configuration"):
        RunConfiguration.load(tmp_path, "gpu")
    with pytest.raises(UserError, match="cannot be removed"):
        RunConfiguration.delete(tmp_path, "gpu")


def test_a_file_of_the_original_is_read(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "aml_config").mkdir()
    (tmp_path / "aml_config" / "cluster").write_text(OF_AZURE)
    loaded = RunConfiguration.load(tmp_path, "cluster")
    assert (loaded.target, loaded.node_count, loaded.communicator, loaded.environment.name) == ("cpu-cluster", 2, "IntelMpi", "vision")
    found = compose(request(Config(".", run_config=loaded, compute_target="slurm"), ws), ws._paths).config
    assert found["distributed"]["process_count_per_node"] == 4
    assert "numpy==2.3.5" in found["env"]["requirements"]
    assert found["env"]["variables"]["EXAMPLE_ENV_VAR"] == "EXAMPLE_VALUE"


def test_what_is_wrong_with_a_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / ".azureml").mkdir()
    file = tmp_path / ".azureml" / "x.runconfig"
    file.write_text("traget: local\nmpi: {processCount: 3}\n")
    with pytest.raises(UserError, match=r"traget[\s\S]*target[\s\S]*mpi.processCount"):
        RunConfiguration.load(tmp_path, "x")
    file.write_text("nodeCount: many\nframework: PySpark\n")
    with pytest.raises(UserError, match=r"node_count[\s\S]*framework") as raised:
        RunConfiguration.load(tmp_path, "x")
    assert str(file) in str(raised.value)
    for text in ("- a\n", "a: [\n", "\x00"):
        file.write_text(text)
        with pytest.raises(UserError):
            RunConfiguration.load(tmp_path, "x")


def test_names_and_paths_are_checked(tmp_path: Path) -> None:
    for name in (None, 3, "../up", ""):
        with pytest.raises(UserError, match="name"):
            RunConfiguration().save(tmp_path, name)  # type: ignore[arg-type]


def test_a_disk_that_refuses_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match=r"cannot be saved: No space left[\s\S]*shared.runconfig[\s\S]*hint: the disk is full"):
        RunConfiguration().save(tmp_path, "shared")
    assert os.listdir(tmp_path) == []


def test_mistakes_in_a_file_are_told_with_the_file(tmp_path: Path) -> None:
    folder = tmp_path / ".azureml"
    folder.mkdir()
    (folder / "bad.runconfig").write_text("target: 3\nmpi: {processCountPerNode: x}\nnodeCount: -1\n")
    with pytest.raises(UserError) as raised:
        RunConfiguration.load(tmp_path, "bad")
    assert str(raised.value).count(f"from     {folder}/bad.runconfig") == len(raised.value.mistakes) == 3
    (folder / "torn.runconfig").write_text("target: local\nmpi: [\n")
    with pytest.raises(UserError, match=r"is no YAML[\s\S]*torn.runconfig:3"):
        RunConfiguration.load(tmp_path, "torn")
