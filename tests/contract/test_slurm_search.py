"""Searches on a real cluster: a policy over the tasks of an array, and a job for each point of a Bayesian search."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell, wait_for
from tests.contract.slurm_runs import slurm, until
from tests.testbed.cluster import Cluster
from trainconf import files
from trainconf.history import events, liveness
from trainconf.history.find import trials_of
from trainconf.paths import RunPaths

pytestmark = pytest.mark.slurm
SCRIPT = """
import sys, time
from trainconf import Run
values = dict(zip(sys.argv[1::2], sys.argv[2::2]))
for epoch in range(int(values.get("--epochs", 1))):
    Run.get_context().log("loss", abs(float(values["--lr"]) - 0.3) + 1 / (epoch + 1), step=epoch)
    time.sleep(float(values.get("--nap", 0)))
"""
REQUEUED = """
import os, pathlib, sys, time
from trainconf import Run
values = dict(zip(sys.argv[1::2], sys.argv[2::2]))
lr, gates, attempt = values["--lr"], pathlib.Path(values["--gates"]), os.environ["TRAINCONF_ATTEMPT"]
def log(*epochs):
    for epoch in epochs:
        Run.get_context().log("loss", abs(float(lr) - 0.3) + 1 / (epoch + 1), step=epoch)
def pass_gate(name):
    give_up_at = time.monotonic() + 600
    while not (gates / name).exists() and time.monotonic() < give_up_at:
        time.sleep(0.05)
log(0, 1)
if lr != "0.9" and (lr, attempt) != ("0.3", "1"):
    log(2, 3, 4, 5)
(gates / f"logged_{lr}_{attempt}").touch()
if lr == "0.9":
    pass_gate("go")
    log(2, 3, 4, 5)
