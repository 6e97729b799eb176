"""The trials of a sweep as runs that are submitted one by one: what every launcher can do. Whoever adds them keeps the sweep's lock."""

from __future__ import annotations

import time

from trainconf import files
from trainconf.errors import StorageError
from trainconf.history import events, liveness
from trainconf.history.find import trials_of
from trainconf.launchers.protocol import RunHandle
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trainconf.history.liveness import State
    from trainconf.launchers.protocol import Launcher, LaunchPlan

EXIT_CODES = {"Completed": 0, "Failed": 1}
PAUSE_S = 0.5


class SeparatePool:
    """See `trainconf.launchers.protocol.Pool`. The sweep's own events name this process, which is its controller."""

    is_unsent = False
    unsent_count = 0
    trial_lock = ""

    def __init__(self, launcher: Launcher, home: RunPaths, secrets: Mapping[str, str]) -> None:
        """Raises StorageError, also when another process has the sweep."""
        self.handle = RunHandle(home)
        self._launcher = launcher
        self._secrets = secrets
        self._lock = files.FileLock(home.lock)
        try:
            if not self._lock.acquire(blocking=False):
                raise StorageError("the sweep is being carried out by another process", ("lock", home.lock))
            events.append(home, "Running", agent=liveness.identity())
        except OSError as error:
            raise StorageError.from_os_error(error, "the sweep cannot be prepared") from error

    def add(self, plans: Iterable[LaunchPlan]) -> None:
        """Submit trials whose directories exist. Raises StorageError, LaunchError, ConfigError."""
        for plan in plans:
            lock = files.FileLock(RunPaths(plan.run_dir).lock)
            try:
                lock.acquire()
                self._launcher.submit(plan, lock, self._secrets)
                files.append_line(self.handle.paths.trials, {"run_dir": plan.run_dir})
            except OSError as error:
                raise StorageError.from_os_error(error, "the trial cannot be handed over") from error
            finally:
                lock.release()

    def adopt(self, paths: RunPaths) -> None:
        """List a trial that was submitted just before its submitter was killed. Raises StorageError."""
        line = {"run_dir": paths.run_dir}
        try:
            if line not in files.read_lines(self.handle.paths.trials):
                files.append_line(self.handle.paths.trials, line)
        except OSError as error:
            raise StorageError.from_os_error(error, "the trial cannot be listed") from error

    def takes_back(self, paths: RunPaths) -> bool:
        """No: each is a job of its own."""
        return False

    def close(self, state: str = "Completed", reason: str = "") -> None:
        """Record how the sweep has ended. May be called twice."""
        if self._lock.fd < 0:
            return
        try:
            files.append_line(self.handle.paths.trials, {"end": True})
            events.append(self.handle.paths, state, exit_code=EXIT_CODES.get(state), reason=reason)
        except OSError as error:
            raise StorageError.from_os_error(error, "the end of the sweep cannot be recorded") from error
        finally:
            self._lock.release()

    def cancel(self, *, force: bool = False) -> None:
        """End every trial."""
        events.request_cancel(self.handle.paths, force=force)
        for paths in trials_of(self.handle.paths):
            self._launcher.cancel(RunHandle(paths), force=force)

    def has_ended(self) -> bool:
        """Whether every trial is over or lost."""
        states = (self._launcher.state(RunHandle(paths)) for paths in trials_of(self.handle.paths))
        return all(state.status in (*events.TERMINAL, "NotResponding") for state in states)

    def wait(self) -> State:
        """Wait for that; the state of the sweep."""
        while not self.has_ended():
            time.sleep(PAUSE_S)
        return liveness.state_of(self.handle.paths)
