"""`trainconf azureml convert job.yml`: the experiment file asks for exactly what the job would have run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell
from trainconf.compat.azureml.v2.job import read
from trainconf.control.compose import ComposeRequest, resolve
from trainconf.paths import WorkspacePaths

Here = Callable[..., Answer]
EVERYTHING = """\
# what everybody writes
command: >-
  python train.py --lr ${{inputs.lr}} --text "${{inputs.text}}" --data ${{inputs.data}} --home ${HOME} 'a\\b'
  --out ${{outputs.model}} $[[--seed ${{inputs.seed}}]]
code: src
environment: {conda_file: {dependencies: [python=3.11, {pip: [numpy]}]}}
environment_variables: {A: "x ${y} \\"q\\"", B: "null", C: "1.0", D: "a # b: c"}
inputs:
  lr: 1e-4
  text: "two  words: 'quoted' ${not.one} # no comment"
  data: {type: uri_folder, path: data}
  seed: {type: integer, optional: true}
outputs: {model: {}}
distribution: {type: pytorch, process_count_per_instance: 2}
resources: {shm_size: 3g}
limits: {timeout: 77}
tags: {"a.b": "yes", "n": "012"}
compute: docker
display_name: "- odd: name"
description: |
  several
  lines
"""
SWEEP = """\
type: sweep
trial: {command: "python train.py ${{search_space.lr}} ${{search_space.k}}", code: src, environment: "azureml:current:1"}
search_space: {lr: {type: quniform, min_value: 0, max_value: 1, q: 0.25}, k: {type: choice, values: [1, "two", 3.5]}}
sampling_algorithm: {type: random, seed: 1}
objective: {goal: maximize, primary_metric: acc}
early_termination: {type: truncation_selection, truncation_percentage: 20}
limits: {max_total_trials: 5}
"""


@pytest.fixture
def folder(workspace: Shell) -> Path:
    for name in ("src", "data"):
        workspace.write(f"sub/{name}/train.py", "")
    return workspace.root


@pytest.mark.parametrize("text", [EVERYTHING, SWEEP], ids=["command", "sweep"])
def test_the_experiment_resolves_to_the_spec_of_the_job(text: str, here: Here, folder: Path) -> None:
    (folder / "sub/job.yml").write_text(text)
    answer = here("azureml", "convert", "sub/job.yml", "-o", "conf/experiment/mine.yaml")
    assert answer.code == 0, answer
    paths = WorkspacePaths(str(folder))
    job = resolve(read("sub/job.yml", (), paths).request(), paths)
    file = resolve(ComposeRequest(["experiment=mine"]), paths)
    assert file.spec.spec_hash == job.spec.spec_hash
    assert file.source_directory == job.source_directory
    assert {**file.composed.config} == {**job.composed.config}


def test_it_begins_as_an_experiment_of_ours_does_and_says_where_each_value_is_from(here: Here, folder: Path) -> None:
    (folder / "sub/job.yml").write_text(EVERYTHING)
    lines = here("azureml", "convert", "sub/job.yml").out.splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1] == "# sub/job.yml, a command job of Azure ML v2: `trainconf experiment=job`"
    assert lines[2:7] == [
        "defaults:", "  - override /env: bare  # sub/job.yml:6", "  - override /compute: docker  # sub/job.yml:18",
        "  - override /distributed: pytorch  # sub/job.yml:14", "  - _self_",
    ]  # fmt: skip
    assert "# several" in lines
    assert "  lr: 0.0001  # sub/job.yml:9" in lines
    assert not (folder / "conf").exists()


def test_the_experiment_that_was_written_runs(here: Here, workspace: Shell, folder: Path) -> None:
    (folder / "sub/src/train.py").write_text("import sys\nfrom trainconf import Run\nprint(sys.argv)\nRun.get_context().log('acc', 1.0)\n")
    (folder / "sub/job.yml").write_text(SWEEP)
    assert here("azureml", "convert", "sub/job.yml", "-o", "conf/experiment/mine.yaml").code == 0
    assert here("check").code == 0
    answer = here("-m", "experiment=mine", f"compute.lease_dir={workspace.leases}")
    assert answer.code == 0, answer
    assert len([run for run in workspace.run_dirs() if "_" in run.name.rpartition("-")[2]]) == 5


def test_a_file_that_is_there_is_left_as_it_is(here: Here, folder: Path) -> None:
    (folder / "sub/job.yml").write_text(SWEEP)
    target = folder / "mine.yaml"
    target.write_text("mine")
    assert here("azureml", "convert", "sub/job.yml", "-o", "mine.yaml").code == 2
    assert target.read_text() == "mine"
    assert here("azureml", "convert", "sub/job.yml", "-o", "mine.txt").code == 2
    assert not (folder / "mine.txt").exists()
