"""A pause of a sweep on a real cluster: what waits in the queue is held, what runs goes on, and a resume lets the others begin."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Shell
from tests.contract.slurm_runs import slurm, until
from tests.testbed.cluster import Cluster
from trainconf.files import read_lines
from trainconf.history import events
from trainconf.history.find import trials_of
from trainconf.paths import RunPaths

pytestmark = pytest.mark.slurm
SCRIPT = """
import os, sys, time
from trainconf import Run
values = dict(zip(sys.argv[1::2], sys.argv[2::2]))
Run.get_context().log("loss", float(values["--lr"]))
give_up_at = time.monotonic() + 300
while not os.path.exists(values["--gate"]) and time.monotonic() < give_up_at:
    time.sleep(0.05)
"""
SEARCH = ("metric.name=loss", "metric.goal=minimize", "sweep.seed=5")
ONE_AT_A_TIME = ("+compute.sbatch.nodelist=node1", "compute.exclusive=true")
SETTLED_S = 5.0  # several rounds of the scheduler, in which it would begin what is not held


@pytest.fixture
def space(shell: Shell, slurm_cluster: Cluster) -> Iterator[Shell]:
    """A workspace whose runs go to the cluster; what is left of them goes with it."""
    shell.env["SLURM_CONF"] = slurm_cluster.conf
    shell.write("train.py", SCRIPT)
    yield shell
    for record in (*shell.root.glob("runs/*/*/run.json"), *shell.root.glob("runs/*/*/sweep.json")):
        slurm("scancel", "--quiet", f"--name={record.parent.name}")


def words(space: Shell, *more: str) -> list[str]:
    return ["-m", "experiment=adhoc", "script=train.py", "env=current", "compute=slurm", f"+params.gate={space.root}/gate", *more]


def home_of(space: Shell) -> RunPaths:
    return RunPaths(str(next(space.root.glob("runs/*/*/sweep.json")).parent))


def states(space: Shell) -> list[str]:
    return [str((events.last(paths) or {}).get("state")) for paths in trials_of(home_of(space))]


def shown(space: Shell) -> dict[str, Any]:
    answer = space("sweep", "show", "last", "--json")
    assert answer.code == 0, answer
    found: dict[str, Any] = json.loads(answer.out)
    return found


def queue(space: Shell) -> list[tuple[str, str]]:
    """State, and whether it is held by its user, of each job and task of the sweep that is not over."""
    names = {home_of(space).run_id, *(paths.run_id for paths in trials_of(home_of(space)))}
    rows = slurm("squeue", "--noheader", "--array", f"--name={','.join(names)}", "--format=%T|%r").splitlines()
    return sorted((state, reason) for state, _, reason in (row.partition("|") for row in rows))


def deeds(space: Shell) -> list[str]:
    """What the journal says from the first pause on."""
    found = [line["deed"] for line in read_lines(home_of(space).journal) if line["deed"] in ("pause", "hold", "resume", "release")]
    return found[found.index("pause") :]


@pytest.mark.parametrize("kind", ["grid", "random", "policy"])
def test_the_tasks_of_an_array_are_held_and_let_go(space: Shell, kind: str) -> None:
    search = {
        "grid": ["+params.lr=0.1,0.2,0.3,0.4"],
        "random": [*SEARCH, "sweep=random", "sweep.max_total_runs=4", "+params.lr=uniform(0, 1)"],
        "policy": [*SEARCH, "sweep=random", "sweep.max_total_runs=4", "+params.lr=uniform(0, 1)", "sweep/policy=median"],
    }
    answer = space(*words(space, *search[kind], "sweep.max_concurrent_runs=1", "submit.detach=true"))
    assert answer.code == 0, answer
    until(lambda: states(space).count("Running") == 1, "the first trial", told=lambda: str(queue(space)))
    answer = space("sweep", "pause", "last")
    assert (answer.code, "held" in answer.err) == (0, True), answer
    held = [("PENDING", "JobHeldUser")] * 3
    until(lambda: queue(space)[:3] == held, "the hold", told=lambda: str(queue(space)))
    (space.root / "gate").write_text("")
    until(lambda: queue(space) == held, "the end of the first trial", told=lambda: str(queue(space)))
    time.sleep(SETTLED_S)
    assert queue(space) == held
    until(lambda: shown(space)["status"] == "Paused", "the pause", told=lambda: str(shown(space)))
    assert "paused: 3 trials that wait in the queue are held" in space("sweep", "show", "last").err
    waited = space("wait", "last")
    assert (waited.code, "paused; `trainconf sweep resume` goes on" in waited.err) == (130, True), waited
    assert "is held in Slurm" in space("show", "last:3").out
    answer = space("sweep", "resume", "last")
    assert answer.code == 0, answer
    waited = space("wait", "last")
    assert waited.code == 0, waited
    assert [trial["status"] for trial in shown(space)["trials"]] == ["Completed"] * 4
    assert deeds(space) == ["pause", "hold", "resume", "release"]


@pytest.mark.parametrize("way", ["ends", "is killed"])
def test_a_bayesian_search_that_is_paused_holds_its_jobs_whatever_becomes_of_its_controller(space: Shell, way: str) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    search = [*SEARCH, "sweep=bayes", "sweep.max_total_runs=3", "sweep.max_concurrent_runs=2", "+params.lr=uniform(0, 1)"]
    child = space.start(*words(space, *search, *ONE_AT_A_TIME))
    until(lambda: bool(list(space.root.glob("runs/*/*/sweep.json"))) and states(space).count("Running") == 1 and len(states(space)) == 2,
          "a trial that runs and one that waits")  # fmt: skip
    assert space("sweep", "pause", "last").code == 0
    held = ("PENDING", "JobHeldUser")
    until(lambda: held in queue(space), "the hold", told=lambda: str(queue(space)))
    if way == "is killed":
        child.kill()
        child.communicate()
    (space.root / "gate").write_text("")
    until(lambda: queue(space) == [held], "the end of the one that ran", told=lambda: str(queue(space)))
    if way == "ends":
        assert b"paused" in child.communicate(timeout=300)[1]
        assert child.returncode == 130, "it is not done"
    time.sleep(SETTLED_S)
    assert queue(space) == [held]
    assert shown(space)["status"] == "Paused"
    answer = space("sweep", "resume", "last")
    assert answer.code == 0, answer
    assert [trial["status"] for trial in shown(space)["trials"]] == ["Completed"] * 3
    assert deeds(space) == ["pause", "hold", "resume", "release"]
    jobs = [str(event["scheduler"]["job_id"]) for paths in trials_of(home_of(space)) for event in events.read(paths) if "agent" in event]
    assert len(jobs) == len(set(jobs)) == 3, "no trial was sent twice"


def test_a_sweep_that_is_paused_can_be_canceled(space: Shell) -> None:
    answer = space(*words(space, "+params.lr=0.1,0.2", "+compute.sbatch.begin=now+1hour", "submit.detach=true"))
    assert answer.code == 0, answer
    assert space("sweep", "pause", "last").code == 0
    until(lambda: queue(space) == [("PENDING", "JobHeldUser")] * 2, "the hold", told=lambda: str(queue(space)))
    assert space("cancel", "last").code == 0
    until(lambda: queue(space) == [], "an empty queue", told=lambda: str(queue(space)))
    assert space("wait", "last").code == 130
    assert shown(space)["status"] == "Canceled"
