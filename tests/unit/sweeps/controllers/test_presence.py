"""Where a sweep's controller is, as its lock's file says, also after it was killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from trainconf.history import events
from trainconf.paths import RunPaths
from trainconf.sweeps import presence as module
from trainconf.sweeps.presence import acquire, presence


@pytest.fixture
def home(tmp_path: Path) -> RunPaths:
    return RunPaths(str(tmp_path))


def test_nobody_was_there(home: RunPaths) -> None:
    assert presence(home) is None
    Path(home.controller_lock).touch()
    assert presence(home) is None, "an older trainconf's says nothing"
    Path(home.controller_lock).write_text('{"host": 1, "pid": "x"}')
    assert presence(home) is None


def test_a_controller_says_who_it_is_and_a_second_one_is_refused(home: RunPaths) -> None:
    lock = acquire(home, "77")
    assert lock is not None
    assert acquire(home) is None
    found = presence(home)
    assert found is not None
    assert (found.is_here, found.pid, found.job_id, found.left) == (True, os.getpid(), "77", "")
    assert str(found) == f"job 77 on {os.uname().nodename}"
    lock.leave("its time is up")
    lock.release()
    left = presence(home)
    assert left is not None
    assert (left.is_here, left.since, left.left) == (False, found.since, "its time is up")
    assert acquire(home) is not None
    again = presence(home)
    assert again is not None
    assert (again.job_id, again.left) == ("", "")


def test_the_time_of_all_controllers_before_is_known(home: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def be_there(from_s: int, to_s: int) -> float:
        monkeypatch.setattr(events, "now", lambda: f"2026-11-28T12:00:{from_s:02}.000000Z")
        lock = acquire(home)
        assert lock is not None
        lock.release()
        seen = events.seconds(f"2026-11-28T12:00:{to_s:02}.500000Z")
        os.utime(home.controller_lock, (0.0, seen or 0.0))
        return lock.earlier_s

    assert [be_there(0, 7), be_there(20, 21), be_there(40, 30), be_there(50, 50)] == [0.0, 7.5, 9.0, 9.0], "a clock may go back"


def test_of_one_that_was_killed_the_last_sign_of_life_is_known(home: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.0)
    pid = os.fork()
    if pid == 0:
        lock = acquire(home)
        while lock is not None:
            lock.touch()
            time.sleep(0.01)
    while (found := presence(home)) is None or not found.is_here:
        time.sleep(0.01)
    os.utime(home.controller_lock, (0, 0))
    while os.stat(home.controller_lock).st_mtime == 0:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    gone = presence(home)
    assert gone is not None
    assert (gone.is_here, gone.pid) == (False, pid)
    seen = events.seconds(gone.seen)
    assert seen is not None
    assert abs(time.time() - seen) < 60


def test_one_that_begins_waits_for_whoever_makes_the_sweep(home: RunPaths) -> None:
    maker = acquire(home)
    assert maker is not None
    pid = os.fork()
    if pid == 0:
        time.sleep(0.3)
        os._exit(0)  # and its copy of the lock with it
    maker.release()
    lock = acquire(home, patience_s=30.0)
    os.waitpid(pid, 0)
    assert lock is not None
