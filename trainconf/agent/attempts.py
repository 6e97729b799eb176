"""Which attempt of a run this is, and whether another one follows: a retry in this job, or a requeue by the scheduler."""

from __future__ import annotations

from trainconf.agent.log import say
from trainconf.fast.records import replace
from trainconf.history import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from trainconf.agent.outcome import Outcome
    from trainconf.agent.plan import Plan
    from trainconf.paths import RunPaths

LONGEST_BACKOFF_SECONDS = 3600.0


class Attempts:
    """Counts on from the attempts of earlier jobs, whose events are `history`; the first of them has the number of the first attempt."""

    @classmethod
    def of(cls, paths: RunPaths, *, has_job: bool) -> Attempts:
        """Those of a run in earlier jobs, and before it was resumed."""
        history = events.read(paths)
        made = cls(history if has_job else history[:1])
        if made.is_over:
            say(f"{paths.run_id}: has ended before; nothing is run again")
        return made

    def __init__(self, history: Sequence[Mapping[str, Any]] = ()) -> None:
        first = int(history[0]["attempt"]) if history else 1
        self.is_over = any(event["state"] in events.TERMINAL for event in history)
        self.number = 1 + max((int(event["attempt"]) for event in history if event["state"] == "Starting"), default=first - 1)
        self.why_again: dict[str, str] = {}  # what the first event tells of an attempt that nobody has asked for
        if self.number > first and history[-1].get("waiting_for") != "requeue":
            before = f"attempt {self.number - 1} was ended before it could say how"
            self.why_again = {"reason": f"{before}, and Slurm has started its job again"}
        self._retry_count = sum(event.get("waiting_for") == "retry" for event in history)
        self._timeout_count = sum(bool(event.get("is_out_of_time")) for event in history)

    def retry(self, end: Outcome, plan: Plan) -> float | None:
        """Begin to count another attempt, if one follows this end: the seconds until then, twice as many each time."""
        if not end.may_retry or self._retry_count >= plan.retries:
            return None
        first = plan.retry_backoff_seconds
        seconds: float = min(first * 2.0 ** min(self._retry_count, 60), max(first, LONGEST_BACKOFF_SECONDS))
        self._retry_count += 1
        self.number += 1
        return seconds

    def requeue(self, end: Outcome, max_timeouts: int) -> tuple[Outcome, dict[str, Any]]:
        """The end of a run that its scheduler interrupts, and what the event tells besides.

        A run that begins anew after each time limit must not go on for ever.
        """
        if not (end.may_requeue and end.is_out_of_time):
            return end, {}
        if self._timeout_count < max_timeouts:
            return end, {"is_out_of_time": True, "reason": f"{end.reason}; requeue {self._timeout_count + 1} of at most {max_timeouts}"}
        reason = f"{end.reason}; it was requeued for that as often as compute.max_requeues allows: {max_timeouts}"
        return replace(end, may_requeue=False, reason=reason), {}
