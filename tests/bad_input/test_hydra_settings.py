"""Hydra's own settings: what has a meaning here has it, and what has none is told, wherever it stands."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.conftest import Answer, Shell

Here = Callable[..., Answer]
EXPERIMENT = "conf/experiment/mine.yaml"
MINE = "# @package _global_\nexperiment_name: mine\nscript: train.py\n"
WORDS = ("experiment=mine", "env=current")


def params_of(workspace: Shell) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted(workspace.root.glob("runs/mine/*/params.json"))]


def test_what_hydra_knows_of_a_job_has_its_value_here(here: Here, workspace: Shell) -> None:
    keys = {"num": "job.num", "id": "job.id", "name": "job.name", "out": "runtime.output_dir", "cwd": "runtime.cwd",
            "chosen": "runtime.choices.experiment"}
    values = "".join(f"  {name}: ${{hydra:{key}}}\n" for name, key in keys.items())
    workspace.write(EXPERIMENT, f"{MINE}params:\n{values}")
    workspace.write("train.py", "import sys\nopen(sys.argv[sys.argv.index('--out') + 1] + '/m', 'w').close()\n")
    assert here(*WORDS, f"compute.lease_dir={workspace.leases}").code == 0
    (run,) = workspace.root.glob("runs/mine/*")
    (found,) = params_of(workspace)
    assert found == {"num": 0, "id": run.name, "name": "mine", "out": "outputs", "cwd": str(workspace.root), "chosen": "mine"}
    assert (run / "outputs/m").exists()
    spec = json.loads((run / "spec.json").read_text())
    assert spec["params"]["id"] == "{run.id}"


def test_each_trial_has_its_number_and_id_in_params_arguments_and_variables(here: Here, workspace: Shell) -> None:
    workspace.write(EXPERIMENT, MINE + "params:\n  num: ${hydra:job.num}\n  lr: 1\narguments: ['--id', '${hydra:job.id}']\n")
    workspace.write("train.py", "import os, sys\nassert sys.argv[2] == os.environ['MINE'] == os.environ['TRAINCONF_RUN_ID'], sys.argv\n")
    answer = here("-m", *WORDS, f"compute.lease_dir={workspace.leases}", "params.lr=1,2,3", "+env.variables.MINE=${hydra:job.id}")
    assert answer.code == 0, answer
    assert [(found["num"], found["lr"]) for found in params_of(workspace)] == [(0, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize("where", ["file", "defaults list", "command line"])
def test_what_has_no_effect_is_told_in_one_note(where: str, here: Here, workspace: Shell) -> None:
    text, words, place = {
        "file": (MINE + "hydra:\n  job_logging: {level: x}\n  run: {dir: y}\n", [], f"{EXPERIMENT}:5"),
        "defaults list": (
            MINE.replace("script", "defaults:\n  - _self_\n  - override hydra/job_logging: disabled\nscript"), [], f"{EXPERIMENT}:5",
        ),
        "command line": (MINE, ["hydra/job_logging=disabled", "hydra.run.dir=x"], "command line: hydra/job_logging=disabled"),
    }[where]  # fmt: skip
    workspace.write(EXPERIMENT, text)
    for _ in range(2):
        answer = here("config", *WORDS, *words)
        assert answer.code == 0, answer
        assert answer.err.count("note: ") == 1
        assert "no effect here" in answer.err
        assert place in answer.err


REFUSED = ["hydra.launcher.partition", "hydra.sweeper.n_trials", "hydra.job.env_set.A", "hydra.callbacks.x", "hydra.own"]


@pytest.mark.parametrize("key", REFUSED)
@pytest.mark.parametrize("where", ["file", "command line"])
def test_what_would_change_what_runs_is_refused_with_what_to_write_instead(where: str, key: str, here: Here, workspace: Shell) -> None:
    head, *rest = key.split(".")
    block = "".join(f"{'  ' * depth}{part}:\n" for depth, part in enumerate([head, *rest])).rstrip("\n") + " 1\n"
    workspace.write(EXPERIMENT, MINE + (block if where == "file" else ""))
    answer = here("config", *WORDS, *([f"+{key}=1"] if where == "command line" else []))
    assert (answer.code, len(answer.told)) == (2, 1), answer
    facts = answer.told[f"{key} has no effect here"]
    assert facts["from"].endswith(f"{EXPERIMENT}:{3 + len(rest) + 1}" if where == "file" else f"command line: +{key}=1")
    assert facts["instead"]


@pytest.mark.parametrize("entry", ["override hydra/launcher: submitit_slurm", "override /hydra/sweeper: optuna", "/hydra/launcher: basic"])
def test_a_launcher_of_hydras_in_a_defaults_list_is_refused(entry: str, here: Here, workspace: Shell) -> None:
    workspace.write(EXPERIMENT, MINE.replace("script", f"defaults:\n  - _self_\n  - {entry}\nscript"))
    answer = here("config", *WORDS)
    assert (answer.code, len(answer.told)) == (2, 1), answer
    ((what, facts),) = answer.told.items()
    assert "has no effect here" in what
    assert facts["from"] == f"{EXPERIMENT}:5"


UNKNOWN = ["launcher.partition", "run.dir", "job.env_set.A", "nosuch", "", "job.nosuch", "runtime.choices.nosuch", "job.num.x"]


@pytest.mark.parametrize("path", UNKNOWN)
def test_a_value_that_is_not_known_here_is_refused_and_never_null(path: str, here: Here, workspace: Shell) -> None:
    workspace.write(EXPERIMENT, MINE + f"params:\n  x: 'a${{hydra:{path}}}'\n")
    answer = here("config", *WORDS)
    assert (answer.code, len(answer.told)) == (2, 1), answer
    facts = answer.told[f"params.x reads hydra:{path}, which has no meaning here"]
    assert facts["from"] == f"{EXPERIMENT}:5"
    assert facts["instead"]
