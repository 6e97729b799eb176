"""Runs, sweeps and reruns of a Hydra app whose groups lie in groups and are chosen by package, and of a workspace with such groups."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, Shell

SCRIPTS = Path(__file__).parent / "scripts"
APP = """# @package _global_
defaults:
  - override /env: current
  - _self_
experiment_name: app
hydra_app: {script: main.py}
metric: {name: loss, goal: minimize}
stdout_metrics: {loss: 'loss=([0-9.]+)'}
"""
OWN = """# @package _global_
defaults:
  - /model: base
  - /db@params.source: mysql
  - /db@params.target: mysql
  - _self_
  - override /env: current
experiment_name: own
script: train.py
metric: {name: loss, goal: minimize}
stdout_metrics: {loss: 'loss=([0-9.]+)'}
"""
ENCODER = "model/encoder@params.model.encoder"


@pytest.fixture
def app(shell: Shell) -> Shell:
    """The project, and an experiment that names it. What Hydra warns of in the app is the app's."""
    shutil.copytree(SCRIPTS / "hydra_nested", shell.root, dirs_exist_ok=True)
    shell.write("conf/trainconf/experiment/app.yaml", APP)
    shell.env["PYTHONWARNINGS"] = "ignore"
    return shell


@pytest.fixture
def own(shell: Shell) -> Shell:
    """A workspace with groups of its own, of which one is chosen for two packages."""
    shell.write("train.py", "import sys\nprint('result', *sys.argv[1:])\nprint('loss=1')\n")
    shell.write("conf/experiment/own.yaml", OWN)
    shell.write("conf/model/base.yaml", "# @package params.model\ndefaults:\n  - encoder: resnet\n  - _self_\nname: base\n")
    shell.write("conf/model/big.yaml", "# @package params.model\ndefaults:\n  - encoder: vit\n  - _self_\nname: big\n")
    for name, width in (("resnet", 2), ("vit", 3)):
        shell.write(f"conf/model/encoder/{name}.yaml", f"# @package params.model.encoder\nwidth: {width}\n")
    for name in ("mysql", "pg"):
        shell.write(f"conf/db/{name}.yaml", f"host: {name}\n")
    return shell


def run(shell: Shell, experiment: str, *texts: str) -> Answer:
    multirun, *rest = texts if texts[:1] == ("-m",) else ("", *texts)
    slots = (f"compute.lease_dir={shell.leases}", "compute.slots=4")
    return shell(*([multirun] if multirun else []), f"experiment={experiment}", *slots, *rest)


def shown(shell: Shell, name: str = "last") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shell("show", name, "--json").out)
    return found


def result(shell: Shell, name: str = "last") -> str:
    """What the job has printed of its config."""
    log = Path(shown(shell, name)["run_dir"], "logs", "std_log.txt").read_text()
    return next(line for line in log.splitlines() if line.startswith("result ")).removeprefix("result ")


def trials(shell: Shell, name: str = "last") -> list[tuple[str, str]]:
    """State and result of each trial of a sweep."""
    found = shown(shell, name)["trials"]
    return [(trial["status"], result(shell, trial["run_id"])) for trial in found]


def test_a_run_of_an_app_is_run_again_with_other_choices(app: Shell) -> None:
    done = run(app, "app", "--", "model/encoder=vit", "db@source=pg")
    assert done.code == 0, done
    first = shown(app)["run_id"]
    assert result(app) == "vit linear from pg to mysql"
    for words, expected in (
        (["params.model.encoder=resnet"], "res linear from pg to mysql"), (["--", "model/encoder=resnet"], "res linear from pg to mysql"),
        (["params.source=mysql", "params.model.decoder=mlp"], "vit mlp from mysql to mysql"),
        (["--", "db@target.sink=pg"], "vit linear from pg to pg"),
    ):
        again = app("rerun", first, *words)
        assert again.code == 0, again
        assert result(app) == expected
    changed = app("diff", first, "last")
    assert "target.sink_choice" in changed.out, changed


