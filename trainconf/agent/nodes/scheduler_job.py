"""The scheduler's job that an agent was submitted as: what the agent asks of it, and which kind it is."""

from __future__ import annotations

from trainconf import files
from trainconf.agent.plan import JOB_ID_VARIABLES, Batch, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from trainconf.agent.outcome import Outcome
else:
    Protocol = object


class SchedulerJob(Protocol):
    """One job, or one task of an array.

    grace_seconds: between SIGTERM and SIGKILL
    may_requeue:   its owner wants it continued when the scheduler interrupts it
    max_timeouts:  how often it is continued when its time is up
    """

    grace_seconds: float
    may_requeue: bool
    max_timeouts: int

    def identity(self) -> dict[str, Any]:
        """What events tell of it: `kind`, `job_id`, and more."""

    def ends_with_us(self) -> bool:
        """Whether the scheduler ends every process of the job when the agent is gone."""

    def time_left_s(self) -> float | None:
        """Until its scheduler says that the job's time is nearly up; None where nobody can tell. Asks the scheduler."""

    def why_ending(self, signal_name: str) -> Outcome:
        """What a signal to the agent means. May wait a few seconds for the scheduler's answer."""

    def or_its_cause(self, end: Outcome) -> Outcome:
        """A failure; or its cause, when the scheduler is just ending the job and has reached the ranks before the agent."""

    def requeue(self) -> str:
        """Put the job back into the queue, unless it is there. Returns why that cannot be; empty when it could."""


def job_here(plan_path: str, environ: Mapping[str, str]) -> SchedulerJob | None:
    """The job of this agent. A local run that is started inside some job is not that job's."""
    try:
        plan = files.read_json(plan_path)  # also a sweep's, which is no `Plan`
        batch = read(Batch, plan["batch"]) if isinstance(plan["batch"], dict) else None
        grace_s = float(plan.get("grace_seconds", 0.0))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if batch is None or JOB_ID_VARIABLES.get(batch.kind) not in environ:
        return None
    from trainconf.agent.nodes.slurm_job import SlurmJob

    return SlurmJob(environ, batch, grace_s)
