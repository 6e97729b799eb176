"""Job files of Azure ML v2 that are wrong: all mistakes at once, each with its line, before anything is made."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Answer, Shell

Here = Callable[..., Answer]


def refused(here: Here, workspace: Shell, text: str, *words: str) -> dict[str, dict[str, str]]:
    """What is told of a job file, by the sentence of each mistake."""
    workspace.write("job.yml", text)
    before = workspace.tree()
    answer = here("azureml", "job.yml", *words)
    assert answer.code == 2, answer
    assert workspace.tree() == before
    return answer.told


def test_all_mistakes_of_a_job_are_told_at_once_with_their_lines(here: Here, workspace: Shell) -> None:
    told = refused(here, workspace, """\
comand: python train.py
command: python train.py --lr ${{inputs.lrr}} --out ${{outputs.model}}
environment: azureml:no-such-environment:3
compute: azureml:gpu-cluster
code: nowhere
inputs:
  lr: {type: number, default: 5, max: 1}
  kind: {type: string, value: rbf, enum: [a, b]}
  data: {type: uri_file, path: https://example.com/iris.csv}
  gone: {type: uri_folder, path: gone, modus: download}
limits: {timeout: soon}
distribution: {type: ray}
tags: {a: [1]}
""")
    assert {what: facts["from"] for what, facts in told.items()} == {
        "comand is no field of a job": "job.yml:1",
        "the command names inputs.lrr, which the job does not have": "job.yml:2",
        "the command names outputs.model, which the job does not have": "job.yml:2",
        "there is no environment 'no-such-environment'": "job.yml:3",
        "there is no compute target 'gpu-cluster'": "job.yml:4",
        "the folder of the code does not exist": "job.yml:5",
        "inputs.lr is 5": "job.yml:7",
        "inputs.kind is 'rbf'": "job.yml:8",
        "the input data is not on this machine": "job.yml:9",
        "inputs.gone.modus is no field of a job": "job.yml:10",
        "the input gone does not exist": "job.yml:10",
        "limits.timeout is 'soon'": "job.yml:11",
        "trainconf starts no Ray cluster": "job.yml:12",
        "tags.a is no text": "job.yml:13",
    }
    assert told["comand is no field of a job"]["nearest"] == "command"
    assert "docker, local, slurm" in told["there is no compute target 'gpu-cluster'"]["there are"]
    assert "inputs.data=PATH" in told["the input data is not on this machine"]["hint"]


def test_all_mistakes_of_a_sweep_are_told_at_once(here: Here, workspace: Shell) -> None:
    told = refused(here, workspace, """\
type: sweep
trial:
  command: python train.py ${{search_space.nothing}}
  environment: azureml:current:1
  code: .
  limits: {timeout: 5}
search_space:
  a: {type: uniform, min_value: 2, max_value: 1}
  b: {type: choice, values: []}
  c: {type: loguniforn, min_value: 0, max_value: 1}
  d: {type: normal, mu: 0}
sampling_algorithm: {type: sobol, logbase: -1}
objective: {goal: best}
early_termination: {type: bandit, slack_factor: 0.1, slack_amount: 1}
limits: {max_total_trials: 0, max_concurrent: 2}
""")
    assert {facts["from"] for facts in told.values()} == {f"job.yml:{line}" for line in (3, 6, 8, 9, 10, 11, 12, 13, 14, 15)}
    assert told["limits.max_concurrent is no field of a job"]["nearest"] == "max_concurrent_trials"
    assert "objective.primary_metric is missing" in told
    assert "the command names search_space.nothing, which the job does not have" in told


@pytest.mark.parametrize(("text", "kind"), [
    ("type: pipeline\njobs: {}\n", "pipeline"), ("$schema: https://x/latest/pipelineJob.schema.json\njobs: {}\n", "pipeline"),
    ("$schema: https://x/latest/commandComponent.schema.json\ntype: command\nname: x\nversion: 1\n", "component"),
    ("type: command_component\n", "component"), ("type: automl\ntask: regression\n", "automl"), ("type: spark\n", "spark"),
    ("type: parallel\n", "parallel"), ("$schema: https://x/autoMLClassificationJob.schema.json\n", "automl"),
])
def test_another_kind_of_job_is_refused_by_its_name_with_what_to_do(text: str, kind: str, here: Here, workspace: Shell) -> None:
    told = refused(here, workspace, text)
    ((what, facts),) = told.items()
    assert f"of kind {kind}" in what
    assert facts["hint"]


@pytest.mark.parametrize("text", ["- a\n", "", "command: [\n", "just words\n", "command: a\ncommand: b\nenvironment: current\n"])
def test_what_is_no_job_at_all_is_refused(text: str, here: Here, workspace: Shell) -> None:
    assert refused(here, workspace, text)


@pytest.mark.parametrize("environment", [
    "{conda_file: {dependencies: 3}}", "{conda_file: {dependencies: [{pip: true}]}}", "{conda_file: 5}", "{image: [a]}", "{}", "[a]",
    "{build: {}}",
])
def test_an_environment_that_is_none_is_told_with_its_line(environment: str, here: Here, workspace: Shell) -> None:
    told = refused(here, workspace, f"command: 'true'\ncode: .\nenvironment: {environment}\n")
    assert "job.yml:3" in {facts["from"] for facts in told.values()}


@pytest.mark.parametrize("trial", ["[1]", "5", "a text"])
def test_a_trial_that_is_no_mapping_is_told(trial: str, here: Here, workspace: Shell) -> None:
    assert any("trial" in what for what in refused(here, workspace, f"type: sweep\ntrial: {trial}\n"))


def test_a_job_without_its_parts_names_them(here: Here, workspace: Shell) -> None:
    told = refused(here, workspace, "type: sweep\n")
    assert {"trial is missing", "objective is missing", "limits is missing", "search_space is missing"} <= set(told)
    assert {"command is missing", "environment is missing"} <= set(refused(here, workspace, "type: command\n"))


def test_a_file_that_does_not_exist_and_a_wrong_flag_are_told(here: Here, workspace: Shell) -> None:
    assert "the job file 'nope.yml' does not exist" in here("azureml", "nope.yml").told
    workspace.write("job.yml", "command: 'true'\nenvironment: current\n")
    assert here("azureml", "job.yml", "--plam").code == 2
    assert here("azureml", "job.yml", "compute.nodez=2").code == 2
    assert here("azureml", "convert", "job.yml", "further").code == 2
    assert here("azureml", "convert").code == 2
    assert not workspace.run_dirs()