pass_gate("end")
"""
PATIENCE_S = 300.0  # a controller's job that is ended every 20 s waits longer than that in the queue each time
SEARCH = ("metric.name=loss", "metric.goal=minimize", "sweep.seed=5")


@pytest.fixture
def space(shell: Shell, slurm_cluster: Cluster) -> Iterator[Shell]:
    """A workspace whose runs go to the cluster; what is left of them goes with it."""
    shell.env["SLURM_CONF"] = slurm_cluster.conf
    shell.write("train.py", SCRIPT)
    yield shell
    for record in shell.root.glob("runs/*/*/run.json"):
        slurm("scancel", "--quiet", f"--name={record.parent.name}")
    for record in shell.root.glob("runs/*/*/sweep.json"):
        slurm("scancel", "--quiet", f"--name={record.parent.name}_controller")


def words(*more: str) -> list[str]:
    return ["-m", "experiment=adhoc", "script=train.py", "env=current", "compute=slurm", *SEARCH, *more]


def home_of(space: Shell) -> RunPaths:
    return RunPaths(str(next(space.root.glob("runs/*/*/sweep.json")).parent))


def shown(space: Shell) -> dict[str, Any]:
    answer = space("sweep", "show", "last", "--json")
    assert answer.code == 0, answer
    found: dict[str, Any] = json.loads(answer.out)
    return found


def test_a_policy_cancels_only_the_weak_tasks_of_one_array(space: Shell) -> None:
    policy = ["sweep/policy=bandit", "sweep.policy.slack_amount=0.2", "sweep.policy.delay_evaluation=2", "sweep.max_concurrent_runs=1"]
    answer = space(*words("sweep=grid", *policy, "+params.lr=0.3,0.9,0.31", "+params.epochs=8", "+params.nap=0.4"))
    assert answer.code == 0, answer
    assert len(liveness.scheduler_of(home_of(space))["arrays"]) == 1
    found = shown(space)
    assert [trial["status"] for trial in found["trials"]] == ["Completed", "Canceled", "Completed"]
    assert found["trials"][1]["stop"]["own"] > found["trials"][1]["stop"]["bound"]


def test_a_task_that_is_requeued_in_the_middle_of_a_sweep_is_judged_on_and_its_second_attempt_changes_no_decision(space: Shell) -> None:
    """The best trial is requeued before the weak one is judged; its controller is killed while it waits in the queue."""
    space.write("train.py", REQUEUED)
    policy = ["sweep/policy=bandit", "sweep.policy.slack_amount=0.2", "sweep.policy.delay_evaluation=2"]
    more = ["compute.requeue=interrupted", "+params.lr=0.3,0.9,0.31", f"+params.gates={space.root}"]
    child = space.start(*words("sweep=grid", *policy, *more))
    until(lambda: len(list(space.root.glob("logged_*_1"))) == 3, "all to run", PATIENCE_S)
    best, weak, _ = trials_of(home_of(space))
    slurm("scontrol", "requeue", str(liveness.scheduler_of(best)["job_id"]))
    until(lambda: (events.last(best) or {}).get("waiting_for") == "requeue", "its requeue", PATIENCE_S)
    child.kill()
    child.communicate()
    assert space("sweep", "resume", "last", "sweep.controller=detached").code == 0
    until((space.root / "logged_0.3_2").exists, "its second attempt", PATIENCE_S)
    (space.root / "go").touch()
    until(lambda: (events.last(weak) or {})["state"] == "Canceled", "the stop of the weak one", PATIENCE_S, told=lambda: str(shown(space)))
    (space.root / "end").touch()
    assert space("wait", home_of(space).run_id).code == 0
    found = shown(space)
    assert [trial["status"] for trial in found["trials"]] == ["Completed", "Canceled", "Completed"]
    assert [trial["stop"] is not None for trial in found["trials"]] == [False, True, False]
    starts = [[event["attempt"] for event in events.read(paths) if event["state"] == "Starting"] for paths in trials_of(home_of(space))]
    assert starts == [[1, 2], [1], [1]]
    assert len(liveness.scheduler_of(home_of(space))["arrays"]) == 1
    stops = [line["number"] for line in files.read_lines(home_of(space).journal) if line["deed"] == "stop"]
    assert stops == [1], "it was decided once"


@pytest.mark.parametrize("way", ["requeued", pytest.param("time limit", marks=pytest.mark.nightly)])
def test_a_bayesian_search_survives_its_controller_and_goes_on_in_a_job_that_comes_back(space: Shell, way: str) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    search = words("sweep=bayes", "sweep.max_total_runs=5", "sweep.max_concurrent_runs=2", "+params.lr=uniform(0, 1)", "+params.nap=1")
    own = [f"sweep.controller_job.{setting}" for setting in ("partition=short", "time_minutes=1", "signal_seconds=40")]
    child = space.start(*search, *(["+params.epochs=4"] if way == "requeued" else ["+params.epochs=20", *own]))
    wait_for(lambda: len(list(space.root.glob("runs/*/*_1/events.jsonl"))) == 1)
    child.kill()
    child.communicate()
    answer = space("sweep", "resume", "last", "sweep.controller=job")
    assert answer.code == 0, answer
    (job_id,) = re.findall(r"job (\d+) controls it", answer.err)
    assert space("sweep", "resume", "last", "sweep.controller=job").code == 0, "there is one already"
    if way == "requeued":
        until(lambda: f"controlled by job {job_id} on " in space("sweep", "show", "last").err, "the controller")
        slurm("scontrol", "requeue", job_id)
        until(lambda: f"its controller is job {job_id}, which waits in the queue" in space("sweep", "show", "last").err, "the queue")
    until(lambda: shown(space)["status"] == "Completed", "the end", PATIENCE_S, told=lambda: str(shown(space)))
    assert re.search(f"{way}.*: the job goes on", Path(home_of(space).controller_log).read_text())
    found = shown(space)
    assert [trial["status"] for trial in found["trials"]] == ["Completed"] * 5
    jobs = [str(event["scheduler"]["job_id"]) for paths in trials_of(home_of(space)) for event in events.read(paths) if "agent" in event]
    assert len(jobs) == len(set(jobs)) == 5, "no trial was sent twice"
    assert sorted(Path(paths.run_dir).name.rpartition("_")[2] for paths in trials_of(home_of(space))) == list("01234")


def test_a_controllers_job_whose_time_is_nearly_up_before_it_begins_comes_back(space: Shell) -> None:
    """Slurm's signal comes while its `setup` runs, and nothing of it can take the signal yet."""
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    began, signalled = space.root / "began", space.root / "signalled"
    setup = f"touch '{began}'; until [ -e '{signalled}' ]; do sleep 0.1; done"
    own = [f"sweep.controller_job.{setting}" for setting in ("partition=short", "time_minutes=1", "signal_seconds=55")]
    search = words("sweep=bayes", "sweep.max_total_runs=2", "sweep.max_concurrent_runs=1", "+params.lr=uniform(0, 1)")
    answer = space(*search, "sweep.controller=job", *own, f"compute.setup=[{json.dumps(setup)}]")
    assert answer.code == 0, answer
    (job_id,) = slurm("squeue", "--noheader", "--format=%A", f"--name={home_of(space).run_id}_controller").split()
    until(began.exists, "its beginning")
    slurm("scancel", "--batch", "--signal=TERM", job_id)
    signalled.touch()
    until(lambda: shown(space)["status"] == "Completed", "the end", PATIENCE_S, told=lambda: str(shown(space)))
    assert "the job goes on after a while in the queue" in Path(home_of(space).controller_log).read_text()


