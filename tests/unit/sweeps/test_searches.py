"""Searches as a user starts them: random, Bayesian, with a policy; stopped, killed, resumed, extended, run again."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, Shell, wait_for
from trainconf.paths import RunPaths
from trainconf.sweeps.journal import request

Here = Callable[..., Answer]
SCRIPT = """
import argparse, math, os, sys, time
from trainconf import Run
parser = argparse.ArgumentParser()
for name, kind, default in (("lr", float, 0.1), ("opt", str, "x"), ("epochs", int, 1), ("nap", float, 0.0), ("seed", int, 0), ("momentum", float, 0.0), ("fail", str, "")):
    parser.add_argument(f"--{name}", type=kind, default=default)
args = parser.parse_args()
if args.fail == "all" or (args.fail == "once" and not os.path.exists(os.environ["MARK"])):
    time.sleep(args.nap)
    if args.fail == "once":
        open(os.environ["MARK"], "w").close()
    sys.exit(3)
run = Run.get_context()
for epoch in range(args.epochs):
    run.log("loss", (math.log10(args.lr) + 2.3) ** 2 + 1 / (epoch + 1), step=epoch)
    time.sleep(args.nap)
"""  # noqa: E501
LR = "+params.lr=log_interval(1e-5, 1)"


@pytest.fixture(autouse=True)
def _script(workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT)


def words(workspace: Shell, *more: str, total: int = 4) -> list[str]:
    return ["-m", *workspace.script("metric.name=loss", "metric.goal=minimize", f"sweep.max_total_runs={total}", "sweep.seed=7", *more)]


def sweep_of(workspace: Shell) -> Path:
    """The folder of the only sweep."""
    (found,) = [path for path in workspace.run_dirs() if (path / "sweep.json").exists()]
    return found


def journal(workspace: Shell) -> list[dict[str, Any]]:
    whole, _, _ = (sweep_of(workspace) / "journal.jsonl").read_text().rpartition("\n")  # the last line may just be written
    return [json.loads(line) for line in whole.splitlines()]


def asked(workspace: Shell) -> list[dict[str, Any]]:
    return [line["values"] for line in journal(workspace) if line["deed"] == "ask"]


def shown(here: Here) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(here("sweep", "show", "last", "--json").out)
    return found


def params(workspace: Shell, number: int | str) -> dict[str, Any]:
    home = sweep_of(workspace)
    found: dict[str, Any] = json.loads((home.parent / f"{home.name}_{number}" / "run.json").read_text())["params"]
    return found


def test_a_random_search_runs_what_its_seed_says_whatever_runs_at_a_time(here: Here, workspace: Shell) -> None:
    answer = here(*words(workspace, "sweep=random", LR, "+params.opt=a,b", "sweep.max_concurrent_runs=1"))
    assert answer.code == 0, answer
    first = asked(workspace)
    named = [{key.partition(".")[2]: value for key, value in point.items()} for point in first]
    assert [params(workspace, number) for number in range(4)] == named
    shutil.rmtree(workspace.root / "runs")
    assert here(*words(workspace, "sweep=random", LR, "+params.opt=a,b", "sweep.max_concurrent_runs=3", total=6)).code == 0
    assert asked(workspace)[:4] == first
    assert "best: trial" in answer.err


@pytest.mark.parametrize("kind", ["grid", "random", "bayes"])
def test_keys_of_a_file_come_first_and_a_word_replaces_a_key_where_it_stands(here: Here, workspace: Shell, kind: str) -> None:
    workspace.write("conf/experiment/search.yaml", f"""# @package _global_
defaults:
  - override /env: current
  - override /sweep: {kind}
  - _self_
