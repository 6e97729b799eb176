"""A Hydra app that is a module of a package: `python -m fit.train`, by an experiment, by the launcher, by the sweeper."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell

pytest.importorskip("cloudpickle")

PROJECT = Path(__file__).parent / "scripts" / "hydra_module"
EXPERIMENT = """# @package _global_
defaults:
  - override /env: current
  - _self_
experiment_name: fit
source_directory: src
hydra_app: {module: fit.train}
"""


@pytest.fixture
def app(shell: Shell) -> Shell:
    """The project, and an experiment that names it. What Hydra warns of in the app is the app's."""
    shutil.copytree(PROJECT, shell.root, dirs_exist_ok=True)
    shell.write("conf/experiment/fit.yaml", EXPERIMENT)
    shell.env["PYTHONWARNINGS"] = "ignore"
    return shell


def run(app: Shell, *texts: str) -> Answer:
    multirun, *rest = texts if texts[:1] == ("-m",) else ("", *texts)
    return app(*([multirun] if multirun else []), "experiment=fit", f"compute.lease_dir={app.leases}", "compute.slots=4", *rest)


def results(app: Shell) -> list[str]:
    """What the jobs have printed of their results, sorted."""
    logs = [path.parent / "logs" / "std_log.txt" for path in app.root.glob("runs/*/*/spec.json")]
    return sorted(line for log in logs for line in log.read_text().splitlines() if line.startswith("result"))


def test_its_decorator_says_where_its_configs_are(app: Shell) -> None:
    done = run(app, "--", "model=large", "lr=3")
    assert done.code == 0, done
    again = app("rerun", "last", "--", "lr=4")
    assert again.code == 0, again
    assert results(app) == ["result 4 3", "result 4 4"]
    assert json.loads(app("show", "last", "--json").out)["params"] == {"lr": 4, "model": {"width": 4}, "model_choice": "large"}
    assert "hydra_app.differs" not in json.loads(app("show", "last", "--json").out)["properties"]


def test_it_is_swept_and_frozen(app: Shell) -> None:
    swept = run(app, "-m", "--", "model=small,large")
    assert swept.code == 0, swept
    frozen = app("freeze", "-o", "fit.lock.yaml", "experiment=fit", "--", "lr=7")
    assert frozen.code == 0, frozen
    assert app("freeze", "--check", "fit.lock.yaml").code == 0
    done = app("run", "fit.lock.yaml", f"compute.lease_dir={app.leases}")
    assert done.code == 0, done
    assert results(app) == ["result 2 1", "result 2 7", "result 4 1"]


def test_a_folder_of_the_path_is_searched_for_it(app: Shell) -> None:
    refused = run(app, "source_directory=.")
    what = "there is no module fit.train in the source directory"
    assert list(refused.told) == [what], refused
    assert refused.told[what]["from"] == "conf/experiment/fit.yaml:7"
    assert "PYTHONPATH: src" in refused.told[what]["hint"]
    done = run(app, "source_directory=.", "+env.variables.PYTHONPATH=src", "--", "model=large")
    assert done.code == 0, done
    assert results(app) == ["result 4 1"]


def test_what_cannot_be_is_told(app: Shell) -> None:
    by_file = run(app, "hydra_app.module=null", "hydra_app.script=src/fit/train.py")
    what = "src/fit/train.py imports from its own package by a dot, which a script cannot"
    assert list(by_file.told) == [what], by_file
    assert "{module: fit.train}" in by_file.told[what]["hint"]
    both = run(app, "hydra_app.script=src/fit/train.py")
    assert list(both.told) == ["hydra_app.script and hydra_app.module are both given, and an app is started in one way"]
    text = (app.root / "src/fit/train.py").read_text()
    app.write("src/fit/train.py", text.replace('config_path="configs"', "config_path=str(HERE)"))
    made_up = run(app, "--", "model=large")
    what = "config_path of @hydra.main is no literal, and the script is not run to know it"
    assert list(made_up.told) == [what], made_up
    assert made_up.told[what] == {"from": "src/fit/train.py:11", "hint": "write hydra_app.config_path=VALUE"}


@pytest.mark.parametrize("plugin", ["hydra/launcher", "hydra/sweeper"])
def test_its_own_multirun_starts_the_module(app: Shell, plugin: str) -> None:
    is_launcher = plugin == "hydra/launcher"
    lease = f"hydra.launcher.lease_dir={app.leases}" if is_launcher else f"hydra.sweeper.words=['compute.lease_dir={app.leases}']"
    command = [app.python, "-m", "fit.train", "-m", f"{plugin}=trainconf", lease, "model=small,large"]
    done = subprocess.run(command, cwd=app.root / "src", env=app.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert results(app) == ["result 2 1", "result 4 1"]


def test_init_declares_the_module(app: Shell) -> None:
    made = app("init", "--script", "src/fit/train.py")
    assert made.code == 0, made
    text = (app.root / "conf/experiment/train.yaml").read_text()
    assert "\nhydra_app: {module: fit.train}\nenv: {variables: {PYTHONPATH: src}}\n" in text
    done = app("experiment=train", f"compute.lease_dir={app.leases}", "--", "model=large")
    assert done.code == 0, done
    assert results(app) == ["result 4 1"]
