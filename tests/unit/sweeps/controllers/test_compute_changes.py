"""More time, memory or CPUs for the trials of a search that has begun: `sweep retry SWEEP compute.time_minutes=240`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Answer, Shell, wait_for
from tests.testbed.cluster import Cluster
from trainconf.files import read_lines
from trainconf.paths import RunPaths

Here = Callable[..., Answer]
SCRIPT = """
import os, sys, time
from trainconf import Run
Run.get_context().log("loss", 1)
give_up_at = time.monotonic() + 300
while not os.path.exists(sys.argv[sys.argv.index("--gate") + 1]) and time.monotonic() < give_up_at:
    time.sleep(0.02)
sys.exit(os.environ["TRAINCONF_RUN_ID"].endswith("_1"))
"""
LIMIT = "max_run_duration_seconds"


def words(workspace: Shell, *more: str, total: int = 2) -> list[str]:
    workspace.write("train.py", SCRIPT)
    gate = f"+params.gate={workspace.root}/gate"
    return ["-m", *workspace.script("sweep=random", f"sweep.max_total_runs={total}", "+params.lr=uniform(0, 1)", gate, *more)]


def plan(workspace: Shell, trial: str) -> dict[str, Any]:
    (path,) = workspace.root.glob(f"runs/*/*_{trial}/plan.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def slots(workspace: Shell, trial: str) -> int:
    taken: int = plan(workspace, trial)["slots"]["take"]
    return taken


@pytest.mark.parametrize("policy", [[], ["sweep/policy=median", "metric.name=loss", "metric.goal=minimize"]], ids=["none", "policy"])
def test_further_trials_and_those_that_run_again_have_what_was_asked_for_last(here: Here, workspace: Shell, policy: list[str]) -> None:
    (workspace.root / "gate").write_text("")
    assert here(*words(workspace, *policy)).code == 0
    answer = here("sweep", "retry", "last", "compute.cpus=2", f"{LIMIT}=77")
    assert f"compute.cpus, {LIMIT} hold for trials that are made from now on" in answer.err, answer
    assert (slots(workspace, "0"), slots(workspace, "1"), slots(workspace, "1.2")) == (1, 1, 2)
    assert here("sweep", "extend", "last", "sweep.max_total_runs=3").code == 0
    assert (slots(workspace, "2"), plan(workspace, "2")[LIMIT]) == (2, 77), "it holds on"
    assert here("sweep", "extend", "last", "sweep.max_total_runs=4", "compute.cpus=1").code == 0
    assert (slots(workspace, "3"), plan(workspace, "3")[LIMIT]) == (1, 77)
    assert f"compute.cpus is 1 already, {LIMIT} is 77 already" in here("sweep", "resume", "last", "compute.cpus=1", f"{LIMIT}=77").err


def test_a_controller_that_is_there_hears_of_it(here: Here, workspace: Shell) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    child = workspace.start(*words(workspace, "sweep=bayes", "metric.name=loss", "metric.goal=minimize", "sweep.max_concurrent_runs=1"))
    wait_for(lambda: list(workspace.root.glob("runs/*/*_0/logs/std_log.txt")))
    assert "was told" in here("sweep", "resume", "last", "compute.cpus=2").err
    (path,) = workspace.root.glob("runs/*/*/sweep.json")
    home = RunPaths(str(path.parent))
    wait_for(lambda: [line for line in read_lines(home.journal) if line["deed"] == "compute"])
    (workspace.root / "gate").write_text("")
    child.communicate(timeout=300)
    assert (slots(workspace, "0"), slots(workspace, "1")) == (1, 2)


def test_what_no_trial_can_have_and_what_is_the_sweeps_is_refused(here: Here, workspace: Shell) -> None:
    (workspace.root / "gate").write_text("")
    here(*words(workspace))
    answer = here("sweep", "resume", "last", "compute.cpsu=1", "compute.pack=3", "compute=slurm")
    told = ["compute.cpsu is not a setting", "nearest  compute.cpus", "compute.pack cannot be changed", "compute cannot be changed"]
    assert (answer.code, [text for text in told if text not in answer.err]) == (2, []), answer
    assert "++" not in answer.err, answer
    answer = here("sweep", "extend", "last", "sweep.max_total_runs=3", "compute.cpus=1000")
    assert (answer.code, "compute.cpus=1000, but this machine has" in answer.err) == (2, True), answer
    assert "sweep.max_total_runs" not in json.loads(here("sweep", "show", "last", "--json").out)
    assert len(list(workspace.root.glob("runs/*/*_[0-9]"))) == 2


@pytest.mark.slurm
def test_a_job_of_a_cluster_gets_more_time(here: Here, workspace: Shell, slurm_cluster: Cluster) -> None:
    workspace.env["SLURM_CONF"] = slurm_cluster.conf
    (workspace.root / "gate").write_text("")
    of_this_machine = ("compute.lease_dir=", "compute.slots=")
    here(*(word for word in words(workspace, "compute=slurm", "compute.time_minutes=3") if not word.startswith(of_this_machine)))
    here("sweep", "retry", "last", "compute.time_minutes=7")
    assert [plan(workspace, trial)["batch"]["options"]["time"] for trial in ("1", "1.2")] == [3, 7]