experiment_name: search
script: train.py
metric: {{name: loss, goal: minimize}}
params: {{opt: z}}
sweep: {{max_total_runs: 12, seed: 1, space: {{params.opt: [a, b], params.lr: [0.1, 0.2, 0.3]}}}}
""")
    if kind == "bayes":
        pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    answer = here("plan", "-m", "experiment=search", "+params.epochs=1,2", "params.opt=c,d", "--json")
    assert answer.code == 0, answer
    points = json.loads(answer.out)["trials"]
    assert {tuple(point) for point in points} == {("params.opt", "params.lr", "params.epochs")}
    if kind == "grid":
        assert [tuple(point.values()) for point in points] == [(opt, lr, n) for opt in "cd" for lr in (0.1, 0.2, 0.3) for n in (1, 2)][:10]
    assert {point["params.opt"] for point in points} == {"c", "d"}


@pytest.mark.parametrize("kind", ["sweep=random", "sweep=random sweep.rule=sobol", "sweep=bayes"])
def test_a_seed_gives_the_same_points_on_every_target_and_however_many_run_at_a_time(here: Here, workspace: Shell, kind: str) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    shared = ["experiment=adhoc", "script=train.py", "metric.name=loss", "sweep.max_total_runs=8", "sweep.seed=3", LR, "+params.opt=a,b"]
    shared.append("env=current")
    found = []
    for place in ("compute.slots=2", "compute=docker env.docker.image=x", "compute=slurm sweep.max_concurrent_runs=5"):
        answer = here("plan", "-m", *shared, *kind.split(), *place.split(), "--json")
        assert answer.code == 0, answer
        found.append(json.loads(answer.out)["trials"])
    assert len(found[0]) == 8
    assert found[1:] == [found[0], found[0]]


def test_a_seed_that_nobody_gave_is_drawn_once_and_kept(here: Here, workspace: Shell) -> None:
    seeds = []
    for _ in range(2):
        assert here(*words(workspace, "sweep=random", LR, "sweep.seed=null", total=2)).code == 0
        seeds.append(json.loads((sweep_of(workspace) / "sweep.json").read_text())["search"]["seed"])
        first = asked(workspace)
        assert here("sweep", "extend", "last", "sweep.max_total_runs=4").code == 0
        longer = asked(workspace)
        shutil.rmtree(workspace.root / "runs")
        assert here(*words(workspace, "sweep=random", LR, f"sweep.seed={seeds[-1]}", total=4)).code == 0
        assert (asked(workspace)[:2], asked(workspace)) == (first, longer)
        shutil.rmtree(workspace.root / "runs")
    assert seeds[0] != seeds[1]


def test_the_first_trial_without_the_metric_is_told_at_once(here: Here, workspace: Shell) -> None:
    answer = here(*words(workspace, "sweep=random", LR, "metric.name=los"))
    assert answer.err.count("note: trial ") == 1, answer.err
    assert "no metric 'los' was logged; there was loss" in answer.err.partition("note: trial ")[2].splitlines()[0]


def test_a_plan_shows_what_each_key_can_be_and_the_first_trials(here: Here, workspace: Shell) -> None:
    answer = here("plan", *words(workspace, "sweep=random", LR, "+params.opt=a,b", total=30))
    assert answer.code == 0, answer
    assert "params.lr   1e-05 … 1, log" in answer.out
    assert "params.opt  a, b" in answer.out
    assert "trials      30" in answer.out
    assert len([line for line in answer.out.splitlines() if line[:1].isdigit()]) == 10
    planned = json.loads(here("plan", "--json", *words(workspace, "sweep=random", LR, "+params.opt=a,b", total=30)).out)
    assert not workspace.run_dirs()
    here(*words(workspace, "sweep=random", LR, "+params.opt=a,b", total=3))
    assert asked(workspace) == planned["trials"][:3]


def test_a_space_of_a_file_has_conditions_zips_exclusions_and_repeats(here: Here, workspace: Shell) -> None:
    workspace.write("conf/experiment/search.yaml", """# @package _global_
defaults:
  - override /env: current
  - override /sweep: grid
  - _self_
experiment_name: search
script: train.py
metric: {name: loss, goal: minimize}
sweep:
  space:
    params.opt:
      choice:
        - {value: sgd, space: {params.momentum: [0.5, 0.9]}}
        - adam
  zip:
    size: {params.lr: [0.1, 0.01], params.epochs: [1, 2]}
  exclude:
    - {params.opt: adam, params.lr: 0.1}
    - params.momentum > 0.8 and params.epochs == 2
  repeats: 2
  repeat_key: params.seed
  repeat_values: [11, 7]
