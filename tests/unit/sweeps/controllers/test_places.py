"""Where a search is controlled, as its user asks for it and is told of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from tests.conftest import Answer, Shell, wait_for

Here = Callable[..., Answer]
HOST = os.uname().nodename
SCRIPT = """
import sys, time
from trainconf import Run
for epoch in range(4):
    Run.get_context().log("loss", float(sys.argv[2]), step=epoch)
    time.sleep(float(sys.argv[4]))
"""


@pytest.fixture(autouse=True)
def _script(workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT)


def words(workspace: Shell, *more: str, nap: float = 0.0) -> list[str]:
    policy = ["sweep/policy=bandit", "sweep.policy.slack_amount=9"]
    search = ["sweep=random", "sweep.max_total_runs=2", "+params.lr=uniform(0, 1)", f"+params.nap={nap}", *policy]
    return ["-m", *workspace.script("metric.name=loss", *search, *more)]


@pytest.mark.parametrize("target", ["local", "docker"])
def test_a_job_where_there_are_no_jobs_is_refused_and_leaves_nothing(here: Here, workspace: Shell, target: str) -> None:
    image = ["env.docker.image=x"] if target == "docker" else []
    answer = here(*words(workspace, f"compute={target}", "sweep.controller=job", *image))
    assert answer.code == 2
    assert f"sweep.controller=job with compute={target}, which has no jobs" in answer.err
    assert "sweep.controller=detached" in answer.err
    assert not workspace.run_dirs()


def test_a_place_that_there_is_none_is_refused(here: Here, workspace: Shell) -> None:
    answer = here(*words(workspace, "sweep.controller=nowhere"))
    assert (answer.code, "here or detached or job" in answer.err) == (2, True), answer
    assert here(*words(workspace)).code == 0
    answer = here("sweep", "resume", "last", "sweep.controller=nowhere")
    assert (answer.code, "here, detached, job" in answer.err) == (2, True), answer


def test_a_detached_controller_needs_nobody_and_is_told_of(here: Here, workspace: Shell) -> None:
    answer = here(*words(workspace, "sweep.controller=detached", nap=0.4))
    assert answer.code == 0, answer
    sweep_id = answer.out.strip()
    assert json.loads((workspace.root / "runs" / "adhoc" / sweep_id / "sweep.json").read_text())["controller"] == "detached"
    wait_for(lambda: f"controlled by {HOST}, pid " in here("sweep", "show", sweep_id).err)
    wait_for(lambda: json.loads(here("sweep", "show", sweep_id, "--json").out)["status"] == "Completed")
    found = json.loads(here("sweep", "show", sweep_id, "--json").out)["controller"]
    assert (found["is_here"], found["host"], found["job_id"]) == (False, HOST, "")


def test_since_when_a_killed_controller_is_away_is_told(here: Here, workspace: Shell) -> None:
    child = workspace.start(*words(workspace, nap=8.0))
    wait_for(lambda: any(f'"pid":{child.pid}' in path.read_text() for path in workspace.root.glob("runs/*/*/controller.lock")))
    wait_for(lambda: sum('"Running"' in path.read_text() for path in workspace.root.glob("runs/*/*_*/events.jsonl")) == 2)
    child.kill()
    child.communicate()
    shown = here("sweep", "show", "last")
    assert f"(it was {HOST}, pid {child.pid}); `trainconf sweep resume " in shown.err
    assert "no controller since 20" in shown.err
    assert here("sweep", "resume", "last").code == 0
    assert [trial["status"] for trial in json.loads(here("sweep", "show", "last", "--json").out)["trials"]] == ["Completed"] * 2


def test_a_plan_says_where_it_will_be(here: Here, workspace: Shell) -> None:
    plan = here("plan", *words(workspace, "sweep.controller=detached"))
    assert "controller  a process of its own" in " ".join(plan.out.split("\n")), plan


@pytest.mark.parametrize("verb", [[], ["plan"]])
@pytest.mark.parametrize(("more", "told"), [
    (["sweep=bayes", "+params.lr=uniform(0, 1)"], "sweep=bayes with compute=slurm needs sweep.max_concurrent_runs"),
    (["sweep=bayes", "+params.lr=uniform(0, 1)", "compute.pack=2", "compute.gpus_per_node=1"], "trials with GPUs cannot share a job"),
    (["sweep=random", "+params.lr=uniform(0, 1)", "compute.pack=2", "compute.gpus_per_node=1"], "trials with GPUs cannot share a job"),
    (["+params.lr=1,2", "compute.pack=2", "compute.gpus_per_node=1"], "trials with GPUs cannot share a job"),
])  # fmt: skip
def test_a_plan_refuses_what_the_target_would_not_carry_out(
    here: Here, workspace: Shell, more: list[str], told: str, verb: list[str],
) -> None:  # fmt: skip
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    shared = ["experiment=adhoc", "script=train.py", "env=current", "compute=slurm", "metric.name=loss", "sweep.max_total_runs=2"]
    answer = here(*verb, "-m", *shared, *more)
    assert (answer.code, told in answer.err) == (2, True), answer
    assert not workspace.run_dirs()


def test_who_waits_at_once_waits_for_a_controller_that_is_just_beginning(here: Here, workspace: Shell) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    search = ["sweep=bayes", "sweep.max_total_runs=2", "+params.lr=uniform(0, 1)", "+params.nap=0"]
    answer = here("-m", *workspace.script("metric.name=loss", *search, "submit.detach=true"))
    assert answer.code == 0, answer
    waited = here("wait", answer.out.strip())
    assert (waited.code, waited.err.splitlines()[-1]) == (0, f"{answer.out.strip()} Completed")


def test_a_search_that_was_canceled_before_it_had_a_controller_is_canceled(here: Here, workspace: Shell) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    search = ["sweep=bayes", "sweep.max_total_runs=2", "+params.lr=uniform(0, 1)", "+params.nap=0"]
    here("-m", *workspace.script("metric.name=loss", *search))
    home = next(path.parent for path in workspace.root.glob("runs/*/*/sweep.json"))
    for name in ("journal.jsonl", "trials.jsonl", "events.jsonl"):
        (home / name).write_text("")
    assert here("sweep", "show", "last", "--json").out.count("NoController") == 1
    assert "the search failed" not in here("sweep", "show", "last").err
    assert here("cancel", home.name).code == 0
    assert json.loads(here("sweep", "show", "last", "--json").out)["status"] == "Canceled"
