"""An agent that gets ready while its run is being made begins when it is told to, and is gone when there is no run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from trainconf import files
from trainconf.agent.processes import tree
from trainconf.errors import LaunchError
from trainconf.history import events
from trainconf.launchers.machine.agent_process import AgentWaker, WaitingAgent
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.protocol import Job
from trainconf.testing.runs import make_job, make_run_dir, shell


@pytest.fixture
def job(tmp_path: Path) -> Job:
    made = make_job(str(tmp_path), shell("echo done"))
    make_run_dir(made)
    events.append(made.paths, "NotStarted")
    return made


def locked(job: Job) -> files.FileLock:
    lock = files.FileLock(job.paths.lock)
    assert lock.acquire(blocking=False)
    return lock


def processes_of(job: Job) -> list[int]:
    """Those that were started for the run's folder, zombies left out."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(job.paths.run_dir) in words:
            found.append(int(pid))
    return found


def wait_until(is_so: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 300
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_it_waits_and_then_carries_out_the_run(job: Job) -> None:
    launcher, lock = LocalLauncher(), locked(job)
    launcher.get_ready(job.paths, lock, {})
    wait_until(lambda: len(processes_of(job)) == 2)  # the watchdog stands behind it already
    time.sleep(0.2)
    assert [event["state"] for event in events.read(job.paths)] == ["NotStarted"]
    handle = launcher.submit(launcher.plan(job), lock, {})
    assert launcher.wait(handle).status == "Completed"
    assert Path(job.paths.log(0)).read_text() == "done\n"
    assert Path(job.paths.agent_log).read_text() == ""


@pytest.mark.parametrize("pause_s", [0.0, 0.5])
def test_when_the_submission_fails_it_ends_and_lets_go(job: Job, pause_s: float) -> None:
    before = tree.children()  # of other tests in this process
    launcher, lock = LocalLauncher(), locked(job)
    launcher.get_ready(job.paths, lock, {})
    time.sleep(pause_s)
    launcher.give_up()
    launcher.give_up()
    lock.release()
    wait_until(lambda: not processes_of(job))
    assert not files.is_locked(job.paths.lock)
    assert Path(job.paths.agent_log).read_text() == ""
    assert tree.children() == before


def test_when_it_was_killed_meanwhile_another_one_carries_out_the_run(job: Job) -> None:
    launcher, lock = LocalLauncher(), locked(job)
    launcher.get_ready(job.paths, lock, {})
    wait_until(lambda: len(processes_of(job)) == 2)
    for pid in processes_of(job):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(job))
    handle = launcher.submit(launcher.plan(job), lock, {})
    assert launcher.wait(handle).status == "Completed"


def test_when_its_submitter_is_killed_it_ends_and_lets_go(job: Job) -> None:
    code = (
        "import os, sys, time; from trainconf import files; from trainconf.paths import RunPaths\n"
        "from trainconf.launchers.machine.agent_process import WaitingAgent\n"
        "paths = RunPaths(sys.argv[-1]); lock = files.FileLock(paths.lock); lock.acquire()\n"
        "agent = WaitingAgent(paths, lock, os.environ, {}); print('ready', flush=True); time.sleep(600)"
    )
    submitter = subprocess.Popen([sys.executable, "-c", code, os.path.join(job.paths.run_dir, "")], cwd=ROOT, stdout=subprocess.PIPE)
    assert submitter.stdout is not None
    assert submitter.stdout.readline() == b"ready\n"
    submitter.kill()
    submitter.communicate()
    wait_until(lambda: not files.is_locked(job.paths.lock))
    assert [event["state"] for event in events.read(job.paths)] == ["NotStarted"]


def open_in_a_job(root: str, *, is_early: bool) -> list[str]:
    """The descriptors that a job is started with."""
    job = make_job(root, shell("ls /proc/$$/fd"))
    make_run_dir(job)
    events.append(job.paths, "NotStarted")
    launcher, lock = LocalLauncher(), locked(job)
    if is_early:
        launcher.get_ready(job.paths, lock, {})
    assert launcher.wait(launcher.submit(launcher.plan(job), lock, {})).status == "Completed"
    return Path(job.paths.log(0)).read_text().split()


def test_the_job_inherits_nothing_of_it(tmp_path: Path) -> None:
    assert open_in_a_job(str(tmp_path), is_early=True) == open_in_a_job(str(tmp_path), is_early=False)


def test_one_that_cannot_be_started_leaves_nothing_open(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    lock = locked(job)
    with pytest.raises(LaunchError):
        WaitingAgent(job.paths, lock, os.environ, {})
    lock.release()
    assert set(os.listdir("/proc/self/fd")) <= before


LIVES = """
import os, signal, sys, time
from trainconf import files
from trainconf.history import events, liveness
from trainconf.paths import RunPaths
paths = RunPaths(sys.argv[1])
lock = files.FileLock(paths.lock)
lock.acquire()
signal.signal(signal.SIGUSR1, lambda *_: files.append_line(sys.argv[2], os.getpid()))
events.append(paths, "Running", agent=liveness.identity())
while True:
    time.sleep(60)
"""


def test_a_waker_looks_for_its_agent_once_and_again_when_that_is_gone(job: Job, tmp_path: Path) -> None:
    heard = str(tmp_path / "heard")

    def agent() -> subprocess.Popen[bytes]:
        count = len(events.read(job.paths))
        process = subprocess.Popen([sys.executable, "-c", LIVES, job.paths.run_dir, heard], cwd=ROOT)
        wait_until(lambda: len(events.read(job.paths)) > count)
        return process

    waker = AgentWaker(job.paths)
    waker.wake()  # nobody is there yet
    first = agent()
    waker.wake()
    wait_until(lambda: list(files.read_lines(heard)) == [first.pid])
    os.rename(job.paths.events, tmp_path / "events")
    waker.wake()
    wait_until(lambda: list(files.read_lines(heard)) == [first.pid] * 2)
    first.kill()
    first.wait()
    os.rename(tmp_path / "events", job.paths.events)
    waker.wake()
    second = agent()
    waker.wake()
    wait_until(lambda: list(files.read_lines(heard)) == [first.pid] * 2 + [second.pid])
    second.kill()
    second.wait()
    waker.wake()
    waker.close()
    waker.close()