def test_bayes_on_slurm_asks_for_a_number_of_jobs_at_a_time(space: Shell) -> None:
    answer = space(*words("sweep=bayes", "sweep.max_total_runs=5", "+params.lr=uniform(0, 1)"))
    assert (answer.code, "sweep.max_concurrent_runs" in answer.err) == (2, True), answer


def test_a_search_over_the_limit_of_jobs_waits_for_room_and_loses_no_trial(space: Shell) -> None:
    """The quality of service `few` lets a user have two jobs at a time (tests/testbed/slurm.sh)."""
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    search = words("sweep=bayes", "sweep.max_total_runs=4", "sweep.max_concurrent_runs=4", "+params.lr=uniform(0, 1)")
    answer = space(*search, "compute.qos=few")
    assert answer.code == 0, answer
    assert [trial["status"] for trial in shown(space)["trials"]] == ["Completed"] * 4


def test_a_search_that_has_ended_and_is_extended_by_a_job_is_not_over_while_the_job_waits(space: Shell) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    search = words("sweep=bayes", "sweep.max_total_runs=1", "sweep.max_concurrent_runs=1", "+params.lr=uniform(0, 1)")
    assert space(*search, "+sweep.controller_job.sbatch.begin=now+1hour").code == 0
    for total in (2, 3):
        answer = space("sweep", "extend", "last", f"sweep.max_total_runs={total}", "sweep.controller=job")
        assert answer.code == 0, answer
        assert (shown(space)["status"], space("wait", "last", "--timeout", "1").code) == ("Starting", 124)
        (job_id,) = re.findall(r"job (\d+) controls it", answer.err)
        slurm("scancel", job_id)
        until(lambda: shown(space)["status"] == "Completed", "the end of a job that will not come")
    answer = space("sweep", "resume", "last")
    assert answer.code == 0, answer
    assert [trial["status"] for trial in shown(space)["trials"]] == ["Completed"] * 3, "what was asked for is still known"


def test_who_waits_hears_that_slurm_is_silent_and_that_the_controllers_job_is_gone(space: Shell, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    search = words("sweep=bayes", "sweep.max_total_runs=5", "sweep.max_concurrent_runs=2", "+params.lr=uniform(0, 1)")
    held = ["sweep.controller=job", "+sweep.controller_job.sbatch.begin=now+1hour"]
    answer = space(*search, *held)
    assert answer.code == 0, answer
    sweep_id = answer.out.strip()
    child = space.start("wait", sweep_id, "--timeout", "15", env={"PATH": str(tmp_path)})
    silent = child.communicate()[1].decode().splitlines()
    assert (child.returncode, len(silent)) == (124, 2), silent
    assert "Queued: nobody tells whether its controller's job still waits: its scheduler does not answer, since " in silent[0]
    child = space.start("wait", sweep_id)
    slurm("scancel", f"--name={sweep_id}_controller")
    told = child.communicate(timeout=PATIENCE_S)[1].decode()
    assert child.returncode == 1, told
    assert f"`trainconf sweep resume {sweep_id}` goes on" in told
    assert "does not answer" not in told
