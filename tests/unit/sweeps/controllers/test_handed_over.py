"""Sweeps whose trials an agent has from the beginning: they are paused, and go on after the machine went down."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, Shell, wait_for
from tests.unit.sweeps.controllers.test_one_controller import POLICY, SCRIPT
from trainconf.files import FileLock, is_locked, read_lines
from trainconf.history import events, liveness
from trainconf.paths import RunPaths
from trainconf.sweeps import searching
from trainconf.sweeps.presence import presence

Here = Callable[..., Answer]
RANDOM = ["sweep=random", "+params.lr=uniform(0, 1)"]


@pytest.fixture(autouse=True)
def _script(workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT)


def begin(here: Here, workspace: Shell, *more: str, waits: Sequence[str] = ("NotStarted",) * 3) -> RunPaths:
    """A sweep of four trials, of which the first runs."""
    detached = ["sweep.max_total_runs=4", "sweep.max_concurrent_runs=1", "submit.detach=true", "metric.name=loss"]
    answer = here("-m", *workspace.script(*detached, f"+params.gate={workspace.root}/gate", *more))
    assert answer.code == 0, answer
    (found,) = workspace.root.glob("runs/*/*/sweep.json")
    wait_for(lambda: statuses(here) == ["Running", *waits])
    return RunPaths(str(found.parent))


def shown(here: Here) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(here("sweep", "show", "last", "--json").out)
    return found


def statuses(here: Here) -> list[str]:
    return [trial["status"] for trial in shown(here)["trials"]]


def kill_all(home: RunPaths) -> None:
    """What a machine that goes down leaves: nobody, and no last word."""
    agents = [event["agent"] for event in events.read(home) if "agent" in event]
    watchdogs = [liveness.identity(int(Path(f"/proc/{who['pid']}/stat").read_text().rpartition(")")[2].split()[1])) for who in agents]
    trials = [RunPaths(str(path)) for path in Path(home.run_dir).parent.glob(f"{home.run_id}_*")]
    ranks = [{**agents[0], **rank} for paths in trials for event in events.read(paths) for rank in event.get("ranks", ())]
    here = []
    if is_locked(home.controller_lock):  # the command that has started the controller is gone, or is this process
        wait_for(lambda: (now := presence(home)) is not None and now.pid != os.getpid())
        controller = presence(home)
        assert controller is not None
        here = [liveness.identity(controller.pid)]
    for who in [*here, *watchdogs, *agents, *ranks]:
        if liveness.is_alive(who):
            os.kill(who["pid"], signal.SIGKILL)
    wait_for(lambda: not is_locked(home.lock) and not is_locked(home.controller_lock))


def pause(here: Here, home: RunPaths) -> None:
    """Pause the sweep, and let the trial that runs come to its end."""
    answer = here("sweep", "pause", "last")
    assert (answer.code, "are held" in answer.err) == (0, True), answer
    wait_for(lambda: os.path.exists(home.held))
    (Path(home.workspace.root) / "gate").write_text("")


@pytest.mark.parametrize("more", [RANDOM, [*RANDOM, *POLICY], ["+params.lr=1,2,3,4"]])
def test_it_is_paused_and_goes_on(here: Here, workspace: Shell, more: list[str]) -> None:
    pause(here, begin(here, workspace, *more))
    wait_for(lambda: statuses(here) == ["Completed", *["NotStarted"] * 3])
    assert here("wait", "last").code == 130
    assert shown(here)["status"] == "Paused"
    assert here("sweep", "resume", "last", "--detach").code == 0
    assert here("wait", "last").code == 0
    assert statuses(here) == ["Completed"] * 4


def test_a_trial_that_waits_for_a_slot_leaves_the_line_of_a_paused_sweep(here: Here, workspace: Shell) -> None:
    home = begin(here, workspace, *RANDOM, "compute.slots=1", "sweep.max_concurrent_runs=2", waits=["Queued", "NotStarted", "NotStarted"])
    pause(here, home)
    wait_for(lambda: statuses(here)[0] == "Completed")
    waits = events.last(RunPaths(f"{home.run_dir}_1"))
    assert waits is not None
    assert (waits["state"], waits["waiting_for"]) == ("Queued", "resume")
    assert here("sweep", "resume", "last", "--detach").code == 0
    assert here("wait", "last").code == 0
    assert statuses(here) == ["Completed"] * 4
    assert [event["attempt"] for event in events.read(RunPaths(f"{home.run_dir}_1"))][-1] == 1, "it had never begun"


def test_a_retry_of_a_paused_search_loses_no_trial_that_waits_although_its_agent_goes(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes after the new controller has seen that it has all trials, and before that one gives it another."""
    workspace.write("train.py", SCRIPT + "sys.exit(3 if os.environ['TRAINCONF_RUN_ID'].endswith('_0') else 0)\n")
    home = begin(here, workspace, *RANDOM, *POLICY, "grace_seconds=1")
    pause(here, home)
    assert here("wait", "last").code == 130
    wait_for(lambda: not is_locked(home.controller_lock))
    real = searching.open_pool

    def open_pool(*args: Any) -> Any:
        kill_agent(home)
        wait_for(lambda: not is_locked(home.lock))
        return real(*args)

    monkeypatch.setattr(searching, "open_pool", open_pool)
    assert here("sweep", "retry", "last").code == 0
    assert statuses(here) == ["Completed"] * 4
    assert [line["number"] for line in read_lines(home.journal) if line["deed"] == "again"] == [0]


