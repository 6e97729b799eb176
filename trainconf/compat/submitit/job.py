"""A job of submitit that is a run of trainconf. Its id is the run's; a link in submitit's folder leads to the run's directory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from submitit.core import core, utils

from trainconf.control import runs
from trainconf.errors import RunNotFoundError
from trainconf.history.follow import exit_code, has_ended
from trainconf.launchers.states import StatePoller
from trainconf.paths import RunPaths

# submitit's words, which are Slurm's.
WORDS = {
    "NotStarted": "PENDING", "Queued": "PENDING", "Preparing": "PENDING", "Starting": "PENDING", "Running": "RUNNING",
    "Finalizing": "COMPLETING", "CancelRequested": "COMPLETING", "Completed": "COMPLETED", "Failed": "FAILED", "Canceled": "CANCELLED",
    "NotResponding": "UNKNOWN",
}  # fmt: skip
CANCEL_WAIT_S = 60.0


def link_of(paths: utils.JobPaths) -> Path:
    """The link that leads to the run's directory."""
    return paths.folder / f"{paths.job_id}_run_dir"


class TrainconfJob(core.Job[Any]):
    """`job.run_dir` is the run's directory, with its record, logs and outputs."""

    _results_timeout_s = 3  # on a disk that machines share a result may come later than the end

    def __init__(self, folder: Path | str, job_id: str, tasks: Sequence[int] = (0,)) -> None:
        super().__init__(folder, job_id, tasks)
        self._look: StatePoller | None = None

    def _register_in_watcher(self) -> None:
        """Nothing: the run's files are read, and its scheduler is asked for all runs together where they leave it open."""

    @property
    def run_dir(self) -> Path:
        """Raises RunNotFoundError when nothing of that id was submitted with that folder."""
        link = link_of(self.paths)
        try:
            return Path(os.readlink(link))
        except OSError as error:
            raise RunNotFoundError(f"no job {self.job_id} was submitted with this folder", ("looked for", str(link))) from error

    def _state(self) -> Any:
        self._look = self._look or StatePoller()
        return self._look(RunPaths(str(self.run_dir)))

    @property
    def state(self) -> str:
        """One of submitit's words, such as PENDING, RUNNING, COMPLETED, FAILED, CANCELLED, TIMEOUT."""
        return self.get_info()["jobState"]

    def get_info(self, mode: str = "force") -> dict[str, str]:
        """The state in submitit's word, ours, and the reason."""
        found = self._state()
        word = "TIMEOUT" if found.status == "Failed" and exit_code(found) == runs.TIMED_OUT else WORDS.get(found.status, "UNKNOWN")
        return {"jobState": word, "status": found.status, "reason": found.reason or ""}

    def done(self, force_check: bool = False) -> bool:
        """Whether it has ended, or its agent is lost."""
        if self._sub_jobs:
            return all(job.done() for job in self._sub_jobs)
        return self.paths.result_pickle.exists() or has_ended(self._state())

    def results(self) -> list[Any]:
        """The result of each task. Raises what the first task that failed by itself was ended by."""
        error = self.exception() if self._sub_jobs else None
        if error is not None:
            raise error
        return super().results()

    def exception(self) -> utils.UncompletedJobError | utils.FailedJobError | None:
        """That of the first task that failed by itself: the others were ended because of it."""
        if not self._sub_jobs:
            return super().exception()
        self.wait()
        found = [error for error in (job.exception() for job in self._sub_jobs) if error is not None]
        return next((error for error in found if isinstance(error, utils.FailedJobError)), found[0] if found else None)

    def wait(self) -> None:
        """Wait for the end."""
        for _ in runs.wait([RunPaths(str(self.run_dir))]):
            pass

    def cancel(self, check: bool = True) -> None:
        """End it with all that it has started. check: wait until it has ended."""
        paths = RunPaths(str(self.run_dir))
        runs.cancel(paths)
        if check:
            for _ in runs.wait([paths], CANCEL_WAIT_S):
                pass

    def _interrupt(self) -> None:
        """Have the function make a checkpoint and begin anew, as at its time limit; for trying that out."""
        from submitit.core.job_environment import JobEnvironment

        from trainconf.history import events

        latest = events.last(RunPaths(str(self.run_dir))) or {}
        for rank in latest.get("ranks", ()):
            with suppress(ProcessLookupError):
                os.kill(rank["pid"], JobEnvironment._usr_sig())

    def __del__(self) -> None:
        if self.__dict__.get("_cancel_at_deletion") and not self.done():
            self.cancel(check=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_look": None}