def test_a_sweep_of_an_app_its_best_words_and_the_sweep_once_more(app: Shell) -> None:
    swept = run(app, "app", "-m", "--", "model/encoder=vit,resnet", "db@source=mysql,pg")
    assert swept.code == 0, swept
    assert trials(app) == [
        ("Completed", f"{block} linear from {host} to mysql") for block in ("vit", "res") for host in ("mysql", "pg")
    ]  # fmt: skip
    sweep = shown(app)["sweep_id"]
    best = app("sweep", "best", sweep, "--words").out.split()
    assert best == ["params.model.encoder=resnet", "params.source=mysql"]
    taken = run(app, "app", *best)
    assert taken.code == 0, taken
    assert result(app) == "res linear from mysql to mysql"
    again = app("rerun", sweep)
    assert again.code == 0, again
    assert trials(app) == trials(app, sweep)
    over = app("rerun", "-m", f"{sweep}:1", "--", "model/head@model.decoder=linear,mlp")
    assert over.code == 0, over
    assert [what for _, what in trials(app)] == ["vit linear from pg to mysql", "vit mlp from pg to mysql"]


def test_a_search_of_an_app_goes_on(app: Shell) -> None:
    searched = run(app, "app", "-m", "sweep=random", "sweep.max_total_runs=1", "sweep.seed=1", "--", "db@source=mysql,pg")
    assert searched.code == 0, searched
    extended = app("sweep", "extend", "last", "sweep.max_total_runs=2")
    assert extended.code == 0, extended
    assert sorted(what for _, what in trials(app)) == ["res linear from mysql to mysql", "res linear from pg to mysql"]


def test_an_app_is_frozen_with_its_choices(app: Shell) -> None:
    frozen = app("freeze", "experiment=app", "-o", "app.lock.yaml", "--", "model/encoder=vit", "db@source=pg")
    assert frozen.code == 0, frozen
    assert app("freeze", "--check", "app.lock.yaml").code == 0
    done = app("run", "app.lock.yaml", f"compute.lease_dir={app.leases}")
    assert done.code == 0, done
    assert result(app) == "vit linear from pg to mysql"


def of_own(width: int, name: str, source: str, target: str = "mysql") -> str:
    return f"--model.encoder.width {width} --model.name {name} --source.host {source} --target.host {target}"


def test_a_run_with_groups_of_its_own_is_run_again(own: Shell) -> None:
    done = run(own, "own", f"{ENCODER}=vit", "db@params.source=pg")
    assert done.code == 0, done
    assert result(own) == of_own(3, "base", "pg")
    again = own("rerun", "last", "params.model.encoder.width=7")
    assert again.code == 0, again
    assert result(own) == of_own(7, "base", "pg")
    other = own("rerun", "last", "db@params.source=mysql")
    assert list(other.told) == ["db was chosen when the run was submitted"]
    frozen = own("freeze", "experiment=own", "db@params.target=pg", "-o", "own.lock.yaml")
    assert frozen.code == 0, frozen
    assert own("run", "own.lock.yaml", f"compute.lease_dir={own.leases}").code == 0
    assert result(own) == of_own(2, "base", "mysql", "pg")


@pytest.mark.parametrize("sweep", ["sweep=grid", "sweep=random"])
def test_a_sweep_over_groups_of_its_own_is_run_again_and_extended(own: Shell, sweep: str) -> None:
    is_search = sweep != "sweep=grid"
    words = [sweep, "sweep.max_total_runs=3" if is_search else "sweep.max_total_runs=9", "sweep.seed=4"] if is_search else []
    swept = run(own, "own", "-m", *words, "model=base,big", "db@params.source=mysql,pg")
    assert swept.code == 0, swept
    first = shown(own)["sweep_id"]
    before = trials(own)
    all_points = {of_own(width, name, host) for width, name in ((2, "base"), (3, "big")) for host in ("mysql", "pg")}
    assert {what for _, what in before} <= all_points
    assert len({what for _, what in before}) == len(before) == (3 if is_search else 4)
    again = own("rerun", first)
    assert again.code == 0, again
    assert trials(own) == before
    if is_search:
        extended = own("sweep", "extend", "last", "sweep.max_total_runs=4")
        assert extended.code == 0, extended
        assert len({what for _, what in trials(own)}) == 4
    narrowed = own("rerun", first, "model=big")
    assert narrowed.code == 0, narrowed
    assert {what for _, what in trials(own)} == {of_own(3, "big", host) for host in ("mysql", "pg")}


def test_a_group_that_is_chosen_for_a_package_is_told_with_what_to_write(own: Shell) -> None:
    refused = run(own, "own", "model/encoder=vit")
    assert refused.told == {
        "model/encoder is not chosen yet, so it cannot be overridden": {
            "from": "command line: model/encoder=vit", "write": f"{ENCODER}=vit",
        },
    }  # fmt: skip