""")
    lease = next(word for word in workspace.script() if word.startswith("compute.lease_dir"))
    answer = here("-m", "experiment=search", lease)
    assert answer.code == 0, answer
    points = [
        {"params.opt": "sgd", "params.momentum": 0.5, "params.lr": 0.1, "params.epochs": 1},
        {"params.opt": "sgd", "params.momentum": 0.5, "params.lr": 0.01, "params.epochs": 2},
        {"params.opt": "sgd", "params.momentum": 0.9, "params.lr": 0.1, "params.epochs": 1},
        {"params.opt": "adam", "params.lr": 0.01, "params.epochs": 2},
    ]
    assert asked(workspace) == [point for point in points for _ in range(2)]
    assert [params(workspace, number)["seed"] for number in range(8)] == [11, 7] * 4
    assert "momentum" not in params(workspace, 6)


@pytest.mark.parametrize(("more", "told"), [
    (["sweep=random", "+params.lr=log_interval(0, 1)"], ["must be above 0"]),
    (["sweep=random", "+params.lr=unifrom(0, 1)"], ["unifrom"]),
    (["sweep=random"], ["the search space is empty"]),
    (["sweep=random", "sweep.max_total_runs=null", LR], ["needs sweep.max_total_runs"]),
    (["sweep=bayes", "metric.name=null", LR], ["sweep=bayes compares trials by a metric, and metric.name is null"]),
    (["sweep=random", "metric.name=null", LR, "sweep/policy=asha"], ["sweep/policy=asha compares trials by a metric"]),
    (["sweep=random", "metric.name=null", LR, "sweep.target=1"], ["sweep.target compares trials by a metric"]),
    (["sweep=random", "sweep/policy=bandit", LR], ["slack_factor or slack_amount, and none is given"]),
    (["sweep=random", "sweep/policy=bandit", "sweep.policy.slack_factor=0.1", "sweep.policy.slack_amount=1", LR], ["both are given"]),
    (["sweep=random", "sweep/policy=truncation", "sweep.policy.truncation_percentage=100", LR], ["<= 99"]),
    (["sweep=grid", LR], ["a grid needs values to list"]),
    (["sweep=random", "sweep.max_concurrent_runs=int(interval(1, 3))"], ["is one for the whole sweep"]),
    (["sweep=random", LR, 'sweep.exclude=["params.lrr > 1"]'], ["the space has no params.lrr", "did you mean params.lr"]),
    (["sweep=random", "compute.slots=choice(1, zwei, drei)"], ["zwei", "drei"]),
    (["sweep=random", "compute.slots=int(interval(-3, 4))"], ["compute.slots cannot be -3"]),
    (["sweep=random", "+params.lr=uniform(2, 1)", "+params.nap=normal(0, -1)"], ["params.lr: uniform(2, 1): min must be", "sigma must be"]),
    (["sweep=random", LR, "sweep.seed=99999999999999999999"], ["sweep.seed is 99999999999999999999", "0 to 9223372036854775807"]),
    (["sweep=bayes", LR, "+params.opt=a,b", 'sweep.exclude=["params.opt > 3"]'], ["'params.opt > 3' has no answer", "from  command line"]),
    (["sweep=bayes", LR, 'sweep.exclude=["params.lr > 0"]'], ["the search space has no point", "exclude leaves (almost) nothing"]),
    (["sweep=grid", "+params.lr=1,2", 'sweep.exclude=["params.lr > 0"]'], ["exclude leaves nothing: every point is excluded"]),
    (["sweep=bayes", LR, "+inputs.data=train.py,b,c"], ["the input data does not exist", "inputs.data=b", "inputs.data=c"]),
    (["sweep=bayes", "retries=0,1", "sweep.first=[{retries: many}]"], ["retries cannot be 'many'"]),
    (["sweep=random", LR, "sweep.repeats=2", "sweep.repeat_key=retriez"], ["retriez"]),
    (["sweep=random", LR, "sweep.repeats=3", "sweep.repeat_values=[1,2]"], ["2 values, and sweep.repeats is 3", "needs sweep.repeat_key"]),
    (["sweep=random", LR, "sweep.repeats=2", "sweep.repeat_key=retries", "sweep.repeat_values=[1,x]"], ["retries cannot be 'x'"]),
    (["sweep=random", "+params.lr=choice()"], ["params.lr"]),
    (["sweep=random", "size=zip(params.lr=[1,2],params.epochs=[1,2,3])"], ["params.lr 2, params.epochs 3 values"]),
])  # fmt: skip
def test_mistakes_are_told_before_anything_starts(here: Here, workspace: Shell, more: list[str], told: list[str]) -> None:
    answer = here(*words(workspace, *more))
    assert answer.code == 2, answer
    assert all(text in answer.err for text in told), answer
    assert "Traceback" not in answer.err
    assert not workspace.run_dirs()


@pytest.mark.parametrize(("words_", "told"), [
    ("sweep=bayes sweep.sampler=gp", ["sweep.sampler=gp needs the package torch", "command line: sweep.sampler=gp", "'trainconf[gp]'"]),
    ("sweep=bayes sweep.sampler=cmaes", ["sweep.sampler=cmaes needs the package cmaes", "'trainconf[sweeps]'"]),
    ("sweep=random sweep.rule=sobol", ["sweep.rule=sobol needs the package scipy", "'trainconf[sweeps]'"]),
])
def test_a_package_of_a_sampler_that_is_missing_is_named(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch, words_: str, told: list[str],
) -> None:  # fmt: skip
    for name in ("torch", "cmaes", "scipy"):
        for loaded in [known for known in sys.modules if known.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, name, None)
    found = here(*words(workspace, *words_.split(), LR))
    assert found.code == 2, found
    assert all(text in found.err for text in told), found


@pytest.mark.parametrize(("more", "is_told"), [([], True), (["sweep.sampler=cmaes"], False), (["sweep.max_total_runs=101"], False)])
def test_a_plan_names_gp_where_it_is_there_and_suits(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch, more: list[str], is_told: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr("trainconf.sweeps.search.find_spec", lambda name: name)
    answer = here("plan", *words(workspace, "sweep=bayes", LR, *more))
    assert (answer.code, "note: sweep.sampler=gp mostly finds better points" in answer.err) == (0, is_told), answer


def test_a_package_that_is_missing_is_named(here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    answer = here(*words(workspace, "sweep=bayes", LR))
    assert (answer.code, "pip install 'trainconf[sweeps]'" in answer.err) == (2, True), answer
    assert not workspace.run_dirs()


def test_a_policy_stops_the_weak_and_says_why(here: Here, workspace: Shell) -> None:
    policy = ["sweep/policy=bandit", "sweep.policy.slack_amount=1.0", "sweep.policy.delay_evaluation=2"]
    policy += ["sweep.max_concurrent_runs=1", "+params.epochs=30", "+params.nap=0.2"]  # the good one first: nobody is ahead of it
    answer = here(*words(workspace, "sweep=grid", *policy, "+params.lr=0.005,0.00001,0.9", total=3))
    assert answer.code == 0, answer
    found = shown(here)
    assert [trial["status"] for trial in found["trials"]] == ["Completed", "Canceled", "Canceled"]
    for trial in found["trials"][1:]:
        assert trial["stop"]["own"] > trial["stop"]["bound"]
        assert f"trial {trial['number']} stopped at log {trial['stop']['interval']}" in answer.err
    assert found["best"]["number"] == 0
    assert found["decisions"] >= 2


def test_what_a_trial_logs_after_it_was_stopped_counts_for_its_value(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT + """
import signal
def left(*_):
    run.log("loss", -5.0)
    sys.exit(7)
