"""Where a search is controlled: by the command that began it, by a process of its own, or by a scheduler's job."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from trainconf import launchers
from trainconf.errors import ConfigError, Mistake, StorageError, TrainconfError
from trainconf.launchers.protocol import ControllerJob, QueuedController
from trainconf.paths import RunPaths
from trainconf.resolve.run_config import RunConfig
from trainconf.sweeps.presence import ControllerLock, acquire, hold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.files import FileLock

HERE, DETACHED, JOB = "here", "detached", "job"


def place_of(config: RunConfig) -> str:
    """HERE, DETACHED or JOB: as sweep.controller says, and a command that does not wait controls nothing."""
    place = str(config.tree.get("sweep", {}).get("controller", HERE))
    return DETACHED if place == HERE and config.submit.detach else place


def command_of(home: RunPaths, deed: str = "resume") -> list[str]:
    """What takes a sweep over; further words may follow."""
    return [sys.executable, "-m", "trainconf", "sweep", deed, "--in", home.workspace.root, home.run_id]


def plan_job(config: RunConfig, home: RunPaths) -> dict[str, Any]:
    """What would be sent as the controller's job, as `batch` of a plan. Raises ConfigError, every mistake at once."""
    compute = config.tree["compute"]
    job = _job_of(home, config)
    if job is None:
        raise ConfigError(Mistake(
            f"sweep.controller=job with compute={compute['target']}, which has no jobs",
            ("allowed", f"{HERE}, {DETACHED}; {JOB} with compute=slurm"),
            hint="sweep.controller=detached is a process of its own on this machine",
        ))
    from trainconf.schema.sweep import ControllerJob as ControllerJobSettings  # of a sweep that is older than they are

    return job.plan([*command_of(home), "--as-job"], compute, config.tree["sweep"].get("controller_job") or vars(ControllerJobSettings()))


class Making:
    """A sweep that this process makes: nobody else controls it before it is whole. A controller's job that is sent meanwhile waits.

    One of `become_controller`, `let_go`, `pass_on` and `take_back` ends it.
    """

    def __init__(self, home: RunPaths) -> None:
        """Begin before anybody can find the sweep. Raises StorageError when somebody controls it all the same, OSError."""
        self._home = home
        self._lock = hold(home)
        self._has_sent_job = False

    def send_job(self, config: RunConfig) -> None:
        """Send its controller's job. Raises ConfigError, LaunchError, StorageError."""
        send_job(config, self._home)
        self._has_sent_job = True

    def become_controller(self) -> ControllerLock:
        """The sweep is whole, and this process controls it. Raises StorageError."""
        try:
            return acquire(self._home, held=self._lock)
        except OSError as error:
            raise StorageError.from_os_error(error, "the sweep's folder cannot be written") from error

    def pass_on(self) -> FileLock:
        """The sweep is whole; the lock, held, for the process that is to control it."""
        return self._lock

    def let_go(self) -> None:
        """The sweep is whole, and whoever wants to may control it."""
        self._lock.release()

    def take_back(self) -> None:
        """There is no such sweep."""
        if self._has_sent_job:
            with suppress(TrainconfError):  # it ends by itself when it does not find its sweep
                end_job(self._home)
        self._lock.release()


def send_job(config: RunConfig, home: RunPaths) -> str:
    """Send a controller's job unless there is one; its id. Raises ConfigError, LaunchError, StorageError."""
    batch = plan_job(config, home)
    job = _job_of(home, config)
    return "" if job is None else job.send(batch)


def look_at_job(home: RunPaths) -> QueuedController | None:
    """What its scheduler says of a sweep's controller; None where no job was sent, or nobody answers. Raises ConfigError, LaunchError."""
    job = _job_of(home) if os.path.exists(home.controller_job) else None
    return None if job is None else job.look()


def end_job(home: RunPaths) -> None:
    """End the job that is to control a sweep, or take it out of the queue, if there is one. Raises ConfigError, LaunchError."""
    job = _job_of(home) if os.path.exists(home.controller_job) else None
    if job is not None:
        job.cancel()


def _job_of(home: RunPaths, config: RunConfig | None = None) -> ControllerJob | None:
    launcher = launchers.of_run(home) if config is None else launchers.get(str(config.tree["compute"]["target"]))
    return launcher.controller_job(home)
