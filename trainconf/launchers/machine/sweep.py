"""The trials of a sweep on this machine: one agent carries out all of them, a limited number at a time.

    pool = launcher.pool(home, lock, ...)    home: the sweep's folder, with sweep.json in it
    pool.add([plan, plan, ...])              as often as there are more
    pool.close()
    pool.wait()

Each trial's directory is made like any run's, with `"lock": home.lock` in its run.json.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from trainconf import files
from trainconf.errors import LaunchError, StorageError
from trainconf.history import events
from trainconf.history.find import given_to_the_last_agent
from trainconf.launchers import get
from trainconf.launchers.machine.agent_process import AgentWaker, start_agent
from trainconf.launchers.protocol import Launcher, LaunchPlan, RunHandle
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from trainconf.files import FileLock
    from trainconf.history.liveness import State

PATIENCE_SECONDS = 10.0  # with an agent that is about to end
WAKE_SECONDS = 0.05  # until an agent hears of a trial that is made while others are


class TrialPool:
    """A sweep's agent, as seen by the one process that gives it trials.

    This process holds a lock on trials.jsonl while more may come. When it is killed, the agent carries out what it has and ends.
    """

    is_unsent = False  # the agent is there before any trial is
    unsent_count = 0

    def __init__(self, launcher: Launcher, handle: RunHandle, writer: FileLock) -> None:
        self.handle = handle
        self._launcher = launcher
        self._writer = writer
        self._waker = AgentWaker(handle.paths)
        self._start_agent: Callable[[FileLock], int] | None = None  # where another one is started for one that is gone

    @property
    def trial_lock(self) -> str:
        """The sweep's lock, held by the agent of all trials."""
        return self.handle.paths.lock

    @classmethod
    def start(cls, launcher: Launcher, home: RunPaths, begin: Callable[[], int]) -> TrialPool:
        """`begin` lets the agent begin, which has the sweep's lock from there on; its pid. Raises StorageError, LaunchError."""
        try:
            os.makedirs(home.logs, exist_ok=True)
            writer = files.FileLock(home.trials)
            writer.acquire()
        except OSError as error:
            raise StorageError.from_os_error(error, "the sweep cannot be prepared") from error
        try:
            pid = begin()
        except BaseException:
            writer.release()
            raise
        return cls(launcher, RunHandle(home, pid), writer)

    @classmethod
    def open(cls, launcher: Launcher, home: RunPaths, environ: Mapping[str, str], secrets: Mapping[str, str]) -> TrialPool:
        """Feed the agent of a sweep whose feeder is gone, or start one where there is none. Raises StorageError, LaunchError."""
        try:
            os.makedirs(home.logs, exist_ok=True)
            writer = _acquired(home.trials)
        except OSError as error:
            raise StorageError.from_os_error(error, "the sweep cannot be prepared") from error
        try:
            pool = cls(launcher, RunHandle(home), writer)
            pool._start_agent = lambda lock: start_agent(home, lock, environ, secrets)
            latest = events.last(home)
            if not files.is_locked(home.lock) or (latest is not None and latest["state"] in events.TERMINAL):
                pool._begin_anew(_acquired(home.lock))  # of an agent that has said its last word, it comes free at once
        except BaseException as error:
            writer.release()
            if isinstance(error, OSError):
                raise StorageError.from_os_error(error, "the sweep cannot be prepared") from error
            raise
        return pool

    def _begin_anew(self, lock: FileLock, again: Iterable[str] = ()) -> None:
        """Start an agent, which first gets the trials in these folders. Raises OSError, StorageError, LaunchError."""
        home = self.handle.paths
        assert self._start_agent is not None
        try:
            with suppress(FileNotFoundError):
                os.unlink(home.held)  # whoever was told of it is gone
            self._append({"agent": 1 + sum("agent" in line for line in files.read_lines(home.trials))})
            for run_dir in again:
                self._append({"run_dir": run_dir})
            self.handle = RunHandle(home, self._start_agent(lock))
        finally:
            lock.release()
        self._waker = AgentWaker(home)

    def _see_to_agent(self) -> None:
        """Start another agent where the sweep's own was killed. Raises StorageError; LaunchError while what it has left is being ended."""
        home = self.handle.paths
        if self._start_agent is None or not self._waker.has_lost():
            return
        try:
            left = [run_dir for run_dir in given_to_the_last_agent(home) if events.waits(RunPaths(run_dir))]
            lock = files.FileLock(home.lock)
            if not lock.acquire(blocking=False):
                raise LaunchError("the sweep's agent was killed, and its watchdog ends what it has left", ("sweep", home.run_id))
            self._begin_anew(lock, left)
        except OSError as error:
            raise StorageError.from_os_error(error, "another agent cannot be started") from error

    def add(self, plans: Iterable[LaunchPlan]) -> None:
        """Hand over trials whose directories exist; they start in this order. Raises StorageError.

        `plans` may make each when it is asked for. The agent is woken by the first ones, then when there are as many again, for each
        time it looks at all that wait.
        """
        self._see_to_agent()
        announced = unannounced = 0
        woken_at = time.monotonic()
        for plan in plans:
            get(plan.target).stage(plan)
            self._append({"run_dir": plan.run_dir})
            unannounced += 1
            if unannounced >= announced or time.monotonic() > woken_at + WAKE_SECONDS:
                announced, unannounced, woken_at = announced + unannounced, 0, time.monotonic()
                self._waker.wake()
        if unannounced:
            self._waker.wake()

    def adopt(self, paths: RunPaths) -> None:
        """Nothing to do: the agent's list has it."""

    def takes_back(self, paths: RunPaths) -> bool:
        """Yes: `add` gives it to another agent."""
        return True

    def close(self, state: str = "Completed", reason: str = "") -> None:
        """There will be no more. May be called twice."""
        if self._writer.fd >= 0:
            self._append({"end": True, "state": state, "reason": reason})
            self._writer.release()
            self._waker.wake()
            self._waker.close()

    def cancel(self, *, force: bool = False) -> None:
        """End every trial, running or not."""
        self._launcher.cancel(self.handle, force=force)

    def has_ended(self) -> bool:
        """Whether nobody holds the sweep's lock: every trial is over then, or lost."""
        return not files.is_locked(self.handle.paths.lock)

    def wait(self) -> State:
        """Wait until every trial is over, or the agent is gone; the state of the sweep."""
        return self._launcher.wait(self.handle)

    def _append(self, line: dict[str, object]) -> None:
        try:
            files.append_line(self.handle.paths.trials, line)
        except OSError as error:
            raise StorageError.from_os_error(error, "the trial cannot be handed over") from error


def _acquired(path: str) -> FileLock:
    """The lock at a path, held; whoever ends just now is waited for. Raises StorageError when somebody keeps it."""
    lock = files.FileLock(path)
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not lock.acquire(blocking=False):
        if time.monotonic() >= give_up_at:
            raise StorageError("the sweep is being fed by somebody else", ("lock", path))
        time.sleep(0.02)
    return lock