signal.signal(signal.SIGTERM, left)
for epoch in range(20 if args.lr < 0.5 else 3000):
    run.log("loss", 10 + args.lr)
    time.sleep(0.02)
""")
    policy = ["sweep/policy=bandit", "sweep.policy.slack_amount=0.1", "sweep.policy.delay_evaluation=3", "sweep.max_concurrent_runs=1"]
    answer = here(*words(workspace, "sweep=grid", *policy, "+params.lr=0.1,0.9", total=2))
    assert answer.code == 0, answer
    found = shown(here)
    assert [(trial["status"], trial["stop"] is not None) for trial in found["trials"]] == [("Completed", False), ("Canceled", True)]
    assert found["trials"][1]["value"] == found["best"]["value"] == -5.0
    assert "best: trial 1 (Canceled), loss -5" in answer.err


def test_a_search_that_only_fails_ends_early_and_says_why(here: Here, workspace: Shell) -> None:
    limits = ["sweep.max_failed_runs=20", "sweep.max_concurrent_runs=1"]
    answer = here(*words(workspace, "sweep=random", *limits, LR, "+params.fail=all", "+params.nap=0.5", total=20))
    assert answer.code == 1, answer
    assert "each of the first 3 trials failed" in answer.err
    ran = [path for path in workspace.run_dirs() if '"Running"' in (path / "events.jsonl").read_text() and "_" in path.name]
    assert 3 <= len(ran) < 10


def test_a_failed_trial_runs_again_with_its_values(here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARK", str(workspace.root / "mark"))
    once = [*words(workspace, "sweep=random", LR, "+params.fail=once", "sweep.max_concurrent_runs=1", total=3)]
    assert here(*once).code == 0
    before = asked(workspace)
    assert [trial["status"] for trial in shown(here)["trials"]] == ["Failed", "Completed", "Completed"]
    assert here("sweep", "retry", "last").code == 0
    found = shown(here)
    assert [trial["status"] for trial in found["trials"]] == ["Completed"] * 3
    assert found["trials"][0]["run_id"].endswith("_0.2")
    assert asked(workspace) == before


@pytest.mark.parametrize(("only", "states"), [("failed", ["Failed"]), ("canceled", ["Canceled"]), ("all", ["Failed", "Canceled"])])
def test_a_retry_runs_those_that_ended_like_this(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch, only: str, states: list[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("MARK", str(workspace.root / "mark"))
    limits = ["sweep.max_failed_runs=1", "sweep.max_concurrent_runs=1", "+params.nap=0.5"]
    assert here(*words(workspace, "sweep=random", LR, "+params.fail=once", *limits, total=6)).code == 1
    before = shown(here)["trials"]
    assert {"Failed", "Canceled"} <= {trial["status"] for trial in before}
    answer = here("sweep", "retry", "last", "--only", "lost")
    assert "is lost, so none runs again" in answer.err
    assert shown(here)["trials"] == before
    here("sweep", "retry", "last", "--only", only, "sweep.max_failed_runs=9")
    found = shown(here)["trials"]
    again = [trial["number"] for trial in before if trial["status"] in states]
    assert [trial["number"] for trial in found if (trial["run_id"] or "").endswith(f"_{trial['number']}.2")] == again
    assert [trial["values"] for trial in found] == [trial["values"] for trial in before]
    assert {found[number]["status"] for number in again} == {"Completed"}


def test_a_failed_trial_whose_folder_is_gone_runs_again(here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARK", str(workspace.root / "mark"))
    once = words(workspace, "sweep=random", LR, "+params.fail=once", "sweep.max_concurrent_runs=1", "sweep.max_failed_runs=9", total=2)
    assert here(*once).code == 0
    shutil.rmtree(sweep_of(workspace).parent / f"{sweep_of(workspace).name}_0")
    assert here("sweep", "retry", "last").code == 0
    assert [trial["status"] for trial in shown(here)["trials"]] == ["Completed"] * 2
    assert params(workspace, "0.2")["lr"] == asked(workspace)[0]["params.lr"]


def test_the_time_of_a_search_is_that_of_all_its_controllers(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT + "\nimport time\ntime.sleep(0.7)\n")
    limits = ["sweep.max_duration_minutes=0.04", "sweep.max_concurrent_runs=1"]
    answer = here(*words(workspace, "sweep=random", LR, *limits, total=12))
    assert (answer.code, "the search has ended: its time is over" in answer.err) == (1, True), answer
    assert here("wait", "last").code == 1
    before = [trial["status"] for trial in shown(here)["trials"]]
    assert "Canceled" in before
    here("sweep", "resume", "last")
    assert [trial["status"] for trial in shown(here)["trials"]] == before, "its time was over"
    answer = here("sweep", "extend", "last", "sweep.max_duration_minutes=-1")
    assert (answer.code, "a number above 0" in answer.err) == (2, True), answer
    here("sweep", "extend", "last", "sweep.max_duration_minutes=60", "sweep.max_total_runs=13")
    assert [trial["status"] for trial in shown(here)["trials"]] == [*before, "Completed"]


def test_a_search_is_extended_and_nothing_else_of_it_changes(here: Here, workspace: Shell) -> None:
    assert here(*words(workspace, "sweep=random", LR, total=2)).code == 0
    answer = here("sweep", "extend", "last", "params.lr=3")
    assert (answer.code, "cannot be changed in a sweep that has begun" in answer.err) == (2, True), answer
    workspace.write("train.py", SCRIPT + "\nraise SystemExit(9)\n")
    assert here("sweep", "extend", "last", "sweep.max_total_runs=5").code == 0
    found = shown(here)
    assert (found["total"], [trial["status"] for trial in found["trials"]]) == (5, ["Completed"] * 5), "the code is that of the beginning"
    first = asked(workspace)
    shutil.rmtree(workspace.root / "runs")
    workspace.write("train.py", SCRIPT)
    assert here(*words(workspace, "sweep=random", LR, total=5)).code == 0
    assert asked(workspace) == first


def test_a_group_that_is_chosen_with_one_value_alone_is_searched_and_extended(here: Here, workspace: Shell) -> None:
    workspace.write("conf/experiment/search.yaml", """# @package _global_
