"""Sweeps of recorded runs, recorded sweeps once more, runs that move to another target, and the best of a sweep as a frozen file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, Shell
from trainconf.errors import ConfigError
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import SILENT
from trainconf.submission.replay import from_run

SCRIPT = """
import argparse
from trainconf import Run
parser = argparse.ArgumentParser()
for name in ("lr", "width", "code"):
    parser.add_argument(f"--{name}", type=float, default=0.0)
args = parser.parse_args()
Run.get_context().log("score", args.lr + {bonus})
"""
BEST = ("metric.name=score", "metric.goal=maximize", "sweep.max_concurrent_runs=2", "compute.slots=2")


@pytest.fixture
def workspace(shell: Shell) -> Shell:
    """A folder with `train.py`, which logs its learning rate."""
    shell.write("train.py", SCRIPT.replace("{bonus}", "0"))
    return shell


def submitted(answer: Answer) -> str:
    """The id that a command has announced."""
    assert answer.code == 0, answer
    return str(answer.err.split()[1].rstrip(":"))


def shown(workspace: Shell, name: str = "last") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(workspace("show", name, "--json").out)
    return found


def points(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [trial["values"] for trial in found["trials"]]


def test_a_sweep_over_a_recorded_run_has_its_code_and_its_other_values(workspace: Shell) -> None:
    run = submitted(workspace(*workspace.script("+params.lr=0.5", "+params.width=3", *BEST)))
    workspace.write("train.py", SCRIPT.replace("{bonus}", "100"))
    answer = workspace("rerun", run, "-m", "params.lr=0.1,0.2", "params.width=1,2")
    assert answer.code == 0, answer
    found = shown(workspace)
    assert [(trial["status"], trial["value"]) for trial in found["trials"]] == [
        ("Completed", 0.1), ("Completed", 0.1), ("Completed", 0.2), ("Completed", 0.2),
    ]  # fmt: skip
    assert points(found)[2] == {"params.lr": 0.2, "params.width": 1}
    assert shown(workspace, "last:3")["params"] == {"lr": 0.2, "width": 2}
    assert shown(workspace, "last:3")["parent"] == found["sweep_id"]


def test_a_search_over_a_trial_begins_anew_whatever_its_sweep_was(workspace: Shell) -> None:
    search = ("sweep=random", "sweep.max_total_runs=2", "sweep.seed=1", "+params.lr=uniform(0,1)")
    submitted(workspace("-m", *workspace.script(*BEST, *search)))
    assert workspace("rerun", "last:best", "-m", "params.lr=0.1,0.2,0.3").code == 0
    assert (shown(workspace)["kind"], len(shown(workspace)["trials"])) == ("grid", 3)
    answer = workspace("rerun", "best", "-m", "sweep=random", "sweep.max_total_runs=2", "sweep.seed=4", "params.lr=uniform(5,6)")
    assert answer.code == 0, answer
    assert all(5 < point["params.lr"] < 6 for point in points(shown(workspace)))


def test_a_random_sweep_once_more_has_the_points_it_had_and_further_ones(workspace: Shell) -> None:
    search = ("sweep=random", "sweep.max_total_runs=3", "+params.lr=uniform(0,1)")
    sweep = submitted(workspace("-m", *workspace.script(*BEST, *search)))
    first = points(shown(workspace, sweep))
    workspace.write("train.py", SCRIPT.replace("{bonus}", "100"))
    assert workspace("rerun", sweep, "sweep.max_total_runs=5").code == 0
    again = shown(workspace)
    assert points(again)[:3] == first
    assert len(again["trials"]) == 5
    assert all(trial["value"] < 1 for trial in again["trials"])
    assert workspace("rerun", sweep, "sweep.seed=9").code == 0
    assert points(shown(workspace)) != first


def test_a_grid_once_more_takes_other_values_of_a_key_and_single_ones(workspace: Shell) -> None:
    sweep = submitted(workspace("-m", *workspace.script(*BEST, "+params.lr=0.1,0.2", "+params.width=1,2")))
    assert workspace("rerun", sweep).code == 0
    assert points(shown(workspace)) == points(shown(workspace, sweep)), "so another sweep can learn from both"
    assert workspace("rerun", sweep, "params.lr=7,8,9", "params.width=5").code == 0
    assert [point["params.lr"] for point in points(shown(workspace))] == [7, 8, 9]
    assert shown(workspace, "last:0")["params"] == {"lr": 7, "width": 5}
    assert len(points(shown(workspace, sweep))) == 4


MISTAKES = {
    ("-m", "params.lrr=1,2"): "params has no 'lrr'", ("-m", "retries=1,x"): "retries cannot be 'x'", ("-m",): "nothing varies",
    ("-m", "env=current,minimal"): "env was chosen when the run was submitted", ("-m", "params.lr=uniform(0,1)"): "an interval",
    ("-m", "sweep.seed=1,2"): "sweep.seed is one for the whole sweep", ("-m", "compute=moon", "params.lr=1,2"): "moon",
    ("-m", "source_directory=a,b"): "a rerun keeps the code of its run",
}  # fmt: skip


def test_a_mistake_is_told_and_nothing_starts(workspace: Shell) -> None:
    run = submitted(workspace(*workspace.script("+params.lr=0.5")))
    for words, told in MISTAKES.items():
        answer = workspace("rerun", run, *words)
        assert answer.code == 2, answer
        assert told in answer.err
    assert len(workspace.run_dirs()) == 1


def test_a_run_moves_to_another_target_with_its_own_code(workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    run = submitted(workspace(*workspace.script("+params.lr=0.5", "compute.slots=3")))
    monkeypatch.chdir(workspace.root)
    paths = RunPaths(str(workspace.root / "runs" / "adhoc" / run))
    here, _ = from_run(paths, [], WorkspacePaths(str(workspace.root)), SILENT)
    moved, _ = from_run(paths, ["compute=slurm", "compute.time_minutes=5"], WorkspacePaths(str(workspace.root)), SILENT)
    assert (here.spec.compute.target, moved.spec.compute.target) == ("local", "slurm")
    assert moved.spec.code == here.spec.code
    assert moved.spec.environment == here.spec.environment
    assert (moved.composed.choices["compute"], moved.composed.config["compute"]["time_minutes"]) == ("slurm", 5)
    assert "slots" not in moved.composed.config["compute"]
    assert moved.composed.config["params"] == {"lr": 0.5}
    with pytest.raises(ConfigError, match=r"compute has no 'slots'|compute\.slots"):
        from_run(paths, ["compute=slurm", "compute.slots=2"], WorkspacePaths(str(workspace.root)), SILENT)
    assert workspace("rerun", run, "compute=local", "params.lr=0.25").code == 0


def test_the_best_of_a_sweep_is_frozen_in_one_command(workspace: Shell) -> None:
    sweep = submitted(workspace("-m", *workspace.script(*BEST, "+params.lr=0.1,0.7,0.3")))
    answer = workspace("freeze", sweep, "-o", "best.lock.yaml")
    assert answer.code == 0, answer
    assert f"freezing {sweep}_1" in answer.err
    assert workspace("run", "best.lock.yaml").code == 0
    assert shown(workspace)["params"] == {"lr": 0.7}
    assert workspace("freeze", f"{sweep}:0", "-o", "first.lock.yaml").code == 0
    without = submitted(workspace("-m", *workspace.script("+params.lr=0.1,0.2")))
    answer = workspace("freeze", without, "-o", "none.lock.yaml")
    assert answer.code == 2
    assert f"{without} compares its trials by no metric" in answer.err
    assert not Path(workspace.root, "none.lock.yaml").exists()
