"""The controller of a sweep as a job of its own: one CPU, sent exactly once, and put back into the queue when its time is up.

`controller_job.json` in the sweep's folder has the batch that was sent last, its number among those of the sweep, and Slurm's id.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from trainconf import files
from trainconf.errors import StorageError
from trainconf.history.record import read_mapping
from trainconf.launchers.protocol import QueuedController
from trainconf.launchers.slurm import admission, clusters, job_states, options, submission
from trainconf.launchers.slurm.cancel import end_jobs
from trainconf.launchers.slurm.clusters import Clusters
from trainconf.launchers.slurm.commands import Controller
from trainconf.launchers.slurm.script import for_controller, named, pattern
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INHERITED = ("partition", "account", "qos", "time_minutes", "setup")  # from the trials' settings where the job has none


class SlurmController:
    """See `trainconf.launchers.protocol.ControllerJob`."""

    def __init__(self, known: Clusters, home: RunPaths) -> None:
        self._clusters = known
        self._home = home
        self._name = f"{home.run_id}_controller"

    def plan(self, command: Sequence[str], compute: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """The batch of the first job. Raises ConfigError, every mistake at once."""
        settings = {**{name: compute.get(name) for name in INHERITED}, **{name: value for name, value in own.items() if value is not None}}
        controller = self._clusters.controller()
        options.check(settings, controller, "sweep.controller_job")
        argv = ["sbatch", "--parsable", f"--chdir={self._home.workspace.root}", f"--output={pattern(self._home.controller_log)}"]
        batch = for_controller(settings, list(command[:1]), argv, self._clusters.conf)
        admission.check(controller, batch)
        return named(batch, self._name, list(command[1:]), "1")

    def send(self, batch: Mapping[str, Any]) -> str:
        """Send it unless there is one: a lost reply is looked up by name and comment, which no other job has."""
        found = self.look()
        if found is not None and not found.is_over:
            return found.job_id
        number = 1 + int(self._sent().get("number") or 0)
        wanted = named(batch, self._name, batch["words"], str(number))
        try:
            os.makedirs(self._home.logs, exist_ok=True)
            self._write({**wanted, "number": number, "job_id": None})
            clusters.note(clusters.CLUSTER, wanted["cluster"]["conf"])
            sent = submission.send(self._controller(wanted), wanted, {})
            self._write({**wanted, "number": number, "job_id": sent.job_id})
        except OSError as error:
            raise StorageError.from_os_error(error, "the controller cannot be handed over") from error
        return sent.job_id or ""

    def look(self) -> QueuedController | None:
        """Slurm is asked for the job by its name and comment, so it needs no number."""
        sent = self._sent()
        rows = self._controller(sent).squeue("%i|%T|%r|%k", f"--name={self._name}") if sent else []
        if rows is None:
            return None
        for job_id, state, reason, comment in rows:
            if comment == sent["comment"]:
                is_waiting = state in job_states.WAITING
                return QueuedController(job_id, state in job_states.OVER, reason if is_waiting else "")
        return QueuedController(str(sent.get("job_id") or ""), True)

    def cancel(self) -> None:
        """Only the job that this sweep's folder names, by name and comment, is ended."""
        found = self.look()
        if found is not None and not found.is_over:
            end_jobs(self._controller(self._sent()), self._name, [found.job_id])

    def _sent(self) -> dict[str, Any]:
        """What was sent last; empty before."""
        found = read_mapping(self._home.controller_job)
        return found if "comment" in found and "script" in found else {}

    def _write(self, batch: Mapping[str, Any]) -> None:
        files.write_atomic(self._home.controller_job, files.dumps(batch))

    def _controller(self, batch: Mapping[str, Any]) -> Controller:
        return self._clusters.controller(str(batch["cluster"]["conf"]))
