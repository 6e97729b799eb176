"""Searches that a program submits, on this machine: the values a script gets, the best trial, going on with what is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainconf import (
    BayesianParameterSampling,
    Experiment,
    GridParameterSampling,
    HyperDriveConfig,
    HyperDriveRun,
    MedianStoppingPolicy,
    RandomParameterSampling,
    Run,
    ScriptRunConfig,
    TruncationSelectionPolicy,
    Workspace,
    choice,
    uniform,
)  # fmt: skip
from trainconf.errors import RunFailedError, UserError
from trainconf.sweeps import journal
from trainconf.sweeps.journal import Entry

from ...history.build import make_run, write_json

SCRIPT = """\
import argparse, json, os, sys
from trainconf import Run
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--flag", default="none")
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--resume-from")
args = parser.parse_args()
os.makedirs("outputs", exist_ok=True)
json.dump(vars(args), open("outputs/args.json", "w"))
if args.lr > 8:
    sys.exit(3)
for step in range(args.epochs):
    Run.get_context().log("loss", args.lr, step=step)
"""


@pytest.fixture
def script(ws: Workspace, tmp_path_factory: pytest.TempPathFactory) -> ScriptRunConfig:
    Path(ws.root, "train.py").write_text(SCRIPT)
    leases = tmp_path_factory.mktemp("leases")
    return ScriptRunConfig(".", "train.py", environment="current", overrides=["compute.slots=2", f"compute.lease_dir={leases}"])


def submit(ws: Workspace, script: ScriptRunConfig, sampling: Any, total: int = 4, goal: str = "minimize", **more: Any) -> HyperDriveRun:
    config = HyperDriveConfig(sampling, "loss", goal, total, run_config=script, **more)
    found = Experiment(ws, "search").submit(config, tags={"owner": "ada"})
    assert isinstance(found, HyperDriveRun)
    return found


def args_of(run: Run | None) -> dict[str, Any]:
    assert run is not None
    return dict(json.loads(Path(run.run_dir, "outputs", "args.json").read_text()))


def test_values_reach_the_script_as_its_arguments(ws: Workspace, script: ScriptRunConfig) -> None:
    script.arguments = ["--epochs", 2, "--lr", 5]
    space = {"--lr": choice(0.5, 0.25), "flag": choice(True, "a b,c")}
    sweep = submit(ws, script, GridParameterSampling(space))
    assert sweep.wait_for_completion()["status"] == "Completed"
    children = sweep.get_children()
    assert [(args_of(child)["lr"], args_of(child)["flag"]) for child in children] == [
        (0.5, "True"), (0.5, "a b,c"), (0.25, "True"), (0.25, "a b,c"),
    ]  # fmt: skip
    assert {args_of(child)["epochs"] for child in children} == {2}
    assert [dict(child.get_tags()) for child in children] == [{"owner": "ada"}] * 4
    assert sweep.get_hyperparameters()[children[1].id] == {"lr": 0.5, "flag": "a b,c"}
    assert sweep.get_metrics()[children[2].id] == {"loss": [0.25, 0.25]}
    again = Run.get(ws, sweep.id)
    assert isinstance(again, HyperDriveRun)
    assert again == sweep


def test_the_best_is_the_best_value_and_zero_is_one(ws: Workspace, script: ScriptRunConfig) -> None:
    sweep = submit(ws, script, GridParameterSampling({"lr": choice(0.0, 2.0, 9.0, -1.0)}), goal="maximize")
    sweep.wait_for_completion(raise_on_error=False)
    assert args_of(sweep.get_best_run_by_primary_metric())["lr"] == 2.0
    rows = sweep.get_children_sorted_by_primary_metric()
    assert [row["best_primary_metric"] for row in rows] == [2.0, 0.0, -1.0, None]
    assert [json.loads(row["hyperparameters"])["lr"] for row in rows] == [2.0, 0.0, -1.0, 9.0]
    assert [row["status"] for row in rows] == ["Completed", "Completed", "Completed", "Failed"]
    worst_first = sweep.get_children_sorted_by_primary_metric(top=2, reverse=True, discard_no_metric=True)
    assert [row["best_primary_metric"] for row in worst_first] == [-1.0, 0.0]
    lowest = submit(ws, script, GridParameterSampling({"lr": choice(0.0, 1.0)}))
    lowest.wait_for_completion()
    assert args_of(lowest.get_best_run_by_primary_metric())["lr"] == 0.0
    wrong: list[dict[str, Any]] = [{"top": -1}, {"reverse": "no"}]
    for call in wrong:
        with pytest.raises(UserError, match=next(iter(call))):
            sweep.get_children_sorted_by_primary_metric(**call)


def test_with_repeats_the_best_is_the_first_trial_of_the_best_point(ws: Workspace) -> None:
    home = make_run(ws._paths, "s", states=("Running", "Completed"))
    search = {"settings": {"repeats": 2, "value": "best"}}
    write_json(home.sweep, {"metric": {"name": "loss", "goal": "minimize"}, "search": search})
    for number, loss in enumerate((0.1, 0.9, 0.4, 0.4)):
        made = make_run(ws._paths, f"s_{number}", metrics={"loss": loss})
        journal.ask(home, [Entry(number, {}, [], made)])
    best = HyperDriveRun(ws, home).get_best_run_by_primary_metric()
    assert best is not None
    assert best.id == "s_2"


def test_without_a_metric_there_is_no_best(ws: Workspace, script: ScriptRunConfig) -> None:
    script.arguments = ["--epochs", 0]
    sweep = submit(ws, script, GridParameterSampling({"lr": choice(1.0)}))
    sweep.wait_for_completion()
    assert sweep.get_best_run_by_primary_metric() is None
    assert sweep.get_children_sorted_by_primary_metric()[0]["best_primary_metric"] is None
    assert sweep.get_children_sorted_by_primary_metric(discard_no_metric=True) == []


def test_a_seed_gives_the_same_points_and_a_grid_no_more_than_it_may(ws: Workspace, script: ScriptRunConfig) -> None:
    one, other = (submit(ws, script, RandomParameterSampling({"lr": uniform(0, 1)}, seed=3)) for _ in range(2))
    grid = submit(ws, script, GridParameterSampling({"lr": choice(0.3, 0.2, 0.1)}), total=2)
    for sweep in (one, other, grid):
        sweep.wait_for_completion()
    values = [list(sweep.get_hyperparameters().values()) for sweep in (one, other, grid)]
    assert values[0] == values[1]
    assert values[2] == [{"lr": 0.3}, {"lr": 0.2}]


def test_a_search_goes_on_with_the_runs_of_another(ws: Workspace, script: ScriptRunConfig) -> None:
    first = submit(ws, script, GridParameterSampling({"lr": choice(0.0, 0.5)}))
    first.wait_for_completion()
    children = first.get_children()
    second = submit(ws, script, GridParameterSampling({"lr": choice(1.0, 2.0)}), total=3, resume_child_runs=children[1:])
    second.wait_for_completion()
    found = [args_of(child) for child in second.get_children()]
    assert [each["lr"] for each in found] == [0.5, 1.0, 2.0]
    assert [each["resume_from"] for each in found] == [str(Path(children[1].run_dir, "outputs").resolve()), None, None]
    policy = TruncationSelectionPolicy(50, delay_evaluation=0)
    third = submit(ws, script, GridParameterSampling({"lr": choice(1.0, 2.0)}), total=2, policy=policy, resume_from=first)
    third.wait_for_completion()
    best = third.get_best_run_by_primary_metric()
    assert best is not None
    assert best.id == children[0].id
    assert args_of(third.get_best_run_by_primary_metric(include_resume_from_runs=False))["lr"] == 1.0


def test_a_search_by_worth_and_with_a_policy_goes_on_without_the_program(ws: Workspace, script: ScriptRunConfig) -> None:
    pytest.importorskip("optuna")
    script.arguments = ["--epochs", 3]
    sampling = BayesianParameterSampling({"lr": uniform(0, 1)}, seed=1)
    sweep = submit(ws, script, sampling, total=4, policy=MedianStoppingPolicy(delay_evaluation=0))
    assert sweep.status in ("Starting", "Running", "Completed")
    details = sweep.wait_for_completion()
    assert (details["status"], details["kind"], details["policy"]) == ("Completed", "bayes", "median")
    assert len(sweep.get_children()) == 4


def test_where_nothing_goes_on_a_note_says_why(ws: Workspace, script: ScriptRunConfig, caplog: pytest.LogCaptureFixture) -> None:
    sweep = submit(ws, script, GridParameterSampling({"lr": choice(0.5)}), total=1)
    sweep.wait_for_completion()
    before = Path(ws.root, "runs/search", sweep.id, "journal.jsonl").read_bytes()
    sweep.resume()
    assert f"all 1 trials of {sweep.id} have ended" in caplog.text
    assert "test_run.py" in caplog.text
    for word, what in ((5, "an override cannot be 5"), ("more", "more changes nothing"), ("sweep.controller=here", "is no place")):
        with pytest.raises(UserError, match=what) as refused:
            sweep.resume(word)  # type: ignore[arg-type]
        assert "test_run.py" in str(refused.value)
    assert (sweep.status, Path(ws.root, "runs/search", sweep.id, "journal.jsonl").read_bytes()) == ("Completed", before)


def test_a_paused_grid_goes_on_and_a_job_that_controlled_a_search_is_sent_again(ws: Workspace) -> None:
    grid = make_run(ws._paths, "g", states=("Running",))
    write_json(grid.sweep, {"sweep_id": "g"})
    Path(grid.journal).write_text('{"deed": "pause"}\n')
    HyperDriveRun(ws, grid).resume()
    assert [line["deed"] for line in map(json.loads, Path(grid.journal).read_text().splitlines())] == ["pause", "resume"]
    home = make_run(ws._paths, "s", states=("Running",))
    search = {"settings": {"kind": "random", "max_total_runs": 2}, "metric": {}, "space": {"params.q": "uniform(0, 1)"}, "seed": 0}
    write_json(home.sweep, {"sweep_id": "s", "search": search, "controller": "job", "has_controller": True})
    with pytest.raises(UserError, match="what the trials of s share was not recorded"):  # of which the job is made
        HyperDriveRun(ws, home).resume()


def test_a_search_of_which_no_trial_completed_has_failed(ws: Workspace, script: ScriptRunConfig) -> None:
    """Also where nobody controls it, by every word: its state, and the error of a wait, which says where the trials' last lines are."""
    sweep = submit(ws, script, RandomParameterSampling({"lr": choice(9.0, 10.0)}), total=2)
    with pytest.raises(RunFailedError, match="no trial completed") as failed:
        sweep.wait_for_completion()
    assert f"`trainconf logs {sweep.id} --failed`" in str(failed.value)
    assert sweep.status == "Failed"


def test_a_search_is_canceled_as_a_whole(ws: Workspace, script: ScriptRunConfig) -> None:
    Path(ws.root, "train.py").write_text("import time\ntime.sleep(600)\n")
    sweep = submit(ws, script, GridParameterSampling({"lr": choice(0.0, 0.5, 1.0)}))
    sweep.cancel()
    assert sweep.wait_for_completion()["status"] == "Canceled"
    assert {child.status for child in sweep.get_children()} == {"Canceled"}


def test_what_cannot_be_searched_is_told_before_anything_starts(ws: Workspace, script: ScriptRunConfig) -> None:
    wrong: list[dict[str, Any]] = [{"resume_from": "nobody"}, {"resume_child_runs": ["nobody"]}]
    for more in wrong:
        with pytest.raises(UserError, match="nobody"):
            submit(ws, script, RandomParameterSampling({"lr": uniform(0, 1)}), **more)
    assert not Path(ws.root, "runs").exists()
