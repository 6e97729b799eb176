"""What every launcher must do: a run can be ended by anybody, and outlives whoever submitted it."""

from __future__ import annotations

import os
import select
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trainconf.files import FileLock
from trainconf.history import events
from trainconf.launchers.protocol import Launcher, RunHandle
from trainconf.paths import RunPaths
from trainconf.testing.contract import Contract
from trainconf.testing.runs import PATIENCE_S, is_running, last, make_run_dir, output, shell, states, submit, unique_sleep, wait_until


@contextmanager
def fork() -> Iterator[int]:
    """A process of its own: yields 0 there, which ends with the block, and its pid here, where it is waited for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on, where another test has left a thread
        pid = os.fork()
    try:
        yield pid
    finally:
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)


class CancelContract(Contract):
    """Part of `LauncherContract`."""

    def test_cancel_ends_a_running_job(self, launcher: Launcher, root: str) -> None:
        handle = self.cancel_when_up(launcher, self.job(root, shell("echo up; sleep 600"), retries=3))
        assert last(handle)["exit_code"] == 143
        assert states(handle)[-3:] == ["CancelRequested", "Finalizing", "Canceled"]

    def test_cancel_ends_a_job_that_ignores_sigterm(self, launcher: Launcher, root: str) -> None:
        handle = self.cancel_when_up(launcher, self.job(root, shell("trap '' TERM; echo up; while :; do sleep 1; done"), grace_s=0.3))
        assert last(handle)["exit_code"] == 137

    def test_a_forced_cancel_does_not_wait_for_the_grace(self, launcher: Launcher, root: str) -> None:
        handle = self.cancel_when_up(launcher, self.job(root, shell("trap '' TERM; echo up; sleep 600"), grace_s=10_000), force=True)
        assert last(handle)["exit_code"] == 137

    def test_a_second_forced_cancel_cuts_a_long_grace_short(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("trap '' TERM; echo up; while :; do sleep 1; done"), grace_s=10_000)
        handle = submit(launcher, job)
        self.wait_until_up(launcher, handle)
        launcher.cancel(handle)
        launcher.cancel(handle, force=True)
        assert launcher.wait(handle).status == "Canceled"

    def test_cancel_ends_processes_that_daemonised(self, launcher: Launcher, root: str) -> None:
        text = "setsid -f sh -c 'trap \"\" TERM HUP; sleep 600; sleep 600' >/dev/null 2>&1; (sleep 600 &) ; echo up; sleep 600"
        self.cancel_when_up(launcher, self.job(root, shell(text), grace_s=0.3))

    def test_cancel_ends_a_daemon_that_cleared_its_environment(self, launcher: Launcher, root: str) -> None:
        sleep = unique_sleep()
        daemon = f"env -i setsid -f /bin/sh -c 'echo > outputs/there; exec {sleep}' >/dev/null 2>&1"
        text = f"{daemon}; while ! test -s outputs/there; do sleep 0.01; done; echo up; sleep 600"
        job = self.job(root, shell(text), grace_s=0.3)
        self.cancel_when_up(launcher, job)
        assert not (self.sees_processes and is_running(sleep))

    def test_nothing_of_a_job_outlives_its_script(self, launcher: Launcher, root: str) -> None:
        daemon, child = unique_sleep(), unique_sleep()
        handle = self.run(launcher, self.job(root, shell(f"setsid -f {daemon}; {child} & sleep 0.1; exit 4"), grace_s=0.5))
        assert (last(handle)["state"], last(handle)["exit_code"]) == ("Failed", 4)
        assert not (self.sees_processes and (is_running(daemon) or is_running(child)))

    def test_cancel_works_between_two_attempts(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("exit 9"), retries=1, retry_backoff_seconds=10_000)
        handle = submit(launcher, job)
        wait_until(lambda: launcher.state(handle).event.get("waiting_for") == "retry", "the backoff")
        launcher.cancel(handle)
        assert launcher.wait(handle).status == "Canceled"
        assert last(handle)["exit_code"] == 9

    def test_cancel_works_while_waiting_for_a_slot(self, launcher: Launcher, root: str) -> None:
        if not self.has_slots:
            pytest.skip("its runs do not wait for slots of this machine")
        one = {"slots": 1}
        first = submit(launcher, self.job(root, shell("sleep 600"), run_id="first", compute=one))
        wait_until(lambda: last(first)["state"] == "Running", "the first to run")
        second = submit(launcher, self.job(root, shell("echo ran"), run_id="second", compute=one))
        wait_until(lambda: last(second).get("waiting_for") == "slot", "the second to wait")
        launcher.cancel(second)
        assert launcher.wait(second).status == "Canceled"
        assert not os.path.exists(second.paths.log(0))
        launcher.cancel(first)
        assert launcher.wait(first).status == "Canceled"

    def test_cancelling_twice_or_after_the_end_changes_nothing(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, shell("exit 3")))
        before = events.read(handle.paths)
        launcher.cancel(handle)
        launcher.cancel(handle, force=True)
        assert events.read(handle.paths) == before

    def test_a_run_can_be_waited_for_and_cancelled_from_another_process(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("echo up; sleep 600"))
        self.wait_until_up(launcher, submit(launcher, job))
        stranger = RunHandle(RunPaths(job.paths.run_dir))
        with fork() as pid:
            if pid == 0:
                launcher.cancel(stranger)
        assert launcher.wait(stranger).status == "Canceled"

    def test_a_run_survives_the_kill_of_its_submitter(self, launcher: Launcher, root: str) -> None:
        until_go = "while ! test -e ../go; do sleep 0.02; done" if self.shares_disk_at_once else f"sleep {self.start_seconds}"
        job = self.job(root, shell(f"{until_go}; echo done; exit 6"))
        handle = RunHandle(job.paths)
        with fork() as pid:
            if pid == 0:
                submit(launcher, job)
                signal.pause()
            wait_until(lambda: launcher.state(handle).status == "Running", "the job")
            os.kill(pid, signal.SIGKILL)
        Path(job.paths.run_dir, "go").touch()
        assert launcher.wait(handle).status == "Failed"
        assert (last(handle)["exit_code"], output(handle)) == (6, "done\n")

    def test_what_got_ready_for_a_run_can_be_given_up_and_begun_anew(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("echo ran"))
        plan = launcher.plan(job)
        make_run_dir(job)
        lock = FileLock(job.paths.lock)
        lock.acquire()
        events.append(job.paths, "NotStarted")
        launcher.get_ready(job.paths, lock, job.secrets)
        launcher.give_up()
        launcher.give_up()
        launcher.get_ready(job.paths, lock, job.secrets)
        handle = launcher.submit(plan, lock, job.secrets)
        assert launcher.wait(handle).status == "Completed"
        assert output(handle) == "ran\n"

    def test_a_pipe_of_the_submitters_shell_is_not_held_open(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("echo up; sleep 600"))
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        handle = submit(launcher, job)
        os.close(writer)
        self.wait_until_up(launcher, handle)
        assert select.select([reader], [], [], PATIENCE_S)[0] == [reader]
        assert os.read(reader, 1) == b""
        os.close(reader)
        launcher.cancel(handle)
        launcher.wait(handle)
