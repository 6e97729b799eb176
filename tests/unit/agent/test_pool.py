"""The pool with runs that are no processes: what is started, what is told to whom, and what the agent ends with."""

from __future__ import annotations

import _thread
import json
import os
from pathlib import Path
from typing import Any

import pytest

from trainconf import files
from trainconf.agent import pool
from trainconf.agent.outcome import Outcome
from trainconf.agent.pool import OneRun, Pool, Trials, has_unsent, trial_at
from trainconf.agent.processes import tree
from trainconf.agent.processes.watchdog import Watchdog
from trainconf.history import events
from trainconf.paths import RunPaths

COMPLETED = Outcome("Completed", 0)
FAILED = Outcome("Failed", 3, "exit code 3")
PREEMPTED = Outcome("Canceled", None, "preempted", may_requeue=True)


class FakeRun:
    """Stands for a RunSupervisor."""

    made: list[FakeRun]

    def __init__(self, paths: RunPaths, *_: Any) -> None:
        self.paths = paths
        self.rank_group = None
        self.is_over = self.events_lost = self.is_in_line = False
        self.deadline: float | None = None
        self.end: Outcome | None = None
        self.done: list[Any] = []
        FakeRun.made.append(self)

    def begin(self) -> None:
        self.done.append("begin")

    def tick(self) -> None:
        self.done.append("tick")

    def read_cancel_request(self) -> None:
        self.done.append("cancel?")

    def stop(self, end: Outcome, *, force: bool) -> None:
        self.done.append((end.state, end.reason, force))
        self.ends(end)

    def cannot_requeue(self, why: str) -> None:
        self.done.append(why)

    def withdraw(self) -> bool:
        self.is_over |= self.is_in_line
        return self.is_in_line

    def ends(self, end: Outcome) -> None:
        self.end, self.is_over = end, True


class FakeJob:
    may_requeue = True
    refusal = ""

    def requeue(self) -> str:
        return self.refusal


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch) -> list[FakeRun]:
    FakeRun.made = []
    monkeypatch.setattr(pool, "RunSupervisor", FakeRun)
    monkeypatch.setattr(tree, "become_subreaper", lambda: False)
    monkeypatch.setattr(_thread, "start_new_thread", lambda *_: None)  # nobody waits for the writer
    return FakeRun.made


class Sweep:
    def __init__(self, folder: Path, limit: int) -> None:
        self.home = RunPaths(str(folder / "sweep"))
        os.makedirs(self.home.run_dir)
        files.write_atomic(self.home.sweep, json.dumps({"max_concurrent_runs": limit}))
        self.lock = files.FileLock(self.home.trials)
        self.lock.acquire()
        self.feed = Trials(self.home)
        self.pool = Pool(self.feed, None, Watchdog())

    def write(self, *lines: str) -> None:
        with open(self.home.trials, "a") as stream:
            stream.writelines(lines)
        self.pool.read_cancel_request()
        self.pool.fill()

    def trial(self, name: str) -> str:
        return json.dumps({"run_dir": os.path.join(os.path.dirname(self.home.run_dir), name)}) + "\n"


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path, 2)


def names(runs: list[FakeRun]) -> list[str]:
    return [run.paths.run_id for run in runs]


def test_trials_start_in_order_and_the_next_one_when_one_ends(sweep: Sweep, runs: list[FakeRun]) -> None:
    sweep.write(*(sweep.trial(name) for name in "abc"))
    assert (names(runs), [run.done for run in runs]) == (["a", "b"], [["begin"], ["begin"]])
    runs[0].ends(COMPLETED)
    sweep.pool.fill()
    assert names(runs) == ["a", "b", "c"]
    for run in runs:
        run.ends(COMPLETED)
    sweep.pool.fill()
    assert not sweep.pool.is_done(), "more may come"
    sweep.write('{"end": true}\n')
    assert not sweep.pool.is_done(), "its writer is still there"
    sweep.lock.release()
    assert sweep.pool.is_done()
    assert (sweep.feed.end, sweep.pool.exit_code()) == ({"end": True}, 0)
    assert not sweep.lock.acquire(blocking=False), "no other writer may come now"


