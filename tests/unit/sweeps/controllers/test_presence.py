"""Where a sweep's controller is, as its lock's file says, also after it was killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from trainconf.errors import StorageError
from trainconf.files import is_locked
from trainconf.history import events
from trainconf.paths import RunPaths
from trainconf.sweeps import presence as module
from trainconf.sweeps.presence import acquire, hold, inherited, presence


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
    with pytest.raises(StorageError, match=f"job 77 on {os.uname().nodename}"):
        acquire(home)
    with pytest.raises(StorageError, match="the sweep has a controller"):
        hold(home)
    found = presence(home)
    assert found is not None
    assert (found.is_here, found.pid, found.job_id, found.left) == (True, os.getpid(), "77", "")
    assert str(found) == f"job 77 on {os.uname().nodename}"
    lock.leave("its time is up")
    lock.release()
    left = presence(home)
    assert left is not None
    assert (left.is_here, left.since, left.left) == (False, found.since, "its time is up")
    acquire(home)
    again = presence(home)
    assert again is not None
    assert (again.job_id, again.left) == ("", "")


def test_the_time_of_all_controllers_before_is_known(home: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def be_there(from_s: int, to_s: int) -> float:
        monkeypatch.setattr(events, "now", lambda: f"2026-11-28T12:00:{from_s:02}.000000Z")
        lock = acquire(home)
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
        while True:
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
    pid = os.fork()
    if pid == 0:
        time.sleep(0.3)
        os._exit(0)  # and its copy of the lock with it
    maker.release()
    acquire(home, patience_s=30.0)
    os.waitpid(pid, 0)


def test_one_that_ends_is_waited_for(home: RunPaths) -> None:
    ending = acquire(home)
    ending.mark(is_ending=True)
    pid = os.fork()
    if pid == 0:
        time.sleep(0.3)
        os._exit(0)  # and its copy of the lock with it
    ending.release()
    acquire(home)
    os.waitpid(pid, 0)
    now = presence(home)
    assert now is not None
    assert not now.is_ending


def test_a_lock_that_is_passed_on_is_held_all_the_time(home: RunPaths) -> None:
    maker = hold(home)
    with pytest.raises(StorageError, match="it is just beginning"):
        acquire(home)
    fd = os.dup(maker.fd)
    maker.release()
    assert is_locked(home.controller_lock)
    lock = acquire(home, held=inherited(home, fd))
    assert lock.fd == fd
    assert not os.get_inheritable(fd)
    found = presence(home)
    assert found is not None
    assert (found.is_here, found.pid) == (True, os.getpid())
    lock.release()
    assert not is_locked(home.controller_lock)


def test_what_is_no_lock_is_not_taken_for_one(home: RunPaths) -> None:
    Path(home.controller_lock).touch()
    with open(home.journal, "w") as other:
        assert inherited(home, other.fileno()).fd == -1
        number = os.dup(other.fileno())
    os.close(number)
    assert inherited(home, number).fd == -1
    assert acquire(home, held=inherited(home, number)).fd >= 0