def test_a_paused_sweep_is_cancelled(here: Here, workspace: Shell) -> None:
    home = begin(here, workspace, *RANDOM)
    pause(here, home)
    wait_for(lambda: statuses(here)[0] == "Completed")
    assert here("sweep", "cancel", "last").code == 0
    wait_for(lambda: not is_locked(home.lock))
    assert statuses(here) == ["Completed", *["Canceled"] * 3]
    assert here("sweep", "retry", "last", "--only", "canceled").code == 0, "nothing is held any more"
    assert statuses(here) == ["Completed"] * 4


@pytest.mark.parametrize("kind", [["sweep=bayes", "+params.lr=uniform(0, 1)"], [*RANDOM, *POLICY]], ids=["bayes", "policy"])
def test_a_paused_search_whose_controller_has_gone_is_cancelled(here: Here, workspace: Shell, kind: list[str]) -> None:
    if "sweep=bayes" in kind:
        pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    home = begin(here, workspace, *kind, waits=[] if "sweep=bayes" in kind else ["NotStarted"] * 3)
    assert here("sweep", "pause", "last").code == 0
    wait_for(lambda: "sweep=bayes" in kind or os.path.exists(home.held))
    (workspace.root / "gate").write_text("")
    assert here("wait", "last").code == 130
    wait_for(lambda: not is_locked(home.controller_lock))
    assert shown(here)["status"] == "Paused"
    canceled = here("sweep", "cancel", "last")
    assert (canceled.code, "had already ended" in canceled.err, "paused" in canceled.err) == (0, False, False), canceled
    waited = here("wait", "last")
    assert (waited.code, "Canceled: cancellation was requested by" in waited.err) == (130, True), waited
    assert shown(here)["status"] == "Canceled"
    goes_on = here("sweep", "retry", "last", "--only", "canceled") if "sweep=bayes" not in kind else here("sweep", "resume", "last")
    assert (goes_on.code, statuses(here)) == (0, ["Completed"] * 4), goes_on


@pytest.mark.parametrize("is_paused", [False, True])
@pytest.mark.parametrize("more", [RANDOM, [*RANDOM, *POLICY]])
def test_it_goes_on_after_the_machine_went_down(here: Here, workspace: Shell, more: list[str], is_paused: bool) -> None:
    home = begin(here, workspace, *more)
    if is_paused:
        pause(here, home)
        wait_for(lambda: statuses(here)[0] == "Completed")
    kill_all(home)
    (workspace.root / "gate").write_text("")
    assert here("sweep", "resume", "last").code == 0
    assert statuses(here) == ["Completed" if is_paused else "NotResponding", *["Completed"] * 3]
    asked = [line["number"] for line in read_lines(home.journal) if line["deed"] == "ask"]
    assert asked == [0, 1, 2, 3], "no number is given twice"
    if not is_paused:
        assert here("sweep", "retry", "last", "--only", "lost").code == 0
        assert statuses(here) == ["Completed"] * 4


def test_a_search_goes_on_with_another_agent_when_its_own_is_killed(here: Here, workspace: Shell) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    home = begin(here, workspace, "sweep=bayes", "+params.lr=uniform(0, 1)", "grace_seconds=1", waits=[])
    kill_agent(home)
    wait_for(lambda: statuses(here)[:2] == ["NotResponding", "Running"])
    (workspace.root / "gate").write_text("")
    assert here("wait", "last").code == 0
    assert statuses(here) == ["NotResponding", *["Completed"] * 3], "no trial was spent on an agent that is gone"
    assert here("sweep", "retry", "last", "--only", "lost").code == 0
    assert statuses(here) == ["Completed"] * 4


def test_a_search_whose_agent_has_all_trials_loses_none_that_waits_when_it_is_killed(here: Here, workspace: Shell) -> None:
    home = begin(here, workspace, *RANDOM, *POLICY, "grace_seconds=1")
    wait_for(lambda: any(line["deed"] == "resume" for line in read_lines(home.journal)))  # its controller, which goes on for the first time
    kill_agent(home)
    wait_for(lambda: f"hint: trainconf sweep resume {home.run_id}\n" in Path(home.controller_log).read_text())
    assert "the agent that had the sweep's trials is gone" in Path(home.controller_log).read_text()
    (workspace.root / "gate").write_text("")
    assert here("sweep", "resume", "last").code == 0
    assert statuses(here) == ["NotResponding", *["Completed"] * 3]


@pytest.mark.parametrize("kind", [["sweep=bayes", "+params.lr=uniform(0, 1)"], [*RANDOM, *POLICY]], ids=["bayes", "policy"])
def test_a_search_whose_agent_is_killed_over_its_last_trial_ends_in_one_way(here: Here, workspace: Shell, kind: list[str]) -> None:
    if "sweep=bayes" in kind:
        pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    home = begin(here, workspace, *kind, "grace_seconds=1", "sweep.max_total_runs=1", waits=[])
    kill_agent(home)
    waited = here("wait", "last")
    assert (waited.code, f"{home.run_id} Failed: no trial completed" in waited.err) == (1, True), waited
    assert shown(here)["status"] == "Failed"


