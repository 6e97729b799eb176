"""A trial that its sweep ends says why: in its own history, and so in `show`, in `ls`, in JSON and on the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Answer, Shell, wait_for
from trainconf.page.answers import runs
from trainconf.page.answers import sweeps as page_sweeps
from trainconf.page.request import Request
from trainconf.page.site import Site
from trainconf.paths import WorkspacePaths

Here = Callable[..., Answer]
SCRIPT = """
import argparse, os, time
from trainconf import Run
parser = argparse.ArgumentParser()
for name, kind, default in (("lr", float, 0.0), ("epochs", int, 1), ("nap", float, 0.0)):
    parser.add_argument(f"--{name}", type=kind, default=default)
args = parser.parse_args()
for epoch in range(args.epochs):
    Run.get_context().log("score", args.lr, step=epoch)
    time.sleep(args.nap if args.lr < 0.5 else 0.0)
"""


@pytest.fixture(autouse=True)
def _script(workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT)


def words(workspace: Shell, *more: str, total: int) -> list[str]:
    metric = ["metric.name=score", "metric.goal=maximize", "grace_seconds=5"]
    return ["-m", *workspace.script(*metric, f"sweep.max_total_runs={total}", *more)]


def canceled(here: Here, workspace: Shell) -> list[dict[str, Any]]:
    """The trials that were canceled, as `sweep show` has them; all that tells of runs tells the same of each of them."""
    found = json.loads(here("sweep", "show", "last", "--json").out)
    trials = [trial for trial in found["trials"] if trial["status"] == "Canceled"]
    site = Site(WorkspacePaths(str(workspace.root)))
    table = {row["id"]: row["state_words"] for row in runs.table(Request(site, {}, {}, {}))["rows"]}
    sweep = page_sweeps.sweep(Request(site, {"id": found["sweep_id"]}, {}, {}))
    told = {trial["number"]: trial["reason"] for trial in sweep["trials"]}
    for trial in trials:
        assert told[trial["number"]] == trial["reason"]
        assert table.get(trial["run_id"], trial["reason"]) == trial["reason"]  # one that never began may have no run
        if trial["run_id"] is not None:
            assert json.loads(here("show", trial["run_id"], "--json").out)["reason"] == trial["reason"]
            assert trial["reason"] in here("show", trial["run_id"]).out
    return trials


@pytest.mark.parametrize("unit", ["log", "step"])
def test_one_that_the_policy_stopped_says_where_and_by_which_values(here: Here, workspace: Shell, unit: str) -> None:
    counts = [f"sweep.policy.unit={unit}", "sweep.policy.delay_evaluation=2"]
    policy = ["sweep/policy=bandit", "sweep.policy.slack_amount=0.2", *counts, "sweep.max_concurrent_runs=1"]
    params = ["+params.epochs=600", "+params.nap=0.05", "+params.lr=0.9,0.1,0.2"]
    assert here(*words(workspace, "sweep=grid", *policy, *params, total=3)).code == 0
    trials = canceled(here, workspace)
    assert len(trials) == 2
    for trial in trials:
        stop = trial["stop"]
        values = f"{stop['own']:.6g} < {stop['bound']:.6g}, {stop['compared']} compared"
        assert trial["reason"] == f"stopped at {unit} {stop['interval']}: {values}, by the sweep's policy"
        assert stop["unit"] == unit


def test_one_whose_sweep_has_no_more_time_says_so(here: Here, workspace: Shell) -> None:
    limits = ["sweep=random", "sweep.max_duration_minutes=0.05", "sweep.max_concurrent_runs=1"]
    here(*words(workspace, *limits, "+params.lr=uniform(0,0.4)", "+params.epochs=6000", "+params.nap=0.05", total=3))
    ended = "its sweep was stopped: its time is over (sweep.max_duration_minutes)"
    reasons = [trial["reason"] for trial in canceled(here, workspace)]
    assert reasons[0] == ended
    assert {reason.removesuffix(", before it began") for reason in reasons} == {ended}


def test_those_that_wait_when_the_target_is_reached_say_so(here: Here, workspace: Shell) -> None:
    limits = ["sweep=grid", "sweep.target=0.5", "sweep.max_concurrent_runs=6", "compute.slots=1", "+params.nap=0.2"]
    assert here(*words(workspace, *limits, "+params.lr=0.9,0.1,0.2,0.3,0.4,0.45", total=6)).code == 0
    trials = canceled(here, workspace)
    assert trials
    reached = "its sweep was stopped: trial 0 has reached the target: 0.9"
    assert {trial["reason"].removesuffix(", before it began") for trial in trials} == {reached}


def test_those_of_a_sweep_that_somebody_cancels_say_who_has_canceled_it(here: Here, workspace: Shell) -> None:
    limits = ["sweep=random", "sweep.max_concurrent_runs=1", "submit.detach=true"]
    assert here(*words(workspace, *limits, "+params.lr=uniform(0,0.4)", "+params.epochs=6000", "+params.nap=0.05", total=3)).code == 0
    wait_for(lambda: any('"score"' in path.read_text() for path in workspace.root.glob("runs/*/*/metrics*.jsonl")))
    assert here("cancel", "last").code == 0
    here("wait", "last")
    trials = canceled(here, workspace)
    assert trials
    assert all(trial["reason"].startswith("cancellation was requested by ") for trial in trials), trials