defaults:
  - override /env: current
  - override /sweep: random
  - _self_
experiment_name: search
script: train.py
metric: {name: loss, goal: minimize}
sweep:
  seed: 1
  target: -1
  space:
    params.opt:
      choice:
        - {value: a, space: {distributed: {choice: [none, {value: pytorch, space: {distributed.process_count: [1, 2]}}]}}}
        - b
        - c
""")
    lease = next(word for word in workspace.script() if word.startswith("compute.lease_dir"))
    assert here("-m", "experiment=search", lease, "sweep.max_total_runs=2").code == 0
    answer = here("sweep", "extend", "last", "sweep.max_total_runs=50")
    assert (answer.code, [answer.err.count(f"_{number}  Completed") for number in range(5)]) == (0, [0, 0, 1, 1, 1]), answer
    found = shown(here)
    assert [trial["status"] for trial in found["trials"]] == ["Completed"] * 5
    for trial in found["trials"]:
        spec = json.loads((sweep_of(workspace).parent / trial["run_id"] / "spec.json").read_text())
        assert spec["distributed"]["processes_per_node"] == trial["values"].get("distributed.process_count", 1), trial


KILLED = """
import os, signal, sys
from trainconf.cli.main import main
from trainconf.sweeps.trials import TrialMaker
made, real = [], TrialMaker.make
TrialMaker.make = lambda *given: os.kill(os.getpid(), signal.SIGKILL) if len(made) == 2 else made.append(1) or real(*given)
main(sys.argv[1:])
"""


def test_a_plain_grid_whose_submitter_was_killed_is_completed_by_its_own_command(workspace: Shell) -> None:
    grid = ["-m", *workspace.script("+params.lr=0.1,0.2,0.3,0.4")]
    subprocess.run([sys.executable, "-c", KILLED, *grid], cwd=workspace.root, env=workspace.env, stderr=subprocess.DEVNULL)
    wait_for(lambda: "Failed" in workspace("sweep", "ls").out)
    answer = workspace("sweep", "resume", "last")
    assert next(iter(answer.told.values()))["never made"] == "2 of its trials: whoever submitted it was ended", answer
    answer = workspace(*grid, "submit.reuse=true")
    assert (answer.code, "2 of them completed before" in answer.err) == (0, True), answer


def test_a_pause_that_nobody_heard_does_not_outlive_a_resume(here: Here, workspace: Shell) -> None:
    assert here(*words(workspace, "sweep=random", LR, total=2)).code == 0
    request(RunPaths(str(sweep_of(workspace))), "pause")
    assert here("sweep", "extend", "last", "sweep.max_total_runs=3").code == 0
    assert [trial["status"] for trial in shown(here)["trials"]] == ["Completed"] * 3


def unbroken(here: Here, workspace: Shell, *search: str) -> list[dict[str, Any]]:
    assert here(*words(workspace, *search, total=13)).code == 0
    found = asked(workspace)
    shutil.rmtree(workspace.root / "runs")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("lines", [0, 1, 3, 21, 26])
def test_a_search_whose_controller_was_killed_asks_what_an_unbroken_one_does(here: Here, workspace: Shell, lines: int) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    search = ["sweep=bayes", LR, "+params.nap=0.05", "sweep.max_concurrent_runs=1"]
    expected = unbroken(here, workspace, *search)
    child = workspace.start(*words(workspace, *search, total=13))
    wait_for(lambda: any((path / "journal.jsonl").exists() and len(journal(workspace)) >= lines for path in workspace.run_dirs()))
    child.kill()
    child.communicate()
    assert here("sweep", "resume", "last").code == 0
    assert asked(workspace) == expected
    found = shown(here)
    assert [trial["status"] for trial in found["trials"]] == ["Completed"] * 13
    assert len({trial["run_id"] for trial in found["trials"]}) == 13
    told = [line["number"] for line in journal(workspace) if line["deed"] == "told"]
    assert sorted(told) == list(range(13))


def test_a_search_whose_trials_were_all_handed_over_is_stopped(here: Here, workspace: Shell) -> None:
    child = workspace.start(*words(workspace, "sweep=random", LR, "+params.nap=3", "sweep.max_concurrent_runs=1", total=200))
    wait_for(lambda: any('{"end"' in path.read_text() for path in workspace.root.glob("runs/*/*/trials.jsonl")))
    assert here("sweep", "stop", "last").code == 0
    child.communicate(timeout=300)
    assert sum(trial["status"] == "Completed" for trial in shown(here)["trials"]) < 200


def test_a_paused_search_goes_on_when_it_is_resumed(here: Here, workspace: Shell) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    child = workspace.start(*words(workspace, "sweep=bayes", LR, "+params.nap=0.3", "sweep.max_concurrent_runs=2", total=8))
    wait_for(lambda: any((path / "journal.jsonl").exists() and len(journal(workspace)) >= 3 for path in workspace.run_dirs()))
    assert here("sweep", "pause", "last").code == 0
    wait_for(lambda: shown(here)["status"] == "Paused")
    child.communicate(timeout=300)
    assert (child.returncode, here("wait", "last").code) == (130, 130), "it is not done"
    paused = shown(here)
    assert paused["status"] == "Paused"
    assert len(paused["trials"]) < 8
    assert here("sweep", "resume", "last").code == 0
    assert [trial["status"] for trial in shown(here)["trials"]] == ["Completed"] * 8


def test_ctrl_c_cancels_all_trials_and_none_is_asked_for(here: Here, workspace: Shell) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    longer = ["+params.epochs=500", "+params.nap=0.2", "sweep.max_concurrent_runs=2"]
    child = workspace.start(*words(workspace, "sweep=bayes", LR, *longer, total=8))
    wait_for(lambda: sum('"Running"' in path.read_text() for path in workspace.root.glob("runs/*/*/events.jsonl")) >= 3)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=300)
    assert child.returncode == 130
    found = shown(here)
    assert {trial["status"] for trial in found["trials"]} == {"Canceled"}
    assert len(found["trials"]) == 2


def test_a_search_that_somebody_cancels_has_not_failed(here: Here, workspace: Shell) -> None:
    child = workspace.start(*words(workspace, "sweep=random", LR, "+params.epochs=500", "+params.nap=0.2"))
    wait_for(lambda: any('"Running"' in path.read_text() for path in workspace.root.glob("runs/*/*/events.jsonl")))
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=300)
    assert child.returncode == 130
    assert b"failed" not in err, err
    assert (shown(here)["status"], shown(here)["failure"]) == ("Canceled", "")


def test_a_detached_search_has_a_controller_of_its_own(here: Here, workspace: Shell) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    answer = here(*words(workspace, "sweep=bayes", LR, "submit.detach=true", total=3))
    assert answer.code == 0, answer
    assert shown(here)["status"] in ("Starting", "NoController", "Running", "Completed")
    wait_for(lambda: shown(here)["status"] == "Completed")
    assert [trial["status"] for trial in shown(here)["trials"]] == ["Completed"] * 3


def test_a_second_controller_is_refused(here: Here, workspace: Shell) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    child = workspace.start(*words(workspace, "sweep=bayes", LR, "+params.nap=0.5", "sweep.max_concurrent_runs=1", total=3))
    wait_for(lambda: any((path / "journal.jsonl").exists() and journal(workspace) for path in workspace.run_dirs()))
    answer = here("sweep", "retry", "last")
    assert (answer.code, "the sweep has a controller" in answer.err) == (2, True), answer
    child.communicate(timeout=300)


def test_a_torn_journal_is_cut_and_an_edited_one_is_named(here: Here, workspace: Shell) -> None:
    assert here(*words(workspace, "sweep=random", LR, total=2)).code == 0
    path = sweep_of(workspace) / "journal.jsonl"
    text = path.read_text()
    path.write_text(text.replace('"number":1', '"number":2', 1))
    for verb in (["extend", "last", "sweep.max_total_runs=3"], ["resume", "last"], ["pause", "last"]):
        answer = here("sweep", *verb)
        assert (answer.code, "line 2 of the sweep's journal does not follow" in answer.err) == (2, True), answer
        assert f"{path}:2" in answer.err
    path.write_text(text + '{"deed": "tol')
    assert here("sweep", "extend", "last", "sweep.max_total_runs=3").code == 0
    assert len(asked(workspace)) == 3


@pytest.mark.parametrize("text", ["", '{"sweep_id": "adh', "[]", '{"search": {"settings": []}}', '{"search": 3, "metric": [], "kind": {}}'])
def test_a_damaged_record_of_a_sweep_is_named_and_never_a_traceback(here: Here, workspace: Shell, text: str) -> None:
    assert here(*words(workspace, "sweep=random", LR, total=2)).code == 0
    path = sweep_of(workspace) / "sweep.json"
    path.write_text(text)
    name = path.parent.name
    for refused in (f"sweep resume {name}", f"sweep extend {name} sweep.max_total_runs=3", f"sweep retry {name}", f"sweep stop {name}",
                    f"rerun {name} params.lr=0.2"):  # fmt: skip
        answer = here(*refused.split())
        assert (answer.code, f"the record of {name} is damaged" in answer.err, str(path) in answer.err) == (2, True, True), answer
    for told in (f"sweep show {name}", f"show {name}", f"wait {name}", f"sweep best {name}", "sweep ls"):
        assert "Traceback" not in here(*told.split()).err


def test_an_input_that_goes_away_fails_its_trials_and_not_the_search(here: Here, workspace: Shell) -> None:
    """A trial that cannot be composed has its number, its values and the reason, and the others go on."""
    for name in "ab":
        workspace.write(f"data/{name}/x", "")
    remove = f"import shutil; shutil.rmtree({str(workspace.root / 'data/b')!r}, ignore_errors=True)\n"
    workspace.write("train.py", SCRIPT + remove)
    space = [LR, "+inputs.data=choice(data/a,data/b)", "sweep.first=[{params.lr: 0.1, inputs.data: data/a}]"]
    answer = here(*words(workspace, "sweep=bayes", *space, "sweep.max_concurrent_runs=1", total=8))
    assert answer.code == 0, answer
    found = shown(here)["trials"]
    assert len(found) == 8
    assert {(trial["values"]["inputs.data"], trial["status"]) for trial in found} == {("data/a", "Completed"), ("data/b", "Failed")}
    reasons = {trial["reason"] for trial in found if trial["status"] == "Failed"}
    assert all("the input data does not exist" in reason and "data/b" in reason for reason in reasons)


def test_a_bayesian_search_goes_on_after_a_trial_ran_again(here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARK", str(workspace.root / "mark"))
    assert here(*words(workspace, "sweep=bayes", LR, "+params.fail=once", "sweep.max_concurrent_runs=1", total=11)).code == 0
    assert here("sweep", "retry", "last").code == 0
    answer = here("sweep", "extend", "last", "sweep.max_total_runs=13")
    assert answer.code == 0, answer
    assert [trial["status"] for trial in shown(here)["trials"]] == ["Completed"] * 13


@pytest.mark.parametrize("which", ["best", "last"])
def test_a_trial_is_worth_the_same_whether_somebody_watched_it_or_not(here: Here, workspace: Shell, which: str) -> None:
    """Of a falling metric that is maximised the first value is the best."""
    found = {}
    for limit in ("null", "5"):
        more = ["metric.goal=maximize", "+params.epochs=3", f"sweep.value={which}", f"sweep.max_failed_runs={limit}"]
        assert here(*words(workspace, "sweep=random", LR, *more, total=2)).code == 0
        found[limit] = [trial["value"] for trial in shown(here)["trials"]]
    assert found["null"] == found["5"]
    first = (math.log10(asked_of_last(workspace)[0]["params.lr"]) + 2.3) ** 2
    assert found["5"][0] == pytest.approx(first + (1 if which == "best" else 1 / 3))


def asked_of_last(workspace: Shell) -> list[dict[str, Any]]:
    home = max((path for path in workspace.run_dirs() if (path / "sweep.json").exists()), key=lambda path: path.stat().st_mtime_ns)
    lines = map(json.loads, (home / "journal.jsonl").read_text().splitlines())
    return [line["values"] for line in lines if line["deed"] == "ask"]


def test_what_would_make_other_trials_is_refused_with_what_it_was(here: Here, workspace: Shell) -> None:
    assert here(*words(workspace, "sweep=random", LR, "+params.nap=0.0", total=1)).code == 0
    for change, before in (
        ("sweep.space.params.lr=uniform(0,1)", "log_interval(1e-5, 1)"), ("params.lr=0.1", "log_interval(1e-5, 1)"),
        ("params.nap=3", "0.0"), ("metric.goal=maximize", "minimize"), ("sweep.seed=8", "7"), ("compute=slurm", "local"),
        ("sweep.repeats=2", "1"), ("params.x=1", ""),
    ):  # fmt: skip
        answer = here("sweep", "resume", "last", change)
        key, _, value = change.partition("=")
        facts = answer.told[f"{key} cannot be changed in a sweep that has begun"]
        known = (before, value) if before else ("", "")
        assert (answer.code, (facts.get("since it began", ""), facts.get("asked for now", ""))) == (2, known), answer


def test_another_space_is_refused_with_what_it_was(here: Here, workspace: Shell) -> None:
    assert here(*words(workspace, "sweep=random", LR, total=1)).code == 0
    answer = here("sweep", "resume", "last", "params.lr=uniform(0, 2)", "sweep.seed=8", "sweep.max_total_runs=many")
    assert answer.code == 2, answer
    told = ["params.lr cannot be changed", "log_interval(1e-5, 1)", "uniform(0, 2)", "sweep.seed cannot", "'many'", "since it began  7"]
    told.append(f"sweep.resume_from=[{sweep_of(workspace).name}]")
    assert all(text in answer.err for text in told), answer


def test_a_search_is_exported_for_the_tools_of_others(here: Here, workspace: Shell) -> None:
    optuna = pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    assert here(*words(workspace, "sweep=random", LR, "+params.opt=a,b", total=6)).code == 0
    lines = here("sweep", "export", "last", "--csv").out.splitlines()
    assert lines[0] == "trial,run_id,status,loss,duration_s,params.lr,params.opt"
    assert len(lines) == 7
    target = workspace.root / "study.log"
    assert here("sweep", "export", "last", "--optuna", str(target)).code == 0
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(target)))
    (study,) = optuna.get_all_study_summaries(storage)
    loaded = optuna.load_study(study_name=study.study_name, storage=storage)
    assert [trial.params["params.lr"] for trial in loaded.trials] == [point["params.lr"] for point in asked(workspace)]
    assert loaded.best_value == shown(here)["best"]["value"]
    assert here("sweep", "export", "last", "--optuna", str(target)).code == 2
    importance = here("sweep", "importance", "last")
    assert (importance.code, "params.lr" in importance.out) == (0, True), importance
