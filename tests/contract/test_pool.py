"""The trials of a sweep: one agent, so many at a time, in order; cancelled one by one or all; true after any kill."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.contract.agents import agent_of, kill_agent
from trainconf import files
from trainconf.agent.processes import tree
from trainconf.errors import StorageError
from trainconf.history import events, liveness
from trainconf.launchers.machine import sweep as module
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.machine.sweep import TrialPool
from trainconf.launchers.protocol import LaunchPlan, RunHandle
from trainconf.paths import RunPaths
from trainconf.testing import SweepContract
from trainconf.testing.runs import make_job, make_run_dir, shell, wait_until
from trainconf.testing.sweeps import times


@pytest.fixture
def home(tmp_path: Path) -> RunPaths:
    folder = tmp_path / "runs" / "exp" / "sweep-1"
    folder.mkdir(parents=True)
    return RunPaths(str(folder))


def trial(root: Path, number: int, home: RunPaths, text: str, **more: object) -> LaunchPlan:
    job = make_job(str(root), shell(text), run_id=f"trial-{number}", **more)  # type: ignore[arg-type]
    make_run_dir(job, home.lock)
    events.append(job.paths, "NotStarted")
    return LocalLauncher().plan(job)


def start(home: RunPaths, limit: int) -> TrialPool:
    files.write_atomic(home.sweep, json.dumps({"max_concurrent_runs": limit}))
    lock = files.FileLock(home.lock)
    lock.acquire()
    return LocalLauncher().pool(home, lock, {}, {}, limit)


def state(plan: LaunchPlan) -> str:
    return liveness.state_of(RunPaths(plan.run_dir)).status


class TestLocalSweeps(SweepContract):
    @pytest.fixture
    def launcher(self) -> LocalLauncher:
        return LocalLauncher()


def test_trials_start_in_their_order(tmp_path: Path, home: RunPaths) -> None:
    plans = [trial(tmp_path, n, home, f"sleep 0.0{n % 3}") for n in range(9)]
    pool = start(home, 2)
    pool.add(plans)
    pool.close()
    pool.wait()
    assert times(plans, "Starting") == sorted(times(plans, "Starting"))


def test_a_short_trial_does_not_wait_for_a_long_one(tmp_path: Path, home: RunPaths) -> None:
    gate = tmp_path / "go"
    plans = [trial(tmp_path, 0, home, f"while ! test -e '{gate}'; do sleep 0.02; done")]
    plans += [trial(tmp_path, n, home, "true") for n in range(1, 5)]
    pool = start(home, 2)
    pool.add(plans)
    wait_until(lambda: all(state(plan) == "Completed" for plan in plans[1:]), "the short trials")
    assert state(plans[0]) == "Running"
    gate.touch()
    pool.close()
    assert pool.wait().status == "Completed"


def test_trials_may_come_while_others_run(tmp_path: Path, home: RunPaths) -> None:
    pool = start(home, 2)
    for n in range(3):
        plan = trial(tmp_path, n, home, "true")
        pool.add([plan])
        wait_until(lambda plan=plan: state(plan) == "Completed", "the trial")
    pool.close()
    assert pool.wait().status == "Completed"


def test_what_one_trial_leaves_behind_is_ended_and_the_others_are_not_touched(tmp_path: Path, home: RunPaths) -> None:
    gate = tmp_path / "go"
    plans = [
        trial(tmp_path, 0, home, f"(while ! test -e '{gate}'; do sleep 0.02; done; echo whole) & wait"),
        trial(tmp_path, 1, home, "setsid -f sleep 600; sleep 600 & exit 0"),
    ]
    pool = start(home, 2)
    pool.add(plans)
    pool.close()
    wait_until(lambda: state(plans[1]) == "Completed", "the second")
    assert not tree.processes_with_run_id(plans[1].run_id)
    gate.touch()
    assert pool.wait().status == "Completed"
    assert Path(RunPaths(plans[0].run_dir).log(0)).read_text() == "whole\n"


def test_when_the_writer_of_trials_is_killed_what_it_gave_is_carried_out_and_the_sweep_has_failed(tmp_path: Path, home: RunPaths) -> None:
    plans = [trial(tmp_path, n, home, "true") for n in range(2)]
    pid = os.fork()
    if pid == 0:
        start(home, 1).add(plans)
        signal.pause()
    wait_until(lambda: all(state(plan) == "Completed" for plan in plans), "the trials")
    assert files.is_locked(home.lock)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    files.wait_unlocked(home.lock)
    found = liveness.state_of(home)
    assert (found.status, found.reason) == ("Failed", "its submitter was ended before it had handed over all trials")


def test_when_the_agent_is_killed_trials_are_not_responding_and_the_sweep_can_be_cancelled(tmp_path: Path, home: RunPaths) -> None:
    plans = [trial(tmp_path, n, home, "sleep 600", grace_s=0.2) for n in range(3)]
    pool = start(home, 1)
    pool.add(plans)
    wait_until(lambda: state(plans[0]) == "Running", "the first")
    kill_agent(pool.handle)
    assert pool.wait().status == "NotResponding"
    assert [state(plan) for plan in plans] == ["NotResponding"] * 3
    LocalLauncher().cancel(RunHandle(home))
    assert [state(plan) for plan in plans] == ["Canceled"] * 3
    assert not tree.processes_with_run_id(plans[0].run_id)


def test_waiting_for_a_trial_returns_while_the_sweep_goes_on(tmp_path: Path, home: RunPaths) -> None:
    plans = [trial(tmp_path, 0, home, "exit 3"), trial(tmp_path, 1, home, "sleep 600")]
    pool = start(home, 2)
    pool.add(plans)
    found = LocalLauncher().wait(RunHandle(RunPaths(plans[0].run_dir)))
    assert (found.status, found.event["exit_code"]) == ("Failed", 3)
    pool.cancel(force=True)
    pool.wait()


def test_a_line_that_is_no_trial_is_passed_over(tmp_path: Path, home: RunPaths) -> None:
    plan = trial(tmp_path, 0, home, "true")
    pool = start(home, 1)
    with open(home.trials, "ab") as stream:
        stream.write(b'not json\n[]\n{"other": 1}\n')
    pool.add([plan])
    pool.close()
    assert pool.wait().status == "Completed"
    assert state(plan) == "Completed"
    assert "is passed over" in Path(home.agent_log).read_text()


def test_an_agent_sleeps_while_it_waits_for_trials(home: RunPaths) -> None:
    pool = start(home, 1)
    wait_until(lambda: os.path.exists(home.events), "the agent")
    time.sleep(0.2)
    before = Path(f"/proc/{agent_of(pool.handle)}/stat").read_text().rpartition(")")[2].split()
    assert before[0] == "S"
    wakes = [line for line in Path(f"/proc/{agent_of(pool.handle)}/status").read_text().splitlines() if "ctxt" in line]
    time.sleep(0.5)
    assert wakes == [line for line in Path(f"/proc/{agent_of(pool.handle)}/status").read_text().splitlines() if "ctxt" in line]
    pool.close()
    pool.wait()


def test_a_sweep_has_one_feeder_and_one_that_cannot_begin_lets_go(home: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.0)
    files.write_atomic(home.sweep, json.dumps({"max_concurrent_runs": 1}))
    feeder, agent = files.FileLock(home.trials), files.FileLock(home.lock)
    feeder.acquire()
    with pytest.raises(StorageError, match="fed by somebody else"):
        LocalLauncher().open_pool(home, {})
    feeder.release()
    os.makedirs(home.held)  # which cannot be removed as a file
    with pytest.raises(StorageError, match="cannot be prepared"):
        LocalLauncher().open_pool(home, {})
    assert feeder.acquire(blocking=False)
    assert agent.acquire(blocking=False)
