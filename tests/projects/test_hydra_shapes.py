"""More shapes of Hydra projects as they stand: a script beside a conf/ of its own, and configs that only its code registers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell

pytest.importorskip("cloudpickle")

SCRIPTS = Path(__file__).parent / "scripts"
EXPERIMENT = "# @package _global_\ndefaults:\n  - override /env: current\n  - _self_\nexperiment_name: app\nhydra_app: {script: main.py}\n"


@pytest.fixture(params=["hydra_plain", "hydra_structured", "hydra_store"])
def app(shell: Shell, request: pytest.FixtureRequest) -> Shell:
    """The project, and an experiment that names it. What Hydra warns of in the app is the app's."""
    shutil.copytree(SCRIPTS / request.param, shell.root, dirs_exist_ok=True)
    shell.write("conf/trainconf/experiment/app.yaml", EXPERIMENT)
    shell.env["PYTHONWARNINGS"] = "ignore"
    return shell


def run(app: Shell, *texts: str) -> Answer:
    words, dashes, rest = " ".join(texts).partition("-- ")
    return app(*words.split(), "experiment=app", f"compute.lease_dir={app.leases}", "compute.slots=4", dashes.strip(), *rest.split())


def results(app: Shell) -> list[str]:
    """What the jobs have printed of their results, sorted."""
    logs = [path.parent / "logs" / "std_log.txt" for path in app.root.glob("runs/*/*/spec.json")]
    return sorted(line for log in logs for line in log.read_text().splitlines() if line.startswith("result"))


def test_an_experiment_names_it_and_a_sweep_has_its_choices(app: Shell) -> None:
    done = run(app, "-- kind=large lr=1")
    assert done.code == 0, done
    assert results(app) == ["result large 1.0 in outputs"]
    wrong = run(app, "-- kind=lareg")
    assert (wrong.code, list(wrong.told)) == (2, ["'lareg' is not a choice of the app's kind"])
    swept = run(app, "-m", "-- kind=small,large lr=1,2")
    assert swept.code == 0, swept
    found = json.loads(app("ls", "--json", "--where", 'params.kind_choice == "large" and params.lr == 2').out)
    assert [run["params"]["kind_choice"] for run in found] == ["large"]
    expected = [f"result {kind} {lr}.0 in outputs" for kind in ("large", "small") for lr in (1, 2)]
    assert results(app) == sorted(["result large 1.0 in outputs", *expected])


def test_its_multirun_has_jobs_that_return_and_log_as_in_its_own_process(app: Shell) -> None:
    words = ["hydra/launcher=trainconf", f"hydra.launcher.lease_dir={app.leases}", "kind=small,large", "lr=1,2"]
    command = [app.python, "main.py", "-m", *words]
    done = subprocess.run(command, cwd=app.root, env=app.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line.partition(" in ")[0] for line in results(app)] == [
        f"result {kind} {lr}.0" for kind in ("large", "small") for lr in (1, 2)
    ]  # fmt: skip
    found = json.loads(app("ls", "--json", "--where", 'params.kind == "large" and params.lr == 2').out)
    assert [run["status"] for run in found] == ["Completed"]