def test_another_writer_goes_on_after_the_end(sweep: Sweep, runs: list[FakeRun]) -> None:
    sweep.write(sweep.trial("a"), '{"end": true}\n')
    sweep.lock.release()
    assert not sweep.pool.is_done(), "it runs"
    assert sweep.lock.acquire(blocking=False), "somebody extends the sweep"
    runs[0].ends(COMPLETED)
    sweep.pool.fill()
    assert not sweep.pool.is_done(), "more may come"
    sweep.write(sweep.trial("b"))
    assert names(runs) == ["a", "b"]
    assert sweep.feed.end is None, "were this writer killed, it would not have said the end"
    runs[1].ends(COMPLETED)
    sweep.pool.fill()
    sweep.write('{"end": true, "state": "Failed"}\n')
    sweep.lock.release()
    assert sweep.pool.is_done()
    assert sweep.feed.end == {"end": True, "state": "Failed"}


def test_a_held_sweep_starts_nothing_and_takes_back_what_waits_in_line(sweep: Sweep, runs: list[FakeRun]) -> None:
    sweep.write(*(sweep.trial(name) for name in "abc"), '{"end": true}\n')
    sweep.lock.release()
    runs[1].is_in_line = True
    Path(sweep.home.held).touch()
    sweep.write()
    assert runs[1].is_over
    runs[0].ends(COMPLETED)
    sweep.pool.fill()
    assert (names(runs), sweep.pool.is_done()) == (["a", "b"], False)
    os.unlink(sweep.home.held)
    sweep.write()
    assert names(runs) == ["a", "b", "b", "c"], "before those that were never taken"


def test_a_line_counts_when_it_is_whole_and_one_that_is_none_is_passed_over(sweep: Sweep, runs: list[FakeRun]) -> None:
    line = sweep.trial("a")
    sweep.write("3\n", "{\n", "{}\n", line[:10])
    assert runs == []
    sweep.write(line[10:])
    assert names(runs) == ["a"]


def test_a_sweep_whose_writer_was_killed_has_no_end_of_its_list(sweep: Sweep, runs: list[FakeRun]) -> None:
    sweep.write(sweep.trial("a"))
    runs[0].ends(COMPLETED)
    sweep.lock.release()
    sweep.feed._writer_gone = True
    sweep.pool.read_cancel_request()
    sweep.pool.fill()
    assert sweep.pool.is_done()
    assert sweep.feed.end is None


def test_a_trial_that_is_canceled_before_its_turn_never_begins(sweep: Sweep, runs: list[FakeRun]) -> None:
    paths = RunPaths(json.loads(sweep.trial("c"))["run_dir"])
    os.makedirs(paths.run_dir)
    files.write_atomic(paths.cancel_request(force=False), "{}")
    sweep.write(*(sweep.trial(name) for name in "abc"))
    sweep.pool.read_cancel_request()
    (third,) = (run for run in runs if run.paths.run_id == "c")
    assert third.done[0] == ("Canceled", "cancellation was requested", False)


def test_stopping_all_cancels_what_waits_too_and_takes_nothing_more(sweep: Sweep, runs: list[FakeRun]) -> None:
    sweep.write(*(sweep.trial(name) for name in "abc"))
    sweep.pool.stop_all(Outcome("Canceled", None, "enough"), force=True)
    assert {run.paths.run_id: run.done[-1] for run in runs} == {
        "a": ("Canceled", "enough", True), "b": ("Canceled", "enough", True), "c": ("Canceled", "enough", True),
    }  # fmt: skip
    sweep.pool.fill()
    assert sweep.pool.is_done()
    assert not sweep.pool.is_interrupted