def test_the_best_is_the_best_of_all_that_have_ended_though_a_controller_was_killed(here: Here, workspace: Shell) -> None:
    (workspace.root / "gate").write_text("")
    search = [*RANDOM, *POLICY, "sweep.max_total_runs=3", "sweep.max_concurrent_runs=1", "sweep.seed=3", "metric.goal=minimize"]
    assert here("-m", *workspace.script(*search, "metric.name=loss", f"+params.gate={workspace.root}/gate")).code == 0
    values = [trial["value"] for trial in shown(here)["trials"]]
    assert min(values) < values[0]
    (home,) = workspace.root.glob("runs/*/*/sweep.json")
    lines = (home.parent / "journal.jsonl").read_text().splitlines(keepends=True)
    first_told = next(number for number, line in enumerate(lines) if '"deed":"told"' in line)
    (home.parent / "journal.jsonl").write_text("".join(lines[: first_told + 1]))
    assert shown(here)["best"]["value"] == min(values)


def test_a_search_without_a_controller_is_not_done_when_its_agent_is_killed(here: Here, workspace: Shell) -> None:
    home = begin(here, workspace, *RANDOM, "grace_seconds=1")
    kill_agent(home)
    waited = here("wait", "last")
    assert waited.code == 1, waited
    wait_for(lambda: statuses(here) == ["NotResponding"] * 4)
    found = shown(here)
    assert found["failure"] == f"3 of its trials had not begun when their agent went; `trainconf sweep resume {home.run_id}` goes on"
    (workspace.root / "gate").write_text("")
    assert here("sweep", "resume", "last").code == 0
    assert (shown(here)["failure"], statuses(here)) == ("", ["NotResponding", *["Completed"] * 3])


def kill_agent(home: RunPaths) -> None:
    """Its watchdog ends what it leaves."""
    who = next(event["agent"] for event in events.read(home) if "agent" in event)
    os.kill(who["pid"], signal.SIGKILL)


def test_it_is_extended_while_its_last_trial_runs(here: Here, workspace: Shell) -> None:
    home = begin(here, workspace, *RANDOM, "sweep.max_total_runs=1", waits=[])
    opens = threading.Thread(target=open_gate_when_extended, args=(home,))
    opens.start()
    answer = here("sweep", "extend", "last", "sweep.max_total_runs=3")
    opens.join()
    assert answer.code == 0, answer
    assert statuses(here) == ["Completed"] * 3, "its agent had all there was to be"
    assert shown(here)["status"] == "Completed"


def test_it_is_extended_while_its_controller_watches(here: Here, workspace: Shell) -> None:
    begin(here, workspace, *RANDOM, *POLICY, "sweep.max_total_runs=1", waits=[])
    answer = here("sweep", "resume", "last", "sweep.max_concurrent_runs=3")
    assert (answer.code, "sweep.max_concurrent_runs holds for further trials of" in answer.err) == (0, True), answer
    answer = here("sweep", "extend", "last", "sweep.max_total_runs=3", "--detach")
    assert answer.code == 0, answer
    (workspace.root / "gate").write_text("")
    wait_for(lambda: statuses(here) == ["Completed"] * 3)
    assert here("wait", "last").code == 0
    assert shown(here)["status"] == "Completed"


def open_gate_when_extended(home: RunPaths) -> None:
    """Let the trial end when somebody controls the sweep, who has nothing to add before that."""
    wait_for(lambda: any(line["deed"] == "budget" for line in read_lines(home.journal)))
    (Path(home.workspace.root) / "gate").write_text("")


def test_a_trial_of_an_agent_that_is_gone_does_not_run_although_another_agent_has_the_sweep(here: Here, workspace: Shell) -> None:
    home = begin(here, workspace, *RANDOM)
    kill_all(home)
    lock = FileLock(home.lock)
    lock.acquire()
    events.append(home, "Running", agent=liveness.identity())
    assert statuses(here) == ["NotResponding", *["NotStarted"] * 3], "the three wait for whoever has the lock"
    lock.release()


def test_a_plain_grid_that_was_paused_when_the_machine_went_down_says_how_to_go_on(here: Here, workspace: Shell) -> None:
    home = begin(here, workspace, "+params.lr=1,2,3,4")
    pause(here, home)
    wait_for(lambda: statuses(here)[0] == "Completed")
    kill_all(home)
    answer = here("sweep", "resume", "last")
    assert answer.code != 0
    assert "the agent that its trials wait for is gone" in answer.err
    assert f"trainconf rerun --where 'sweep == \"{home.run_id}\" and status == NotResponding'" in answer.err
    again = here("rerun", "--where", f'sweep == "{home.run_id}" and status == NotResponding')
    assert again.code == 0, again
    assert [here("wait", run).code for run in again.out.split()] == [0, 0, 0]
