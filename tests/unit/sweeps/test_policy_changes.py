"""Another policy for a search that has begun: `sweep resume SWEEP sweep.policy.slack_amount=0.3`, stopped or running."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Answer, Shell, wait_for
from tests.testbed.cluster import Cluster
from trainconf.files import is_locked
from trainconf.paths import RunPaths
from trainconf.sweeps.journal import request

Here = Callable[..., Answer]
SCRIPT = """
import os, sys, time
from trainconf import Run
lr, gate = (sys.argv[sys.argv.index(name) + 1] for name in ("--lr", "--gate"))
run = Run.get_context()
for n in range(6):
    run.log("score", float(lr))
give_up_at = time.monotonic() + 300
while not os.path.exists(gate) and time.monotonic() < give_up_at:
    time.sleep(0.02)
for n in range(3000):
    run.log("score", float(lr))
    time.sleep(0.02 if float(lr) < 0.5 else 0)  # the better one has come further wherever a weak one is judged, but for its first log
"""
LAX = ["sweep/policy=bandit", "sweep.policy.slack_amount=5", "sweep.policy.delay_evaluation=2"]


@pytest.fixture(autouse=True)
def _script(workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT)


def words(workspace: Shell, *more: str, lrs: str = "0.9,0.1") -> list[str]:
    metric = ["metric.name=score", "metric.goal=maximize", "grace_seconds=5"]
    gate = f"+params.gate={workspace.root}/gate"
    return ["-m", *workspace.script(*metric, gate, f"sweep.max_total_runs={len(lrs.split(','))}", f"+params.lr={lrs}", *more)]


def journal(workspace: Shell) -> list[dict[str, Any]]:
    found = sorted(workspace.root.glob("runs/*/*/journal.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    whole = found[-1].read_text().rpartition("\n")[0] if found else ""
    return [json.loads(line) for line in whole.splitlines()]


def deeds(workspace: Shell, deed: str) -> list[dict[str, Any]]:
    return [line for line in journal(workspace) if line["deed"] == deed]


def shown(here: Here) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(here("sweep", "show", "last", "--json").out)
    return found


def judged(workspace: Shell, *trials: int) -> bool:
    """Whether the policy has judged every log before the gate."""
    known: dict[str, int] = {}
    for line in deeds(workspace, "judged"):
        known.update(line["intervals"])
    return all(known.get(str(trial)) == 6 for trial in trials)


def test_a_running_search_takes_a_setting_of_its_policy(here: Here, workspace: Shell) -> None:
    child = workspace.start(*words(workspace, "sweep=grid", *LAX))
    wait_for(lambda: judged(workspace, 0, 1))
    answer = here("sweep", "resume", "last", "sweep.policy.slack_amount=0.3")
    assert (answer.code, "was told" in answer.err) == (0, True), answer
    wait_for(lambda: deeds(workspace, "policy"))
    assert not deeds(workspace, "stop"), "what was decided stays"
    (workspace.root / "gate").write_text("")
    child.communicate(timeout=300)
    found = shown(here)
    assert [trial["status"] for trial in found["trials"]] == ["Completed", "Canceled"]
    assert found["trials"][1]["stop"]["interval"] > 6
    assert math.isclose(found["trials"][1]["stop"]["bound"], 0.6)
    (change,) = found["policy_changes"]
    assert (change["from_trial"], change["settings"]["slack_amount"], change["settings"]["delay_evaluation"]) == (0, 0.3, 2)
    answer = here("sweep", "show", "last")
    assert "since trial 0: bandit, evaluation_interval=1, delay_evaluation=2, unit=log, slack_amount=0.3" in answer.err, answer


@pytest.mark.parametrize("kill", ["before", "while heard", "after"])
def test_a_search_whose_controller_was_killed_goes_on_by_the_other_policy(here: Here, workspace: Shell, kill: str) -> None:
    """Killed before the change: it is asked for when the search is resumed. Killed after it: the next controller finds it.

    Killed before it removed what was asked: nothing changes twice.
    """
    child = workspace.start(*words(workspace, "sweep=grid", *LAX))
    wait_for(lambda: judged(workspace, 0, 1))
    change = ["sweep.policy.slack_amount=0.3"]
    if kill != "before":
        assert here("sweep", "resume", "last", *change).code == 0
        wait_for(lambda: deeds(workspace, "policy"))
    child.kill()
    child.communicate()
    if kill == "while heard":
        (line,) = deeds(workspace, "policy")
        home = next(workspace.root.glob("runs/*/*/journal.jsonl")).parent
        request(RunPaths(str(home)), **{key: line[key] for key in ("deed", "settings", "metric")})
    (workspace.root / "gate").write_text("")
    answer = here("sweep", "resume", "last", *(change if kill == "before" else []))
    assert answer.code == 0, answer
    found = shown(here)
    assert [trial["status"] for trial in found["trials"]] == ["Completed", "Canceled"]
    assert found["trials"][1]["stop"]["interval"] > 6
    assert len(deeds(workspace, "policy")) == 1


def test_a_running_search_loses_its_policy(here: Here, workspace: Shell) -> None:
    child = workspace.start(*words(workspace, "sweep=grid", *LAX[:1], "sweep.policy.slack_amount=0.3", "sweep.policy.delay_evaluation=20"))
    wait_for(lambda: any(is_locked(str(path.with_name("controller.lock"))) for path in workspace.root.glob("runs/*/*/journal.jsonl")))
    assert here("sweep", "resume", "last", "sweep/policy=none").code == 0
    wait_for(lambda: deeds(workspace, "policy"))
    (workspace.root / "gate").write_text("")
    wait_for(lambda: deeds(workspace, "told"))
    assert [trial["status"] for trial in shown(here)["trials"]] == ["Completed", "Running"]
    assert here("sweep", "resume", "last", "sweep/policy=bandit", "sweep.policy.slack_amount=0.3").code == 0
    child.communicate(timeout=300)
    found = shown(here)
    assert [trial["status"] for trial in found["trials"]] == ["Completed", "Canceled"], "compared with one that ended before"
    assert [(change["from_trial"], change["settings"]["kind"]) for change in found["policy_changes"]] == [(0, "none"), (1, "bandit")]


def test_a_search_without_a_policy_gets_one(here: Here, workspace: Shell) -> None:
    child = workspace.start(*words(workspace, "sweep=grid", "sweep.shuffle=true", "sweep.seed=1", "submit.stream=false"))
    wait_for(lambda: [path.read_text().count("\n") for path in workspace.root.glob("runs/*/*_?/metrics.jsonl")] == [6, 6])
    child.kill()  # its agent has all trials
    child.communicate()
    assert here("sweep", "resume", "last", "--detach", "sweep/policy=bandit", "sweep.policy.slack_amount=0.3").code == 0
    wait_for(lambda: judged(workspace, 0, 1))
    (workspace.root / "gate").write_text("")
    wait_for(lambda: shown(here)["status"] == "Completed")
    found = shown(here)
    assert found["policy"] == "bandit"
    assert sorted(trial["status"] for trial in found["trials"]) == ["Canceled", "Completed"]


@pytest.mark.parametrize("is_killed", [False, True])
def test_another_policy_compares_with_what_earlier_sweeps_have_logged(here: Here, workspace: Shell, *, is_killed: bool) -> None:
    (workspace.root / "gate").write_text("")
    assert here(*words(workspace, "sweep=grid", *LAX, lrs="0.9,0.8")).code == 0
    (workspace.root / "gate").unlink()
    (earlier,) = (path.parent.name for path in workspace.root.glob("runs/*/*/sweep.json"))
    child = workspace.start(*words(workspace, "sweep=grid", *LAX, f"sweep.resume_from=[{earlier}]", lrs="0.1,0.2"))
    wait_for(lambda: len(list(workspace.root.glob("runs/*/*/sweep.json"))) == 2 and judged(workspace, 0, 1))
    if is_killed:
        child.kill()
        child.communicate()
    change = workspace.start("sweep", "resume", "last", "sweep.policy.slack_amount=0.3")
    wait_for(lambda: deeds(workspace, "policy"))
    (workspace.root / "gate").write_text("")
    child.communicate(timeout=300)
    change.communicate(timeout=300)
    assert [trial["status"] for trial in shown(here)["trials"]] == ["Canceled"] * 2
    assert [line["bound"] for line in deeds(workspace, "stop")] == [pytest.approx(0.6)] * 2


@pytest.mark.slurm
def test_an_array_of_a_cluster_takes_another_policy(here: Here, workspace: Shell, slurm_cluster: Cluster) -> None:
    workspace.env["SLURM_CONF"] = slurm_cluster.conf
    of_this_machine = ("compute.lease_dir=", "compute.slots=")
    search = [word for word in words(workspace, "sweep=grid", *LAX, "compute=slurm") if not word.startswith(of_this_machine)]
    child = workspace.start(*search)
    wait_for(lambda: judged(workspace, 0, 1))
    assert here("sweep", "resume", "last", "sweep.policy.slack_amount=0.3").code == 0
    wait_for(lambda: deeds(workspace, "policy"))
    (workspace.root / "gate").write_text("")
    child.communicate(timeout=300)
    assert [trial["status"] for trial in shown(here)["trials"]] == ["Completed", "Canceled"]


def test_all_mistakes_in_a_change_are_told_and_nothing_changes(here: Here, workspace: Shell) -> None:
    (workspace.root / "gate").write_text("")
    assert here(*words(workspace, "sweep=grid", *LAX, lrs="0.9,0.8")).code == 0
    before = journal(workspace)
    wrong = ["sweep.policy.slack_amnt=1", "sweep.policy.delay_evaluation=-1", "sweep.max_total_runs=0", "sweep.seed=3"]
    for detached in ([], ["--detach"]):
        answer = here("sweep", "resume", "last", *wrong, *detached)
        told = ["slack_amnt is not a setting", "sweep.policy.slack_amount", "delay_evaluation cannot be", "runs cannot be", "seed cannot"]
        assert (answer.code, [text for text in told if text not in answer.err]) == (2, []), answer
    answer = here("sweep", "resume", "last", "sweep.policy.slack_factor=0.1")
    assert (answer.code, "both are given" in answer.err, "sweep.policy.slack_amount=null" in answer.err) == (2, True, True), answer
    answer = here("sweep", "resume", "last", "sweep.policy.slack_amount=5")
    assert (answer.code, deeds(workspace, "policy")) == (0, []), "nothing changes"
    before = journal(workspace)
    answer = here("sweep", "resume", "last", "sweep/policy=bandti")
    assert (answer.code, "nearest" in answer.err and "sweep/policy=bandit" in answer.err) == (2, True), answer
    assert journal(workspace) == before


def test_a_policy_needs_a_metric_later_too(here: Here, workspace: Shell) -> None:
    (workspace.root / "gate").write_text("")
    search = words(workspace, "sweep=grid", "sweep.shuffle=true", "metric.name=null", lrs="0.9,0.8")
    assert here(*search).code == 0
    answer = here("sweep", "resume", "last", "sweep/policy=median")
    assert (answer.code, "compares trials by a metric" in answer.err) == (2, True), answer