def test_what_has_not_started_waits_on_when_the_rest_goes_on_later(sweep: Sweep, runs: list[FakeRun]) -> None:
    sweep.write(*(sweep.trial(name) for name in "abc"))
    sweep.pool.job = FakeJob()  # type: ignore[assignment]
    sweep.pool.stop_all(PREEMPTED, force=False)
    sweep.pool.fill()
    assert names(runs) == ["a", "b"]
    assert sweep.pool.is_interrupted
    assert sweep.pool.requeue()


def test_a_job_that_is_not_requeued_is_the_end_of_its_interrupted_runs(tmp_path: Path, runs: list[FakeRun]) -> None:
    job = FakeJob()
    job.refusal = "Slurm says no"
    made = Pool(OneRun(RunPaths(str(tmp_path / "a"))), job, Watchdog())  # type: ignore[arg-type]
    made.fill()
    made.stop_all(PREEMPTED, force=False)
    made.fill()
    assert not made.requeue()
    assert runs[0].done[-1] == "Slurm says no"


@pytest.mark.parametrize(("end", "code"), [(COMPLETED, 0), (FAILED, 3), (Outcome("Canceled", None, "x"), 1)])
def test_the_agent_of_a_job_ends_with_the_runs_own_code(tmp_path: Path, runs: list[FakeRun], end: Outcome, code: int) -> None:
    made = Pool(OneRun(RunPaths(str(tmp_path / "a"))), None, Watchdog())
    made.fill()
    assert not made.is_done()
    runs[0].ends(end)
    made.fill()
    assert (made.is_done(), made.exit_code()) == (True, code)


def test_lost_events_are_a_failure_of_the_agent(tmp_path: Path, runs: list[FakeRun]) -> None:
    made = Pool(OneRun(RunPaths(str(tmp_path / "a"))), None, Watchdog())
    made.fill()
    runs[0].events_lost = True
    runs[0].ends(COMPLETED)
    made.fill()
    assert (made.lost_events, made.exit_code()) == (True, 1)


def test_the_next_deadline_is_that_of_the_run_that_is_first(sweep: Sweep, runs: list[FakeRun]) -> None:
    sweep.write(*(sweep.trial(name) for name in "ab"))
    assert sweep.pool.deadline() is None
    runs[0].deadline, runs[1].deadline = 7.0, 3.0
    assert sweep.pool.deadline() == 3.0


def test_a_task_finds_its_trial_by_its_number(sweep: Sweep) -> None:
    sweep.write(sweep.trial("a"), sweep.trial("b"), '{"end": true}\n')
    assert trial_at(sweep.home, 1).run_id == "b"
    for index in (-1, 2):
        with pytest.raises(LookupError):
            trial_at(sweep.home, index)


@pytest.mark.parametrize(("last", "state"), [("Running", None), ("Completed", "Completed"), ("Failed", "Completed")])
def test_the_last_task_to_end_records_the_end_of_its_sweep(sweep: Sweep, last: str, state: str | None) -> None:
    sweep.write(sweep.trial("a"), sweep.trial("b"), '{"end": true}\n')
    events.append(sweep.home, "Queued")
    for name, now in (("a", "Completed"), ("b", last)):
        paths = RunPaths(json.loads(sweep.trial(name))["run_dir"])
        os.makedirs(paths.run_dir)
        events.append(paths, now)
    pool.end_sweep(sweep.home)
    latest = events.last(sweep.home)
    assert latest is not None
    assert latest["state"] == (state or "Queued")


@pytest.mark.parametrize(("chunks", "sent", "is_left"), [([[0, 5], [5, 5]], 5, True), ([[0, 5]], 5, False), ([], 0, False)])
def test_a_sweep_has_unsent_trials_while_its_scheduler_has_taken_fewer(
    sweep: Sweep, chunks: list[list[int]], sent: int, is_left: bool
) -> None:
    files.write_atomic(sweep.home.plan, json.dumps({"chunks": chunks}))
    events.append(sweep.home, "Queued", scheduler={"kind": "slurm", "arrays": [["7", 0, sent]]})
    sweep.write(sweep.trial("a"))
    assert not has_unsent(sweep.home), "somebody is sending just now"
    sweep.lock.release()
    assert has_unsent(sweep.home) is is_left
