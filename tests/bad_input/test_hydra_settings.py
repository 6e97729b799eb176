"""Hydra's own settings: what has a meaning here has it, and what has none is told, wherever it stands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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


REFUSED = ["hydra.launcher.partition", "hydra.sweeper.sampler", "hydra.job.env_copy.A", "hydra.callbacks.x", "hydra.own"]


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


@pytest.mark.parametrize("entry", ["override hydra/launcher: submitit_slurm", "override /hydra/sweeper: optuna", "/hydra/launcher: joblib"])
def test_a_launcher_of_hydras_in_a_defaults_list_is_refused(entry: str, here: Here, workspace: Shell) -> None:
    workspace.write(EXPERIMENT, MINE.replace("script", f"defaults:\n  - _self_\n  - {entry}\nscript"))
    answer = here("config", *WORDS)
    assert (answer.code, len(answer.told)) == (2, 1), answer
    ((what, facts),) = answer.told.items()
    assert "has no effect here" in what
    assert facts["from"] == f"{EXPERIMENT}:5"


UNKNOWN = ["launcher.partition", "sweep.dir", "job.env_set.A", "nosuch", "", "job.nosuch", "runtime.choices.nosuch", "job.num.x"]


@pytest.mark.parametrize("path", UNKNOWN)
def test_a_value_that_is_not_known_here_is_refused_and_never_null(path: str, here: Here, workspace: Shell) -> None:
    workspace.write(EXPERIMENT, MINE + f"params:\n  x: 'a${{hydra:{path}}}'\n")
    answer = here("config", *WORDS)
    assert (answer.code, len(answer.told)) == (2, 1), answer
    facts = answer.told[f"params.x reads hydra:{path}, which has no meaning here"]
    assert facts["from"] == f"{EXPERIMENT}:5"
    assert facts["instead"]


OURS = MINE + """params:
  out: ${hydra:run.dir}
  threads: ${hydra:job.env_set.THREADS}
hydra:
  job:
    env_set:
      THREADS: 4
  sweeper:
    n_trials: 7
    direction: minimize
metric:
  name: loss
"""


def test_what_has_the_same_meaning_here_is_ours_with_its_place_and_stays_so_when_the_run_is_run_again(here: Here, workspace: Shell) -> None:
    workspace.write(EXPERIMENT, OURS)
    workspace.write("train.py", "import os\nassert os.environ['THREADS'] == '4' and os.environ['B'] == '2'\n")
    words = [*WORDS, "+hydra.job.env_set.B=2", "hydra.sweeper.n_jobs=3", f"compute.lease_dir={workspace.leases}"]
    told = json.loads(here("config", *words, "--json").out)["config"]
    assert told["env"]["variables"] == {"THREADS": "4", "B": "2"}
    assert told["params"] == {"out": "outputs", "threads": "4"}
    assert told["metric"] == {"name": "loss", "goal": "minimize"}
    assert (told["sweep"]["max_total_runs"], told["sweep"]["max_concurrent_runs"]) == (7, 3)
    origins = here("config", "--origin", *words).out
    for key, place in {"env.variables.THREADS": f"{EXPERIMENT}:10", "sweep.max_total_runs": f"{EXPERIMENT}:12",
                       "env.variables.B": "command line: +hydra.job.env_set.B=2"}.items():
        assert any(line.startswith(key) and line.endswith(place) for line in origins.splitlines()), origins
    assert here(*words).code == 0
    assert here("rerun", "last").code == 0
    assert params_of(workspace) == [{"out": "outputs", "threads": "4"}] * 2


def test_of_a_key_that_both_set_ours_counts(here: Here, workspace: Shell) -> None:
    workspace.write(EXPERIMENT, OURS + "  goal: maximize\nsweep:\n  max_total_runs: 5\nenv:\n  variables:\n    THREADS: 8\n")
    told = json.loads(here("config", *WORDS, "--json").out)["config"]
    assert (told["metric"]["goal"], told["sweep"]["max_total_runs"], told["env"]["variables"]) == ("maximize", 5, {"THREADS": "8"})


def test_a_wrong_value_is_told_with_its_place_in_hydras_block(here: Here, workspace: Shell) -> None:
    workspace.write(EXPERIMENT, OURS.replace("n_trials: 7", "n_trials: many"))
    assert here("config", *WORDS).told["sweep.max_total_runs cannot be 'many'"]["from"] == f"{EXPERIMENT}:12"


def test_a_hydra_folder_that_a_defaults_list_chooses_is_judged_line_by_line(here: Here, workspace: Shell) -> None:
    workspace.write("conf/hydra/default.yaml", """\
defaults:
  - override hydra_logging: colorlog
  - override job_logging: colorlog
run:
  dir: ${paths.log_dir}/${now:%Y}
job:
  env_set:
    A: b
""")
    chosen = "defaults:\n  - /hydra: default\n  - override /hydra/sweeper: basic\n  - _self_\n"
    workspace.write(EXPERIMENT, MINE.replace("script", f"{chosen}script"))
    answer = here("config", *WORDS, "--json")
    assert answer.code == 0, answer
    assert json.loads(answer.out)["config"]["env"]["variables"] == {"A": "b"}
    for key, line in {"hydra/hydra_logging": 2, "hydra/job_logging": 3, "hydra.run.dir": 5}.items():
        assert any(text.split()[:2] == [key, f"conf/hydra/default.yaml:{line}:"] for text in answer.err.splitlines()), answer.err


def test_a_plugin_of_anothers_that_cannot_be_imported_is_named_and_harms_nothing_that_composes_nothing(tmp_path: Path) -> None:
    plugin = tmp_path / "site" / "hydra_plugins" / "broken.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("\nraise RuntimeError('not today')\n")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *filter(None, sys.path)])}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "trainconf", *words], cwd=tmp_path, env=env, capture_output=True, text=True)

    assert run("ls").returncode == 0
    assert run("--help").returncode == 0
    refused = run("config", "experiment=adhoc", "script=a.py")
    assert refused.returncode == 2
    for part in (f"{plugin}:2", "RuntimeError: not today", "plug-in"):
        assert part in refused.stderr
    assert "Traceback" not in refused.stderr
