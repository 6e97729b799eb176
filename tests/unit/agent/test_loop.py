"""The main loop with a pool that only notes what it is told: which signal means what."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainconf import files
from trainconf.agent import loop
from trainconf.agent.outcome import Outcome
from trainconf.agent.signals import FREED_SIGNAL, SIGNALS, WAKE_SIGNAL
from trainconf.paths import RunPaths


def send(number: int) -> None:
    """To this thread alone, or one of pytest's would take it."""
    signal.pthread_kill(threading.get_ident(), number)


class FakePool:
    """Done when the loop has come round once more than there are signals."""

    def __init__(self, *signals: int, job: Any = None, watchdog_is_gone: bool = False) -> None:
        self.job = job
        self.watchdog = self
        self.is_gone = watchdog_is_gone
        self.feed = self
        self.coming = list(signals)
        self.done: list[Any] = []

    def is_done(self) -> bool:
        if not self.coming:
            return True
        send(self.coming.pop(0))
        return False

    def deadline(self) -> float | None:
        return None

    def stop_all(self, end: Outcome, *, force: bool) -> None:
        self.done.append((end.state, end.exit_code, end.reason, force))

    def read_cancel_request(self) -> None:
        self.done.append("read")

    def read_on(self) -> None:
        self.done.append("more")

    def fill(self) -> None: ...

    def reap(self) -> None: ...

    def tick(self) -> None: ...


class FakeJob:
    def why_ending(self, name: str) -> Outcome:
        return Outcome("Canceled", None, f"preempted, by {name}", may_requeue=True)


@pytest.fixture(autouse=True)
def blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    yield
    while signal.sigtimedwait(SIGNALS, 0) is not None:
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve(pool: FakePool, sweep: RunPaths | None = None) -> bool:
    return loop._serve(pool, sweep)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "force"), [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGQUIT, True)]
)
def test_a_stop_signal_cancels_everything_and_sigquit_at_once(number: signal.Signals, force: bool) -> None:
    pool = FakePool(number)
    assert serve(pool)
    assert pool.done == [("Canceled", None, f"the agent was told to stop ({number.name})", force)]


def test_a_signal_that_comes_twice_within_a_moment_is_one() -> None:
    pool = FakePool(signal.SIGTERM, signal.SIGTERM, signal.SIGQUIT)
    serve(pool)
    assert [force for *_, force in pool.done] == [False, True]


def test_in_a_job_the_scheduler_is_asked_what_a_signal_means() -> None:
    pool = FakePool(signal.SIGTERM, job=FakeJob())
    serve(pool)
    assert pool.done == [("Canceled", None, "preempted, by SIGTERM", False)]


def test_in_a_job_the_end_of_the_watchdog_is_a_failure() -> None:
    pool = FakePool(signal.SIGTERM, job=FakeJob(), watchdog_is_gone=True)
    serve(pool)
    assert pool.done == [("Failed", 1, "the watchdog of its agent was killed", False)]


@pytest.mark.parametrize(
    ("number", "done"), [(signal.SIGUSR1, ["read"]), (WAKE_SIGNAL, ["more"]), (FREED_SIGNAL, []), (signal.SIGHUP, []), (signal.SIGCHLD, [])]
)
def test_other_signals_say_that_there_is_something_to_read(number: int, done: list[str]) -> None:
    pool = FakePool(number)
    assert not serve(pool)
    assert pool.done == done


@pytest.mark.parametrize("forced", [False, True])
def test_a_sweep_is_canceled_as_a_whole_also_before_the_first_signal(tmp_path: Path, forced: bool) -> None:
    home = RunPaths(str(tmp_path))
    pool = FakePool()
    assert not serve(pool, home)
    for force in (False, True)[: 1 + forced]:
        files.write_atomic(home.cancel_request(force=force), files.dumps({"time": "t", "attempt": 1}))
    assert serve(pool, home)
    assert pool.done == [("Canceled", None, "cancellation was requested, for the whole sweep", forced)]


def test_the_loop_sleeps_until_a_deadline_and_never_for_longer_than_the_system_can() -> None:
    began = time.monotonic()
    assert loop._next_signal(began + 0.02) is None
    assert time.monotonic() - began >= 0.02
    assert loop._next_signal(0.0) is None
    send(WAKE_SIGNAL)
    assert loop._next_signal(1e300) == WAKE_SIGNAL
    send(WAKE_SIGNAL)
    assert loop._next_signal(None) == WAKE_SIGNAL


def test_a_descriptor_is_the_lock_when_it_is_open_on_that_very_file(tmp_path: Path) -> None:
    lock = files.FileLock(str(tmp_path / "agent.lock"))
    assert lock.acquire()
    assert loop._is_lock(lock.fd, str(tmp_path / "agent.lock"))
    (tmp_path / "other").touch()
    assert not loop._is_lock(lock.fd, str(tmp_path / "other"))
    assert not loop._is_lock(lock.fd, str(tmp_path / "missing"))
    assert not loop._is_lock(987654, str(tmp_path / "agent.lock"))
    lock.release()
