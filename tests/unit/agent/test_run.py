"""One run under its supervisor, with a rank group and a clock of the test's own: which events it writes, what it asks of the ranks."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from trainconf import files
from trainconf.agent import job_folders, journal, run
from trainconf.agent.leases.claim import Claim
from trainconf.agent.outcome import Outcome, Usage
from trainconf.agent.plan import Gpus, Plan, Slots
from trainconf.agent.processes.watchdog import Watchdog
from trainconf.agent.rank_group import Ended, Noted, Started
from trainconf.agent.run import RunSupervisor
from trainconf.agent.signals import FREED_SIGNAL, WAKE_SIGNAL
from trainconf.fast.records import replace
from trainconf.history import events
from trainconf.paths import RunPaths

GRACE_SECONDS = 10.0
FAILED = Outcome("Failed", 3, "exit code 3", 0, may_retry=True)
COMPLETED = Outcome("Completed", 0)
NOT_FOUND = Outcome("Failed", 127, "program 'x' was not found")
PREEMPTED = Outcome("Canceled", None, "the job was preempted by Slurm", may_requeue=True)
TIME_LIMIT = Outcome("Failed", 124, "time limit of Slurm's: 60 s", may_requeue=True, is_out_of_time=True)
STOPPED = Outcome("Canceled", None, "the agent was told to stop (SIGTERM)")


class Clock:
    """Stands for `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class FakeRanks:
    """Two ranks that do what the test says. `asked` is what the supervisor has asked for, repetitions left out."""

    deadline = None

    def __init__(self) -> None:
        self.usage = Usage()
        self.living: set[int] = set()
        self.coming: list[Started | Ended | Noted] = []
        self.asked: list[str] = []
        self.leftovers = 0  # how many more calls of `end` it takes once every rank has ended
        self.recorded: list[bool] = []

    @property
    def is_empty(self) -> bool:
        return not self.living

    def start(self, attempt: int, gpus: Sequence[str]) -> None:
        self.living = {0, 1}
        self.asked.append(f"start {attempt}")

    def news(self) -> Iterator[Started | Ended | Noted]:
        while self.coming:
            news = self.coming.pop(0)
            if isinstance(news, Ended):
                self.living -= self.living if news.rank is None else {news.rank}
            yield news

    def end(self, *, kill: bool, is_recorded: bool) -> float | None:
        what = "kill" if kill else "end"
        self.asked += [what] if self.asked[-1] != what else []
        self.recorded.append(is_recorded)
        self.leftovers -= not self.living and self.leftovers > 0
        return 0.1 if self.living or self.leftovers else None

    def has_leftovers(self) -> bool:
        return self.leftovers > 0

    def child_ended(self, pid: int, status: int, rusage: Any) -> None:
        self.coming.append(Ended(FAILED if status else COMPLETED, pid))

    def has_process(self, pid: int) -> bool:
        return pid in self.living

    def has_session(self, session: int) -> bool:
        return False


class FakeJob:
    """A scheduler's job. `cause` is why it ends, once it does."""

    grace_seconds = GRACE_SECONDS
    may_requeue = True
    max_timeouts = 1

    def __init__(self, cause: Outcome | None = None) -> None:
        self.cause = cause

    def identity(self) -> dict[str, Any]:
        return {"kind": "fake", "job_id": "7"}

    def ends_with_us(self) -> bool:
        return True

    def time_left_s(self) -> float | None:
        return None

    def why_ending(self, signal_name: str) -> Outcome:
        return self.cause or STOPPED

    def or_its_cause(self, end: Outcome) -> Outcome:
        return end if self.cause is None else replace(self.cause, exit_code=end.exit_code)

    def requeue(self) -> str:
        return ""


class Bench:
    """A run directory, and everything around its supervisor."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.folder = folder
        self.paths = RunPaths(str(folder / "run"))
        os.makedirs(self.paths.code)
        job_folders.make(self.paths)
        self.ranks = FakeRanks()
        self.plan: dict[str, Any] = {
            "run_dir": self.paths.run_dir, "cwd": self.paths.code, "ranks": [{"rank": 0}, {"rank": 1}], "env": {},
            "slots": {"dir": str(folder / "leases"), "count": 1, "take": 1}, "gpus": {"devices": [], "take": 0},
            "grace_seconds": GRACE_SECONDS, "retries": 0, "retry_backoff_seconds": 2.0, "max_run_duration_seconds": None,
        }  # fmt: skip
        self.job: FakeJob | None = None
        events.append(self.paths, "NotStarted")

    def begin(self) -> RunSupervisor:
        files.write_atomic(self.paths.plan, files.dumps(self.plan))
        self.run = RunSupervisor(self.paths, self._make, Watchdog(), self.job)
        self.run.begin()
        return self.run

    def _make(self, paths: RunPaths, plan: Plan, claim: Claim | None) -> FakeRanks:
        return self.ranks

    def hear(self, *news: Started | Ended | Noted) -> None:
        self.ranks.coming += news
        self.run.tick()

    def up(self) -> None:
        self.hear(Started([{"rank": 0}, {"rank": 1}]))

    def both_end(self, end: Outcome) -> None:
        self.hear(Ended(end, 0), Ended(end, 1))

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        self.run.tick()

    def ask_to_cancel(self, *, force: bool = False) -> None:
        for forced in (False, True)[: 1 + force]:
            files.write_atomic(self.paths.cancel_request(force=forced), files.dumps({"time": "t", "attempt": 1}))
        self.run.read_cancel_request()

    def states(self) -> list[str]:
        return [event["state"] for event in events.read(self.paths)][1:]

    def last(self) -> dict[str, Any]:
        return events.read(self.paths)[-1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(run, "time", made)
    monkeypatch.setattr(journal, "time", made)
    return made


@pytest.fixture
def bench(tmp_path: Path, clock: Clock) -> Iterator[Bench]:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (WAKE_SIGNAL, FREED_SIGNAL)}  # of leases that are given back
    yield Bench(tmp_path, clock)
    for number, handler in before.items():
        signal.signal(number, handler)


def completes(bench: Bench) -> None:
    bench.up()
    bench.both_end(COMPLETED)


def fails(bench: Bench) -> None:
    bench.up()
    bench.hear(Ended(FAILED, 0))
    bench.hear(Ended(Outcome("Failed", 143, "killed by SIGTERM", 1), 1))


def is_retried(bench: Bench) -> None:
    fails(bench)
    bench.wait(1.9)
    bench.wait(0.2)
    completes(bench)


def exceeds_its_retries(bench: Bench) -> None:
    for _ in range(3):
        fails(bench)
        bench.wait(100.0)


def cannot_start(bench: Bench) -> None:
    bench.hear(Ended(NOT_FOUND))


def exceeds_its_time_limit(bench: Bench) -> None:
    bench.up()
    bench.wait(59.0)
    bench.wait(2.0)
    bench.both_end(Outcome("Failed", 143, "killed by SIGTERM"))


def is_canceled(bench: Bench) -> None:
    bench.up()
    bench.ask_to_cancel()
    bench.run.read_cancel_request()
    bench.both_end(Outcome("Failed", 143, "killed by SIGTERM"))


def is_canceled_and_ignores_sigterm(bench: Bench) -> None:
    bench.up()
    bench.ask_to_cancel()
    bench.wait(GRACE_SECONDS - 1)
    bench.wait(2.0)
    bench.both_end(Outcome("Failed", 137, "killed by SIGKILL"))


def is_canceled_by_force(bench: Bench) -> None:
    bench.up()
    bench.ask_to_cancel(force=True)
    bench.both_end(Outcome("Failed", 137, "killed by SIGKILL"))


def is_canceled_and_then_by_force(bench: Bench) -> None:
    bench.up()
    bench.ask_to_cancel()
    bench.ask_to_cancel(force=True)
    bench.both_end(Outcome("Failed", 137, "killed by SIGKILL"))


def is_canceled_while_it_fails(bench: Bench) -> None:
    bench.up()
    bench.hear(Ended(FAILED, 0))
    bench.ask_to_cancel()
    bench.hear(Ended(Outcome("Failed", 143, "killed by SIGTERM", 1), 1))


def is_canceled_before_a_retry(bench: Bench) -> None:
    fails(bench)
    bench.ask_to_cancel()


def loses_its_engine(bench: Bench) -> None:
    bench.hear(Noted("the container engine does not answer"))
    bench.up()
    bench.hear(Noted("the container engine does not answer"), Noted("the container engine answers again"))
    bench.both_end(COMPLETED)


def leaves_processes_behind(bench: Bench) -> None:
    bench.ranks.leftovers = 2
    completes(bench)
    bench.wait(0.2)


def notes_what_went_wrong(bench: Bench) -> None:
    bench.up()
    bench.both_end(replace(COMPLETED, note="the kernel ended a process"))


Script = Callable[[Bench], None]


@pytest.mark.parametrize(
    ("script", "plan", "states", "last", "asked"),
    [
        (completes, {}, "Queued Starting Running Finalizing Completed", {"exit_code": 0, "reason": ""}, "start 1"),
        (fails, {}, "Queued Starting Running Finalizing Failed", {"exit_code": 3, "rank": 0, "reason": "exit code 3"}, "start 1,end"),
        (is_retried, {"retries": 1}, "Queued Starting Running Finalizing Queued Starting Running Finalizing Completed",
         {"attempt": 2, "exit_code": 0}, "start 1,end,start 2"),
        (exceeds_its_retries, {"retries": 2}, "Queued" + " Starting Running Finalizing Queued" * 2 + " Starting Running Finalizing Failed",
         {"attempt": 3, "exit_code": 3}, "start 1,end,start 2,end,start 3,end"),
        (cannot_start, {"retries": 1}, "Queued Starting Finalizing Failed", {"exit_code": 127, "attempt": 1}, "start 1"),
        (exceeds_its_time_limit, {"max_run_duration_seconds": 60.0, "retries": 1}, "Queued Starting Running Finalizing Failed",
         {"exit_code": 124, "reason": "time limit of 60 s"}, "start 1,end"),
        (is_canceled, {"retries": 1}, "Queued Starting Running CancelRequested Finalizing Canceled",
         {"exit_code": 143, "reason": "cancellation was requested"}, "start 1,end"),
        (is_canceled_and_ignores_sigterm, {}, "Queued Starting Running CancelRequested Finalizing Canceled", {"exit_code": 137},
         "start 1,end,kill"),
        (is_canceled_by_force, {}, "Queued Starting Running CancelRequested Finalizing Canceled", {"exit_code": 137}, "start 1,kill"),
        (is_canceled_and_then_by_force, {}, "Queued Starting Running CancelRequested CancelRequested Finalizing Canceled",
         {"exit_code": 137}, "start 1,end,kill"),
        (is_canceled_while_it_fails, {"retries": 1}, "Queued Starting Running CancelRequested Finalizing Failed", {"exit_code": 3},
         "start 1,end"),
        (is_canceled_before_a_retry, {"retries": 1}, "Queued Starting Running Finalizing Queued CancelRequested Canceled",
         {"exit_code": 3, "reason": "cancellation was requested"}, "start 1,end"),
        (loses_its_engine, {}, "Queued Starting Starting Running Running Running Finalizing Completed", {"exit_code": 0}, "start 1"),
        (leaves_processes_behind, {}, "Queued Starting Running Finalizing Completed", {"exit_code": 0}, "start 1,end"),
        (notes_what_went_wrong, {}, "Queued Starting Running Finalizing Completed", {"notes": ["the kernel ended a process"]}, "start 1"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)  # fmt: skip
def test_a_run_goes_through_these_states(
    bench: Bench, script: Script, plan: dict[str, Any], states: str, last: dict[str, Any], asked: str
) -> None:
    bench.plan |= plan
    supervisor = bench.begin()
    script(bench)
    assert bench.states() == states.split()
    assert {name: bench.last().get(name) for name in last} == last
    assert ",".join(bench.ranks.asked) == asked
    assert supervisor.is_over
    assert not os.path.islink(bench.paths.outputs), "./outputs was put away"


def test_ranks_that_serve_the_others_are_ended_when_these_have_completed(bench: Bench) -> None:
    bench.plan["ranks"] = [{"rank": 0}, {"rank": 1, "is_service": True}]
    bench.begin()
    bench.up()
    bench.hear(Ended(COMPLETED, 0))
    assert bench.ranks.asked == ["start 1", "end"]
    bench.hear(Ended(Outcome("Failed", 143, "killed by SIGTERM", 1), 1))
    assert (bench.last()["state"], bench.last()["exit_code"]) == ("Completed", 0)


def test_a_run_that_waits_for_a_slot_starts_when_it_is_free_and_can_be_canceled_before(bench: Bench) -> None:
    other = Claim("other", Slots(bench.plan["slots"]["dir"], 1, 1), Gpus())
    assert other.advance()
    bench.begin()
    assert (bench.states(), bench.last()["waiting_for"]) == (["Queued"], "slot")
    other.release()
    bench.run.tick()
    assert bench.states() == ["Queued", "Starting"]
    second = Bench(bench.folder / "second", bench.clock)
    second.plan["slots"] = bench.plan["slots"]
    supervisor = second.begin()
    second.ask_to_cancel()
    assert (second.states(), second.last()["exit_code"]) == (["Queued", "CancelRequested", "Canceled"], None)
    assert supervisor.is_over
    completes(bench)
    assert Claim("third", Slots(bench.plan["slots"]["dir"], 1, 1), Gpus()).advance(), "the slot was given back"


@pytest.mark.parametrize("text", ["{", "[]", '{"cwd": "/"}'])
def test_a_plan_that_cannot_be_read_is_the_end_of_the_run(bench: Bench, text: str) -> None:
    supervisor = RunSupervisor(bench.paths, bench._make, Watchdog())
    Path(bench.paths.plan).write_text(text)
    supervisor.begin()
    assert bench.states() == ["Queued", "Failed"]
    assert bench.last()["reason"].startswith("the run could not be prepared: ")


class TestInASchedulersJob:
    @pytest.fixture(autouse=True)
    def job(self, bench: Bench) -> None:
        bench.plan["slots"] = None
        bench.job = FakeJob()

    def test_the_first_event_is_starting_and_names_the_job(self, bench: Bench) -> None:
        bench.begin()
        assert bench.states() == ["Starting"]
        assert bench.last()["scheduler"] == {"kind": "fake", "job_id": "7"}

    @pytest.mark.parametrize(
        ("ends", "last"),
        [
            ([PREEMPTED], {"state": "Queued", "waiting_for": "requeue", "attempt": 2, "reason": PREEMPTED.reason}),
            ([TIME_LIMIT], {"state": "Queued", "waiting_for": "requeue", "is_out_of_time": True,
                            "reason": f"{TIME_LIMIT.reason}; requeue 1 of at most 1"}),
            ([TIME_LIMIT, TIME_LIMIT], {"state": "Failed", "exit_code": 124, "attempt": 2, "reason":
                f"{TIME_LIMIT.reason}; it was requeued for that as often as compute.max_requeues allows: 1"}),
            ([PREEMPTED, STOPPED], {"state": "Canceled", "attempt": 2, "reason": STOPPED.reason}),
        ],
        ids=["preempted", "out of time", "out of time too often", "stopped after a requeue"],
    )  # fmt: skip
    def test_an_interrupted_run_goes_on_later(self, bench: Bench, ends: list[Outcome], last: dict[str, Any]) -> None:
        for end in ends:
            bench.ranks = FakeRanks()
            bench.begin()
            bench.up()
            bench.run.stop(end, force=False)
            bench.both_end(Outcome("Failed", 143, "killed by SIGTERM"))
        assert {name: bench.last().get(name) for name in last} == last

    def test_what_the_scheduler_does_is_the_cause_and_not_the_rank_that_it_reached_first(self, bench: Bench) -> None:
        bench.job = FakeJob(PREEMPTED)
        bench.begin()
        bench.up()
        bench.both_end(FAILED)
        assert (bench.last()["waiting_for"], bench.last()["reason"], bench.last()["exit_code"]) == ("requeue", PREEMPTED.reason, 3)

    def test_a_job_that_cannot_be_requeued_is_the_end_of_the_run(self, bench: Bench) -> None:
        supervisor = bench.begin()
        bench.up()
        supervisor.stop(PREEMPTED, force=False)
        bench.both_end(FAILED)
        supervisor.cannot_requeue("Slurm says no")
        assert (bench.last()["state"], bench.last()["exit_code"]) == ("Canceled", 3)
        assert bench.last()["reason"] == f"{PREEMPTED.reason}; and it could not be requeued: Slurm says no"

    def test_an_end_that_is_final_replaces_one_that_was_to_be_continued(self, bench: Bench) -> None:
        supervisor = bench.begin()
        bench.up()
        supervisor.stop(PREEMPTED, force=False)
        supervisor.stop(STOPPED, force=False)
        bench.both_end(FAILED)
        assert (bench.last()["state"], bench.last()["reason"]) == ("Canceled", STOPPED.reason)

    def test_an_attempt_that_was_ended_before_it_could_say_how_is_counted(self, bench: Bench) -> None:
        bench.begin()
        bench.begin()
        assert (bench.last()["attempt"], bench.last()["state"]) == (2, "Starting")
        assert bench.last()["reason"].startswith("attempt 1 was ended before it could say how")

    def test_a_run_that_has_ended_is_never_started_again(self, bench: Bench) -> None:
        bench.begin()
        completes(bench)
        before = events.read(bench.paths)
        assert bench.begin().is_over
        assert events.read(bench.paths) == before


class TestADiskThatRefuses:
    @pytest.fixture
    def refused(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
        append = events.append
        is_refused = False

        def maybe(*args: Any, **facts: Any) -> None:
            if is_refused:
                raise OSError(errno.ENOSPC, "No space left on device")
            append(*args, **facts)

        def switch(on: bool) -> None:
            nonlocal is_refused
            is_refused = on

        monkeypatch.setattr(events, "append", maybe)
        return switch

    def test_events_are_kept_until_it_takes_them_and_the_proof_of_the_exit_code_too(
        self, bench: Bench, refused: Callable[[bool], None]
    ) -> None:
        supervisor = bench.begin()
        bench.up()
        bench.ranks.leftovers = 3
        refused(True)
        bench.both_end(FAILED)
        assert bench.states() == ["Queued", "Starting", "Running"]
        bench.wait(0.5)
        assert (supervisor.is_over, bench.ranks.recorded[-2:]) == (False, [False, False])
        refused(False)
        bench.wait(1.0)
        assert bench.ranks.recorded[-1], "only now may the container go"
        assert bench.states()[-2:] == ["Finalizing", "Failed"]
        assert bench.last()["exit_code"] == 3
        assert supervisor.is_over
        assert not supervisor.events_lost

    def test_after_ten_minutes_they_are_given_up_and_the_run_is_over(self, bench: Bench, refused: Callable[[bool], None]) -> None:
        supervisor = bench.begin()
        bench.up()
        bench.ranks.leftovers = 1000  # what proves the exit code is never ended
        refused(True)
        bench.both_end(COMPLETED)
        assert not supervisor.is_over
        bench.wait(journal.PATIENCE_SECONDS + 1)
        assert (supervisor.is_over, supervisor.events_lost) == (True, True)
        assert bench.states() == ["Queued", "Starting", "Running"]
