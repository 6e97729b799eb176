"""One run from its first event to its last: queue, attempts, time limit, cancellation, the end of its whole process tree.

A `RunSupervisor` never blocks. The pool tells it what happened (`begin`, `child_ended`, `read_cancel_request`, `stop`) and calls `tick`
whenever a signal came or `deadline` has passed. Its phases:

    WAITING   for slots and devices              BACKOFF   until the next attempt
    RUNNING   the ranks run, under the limit     ENDING    SIGTERM was sent; SIGKILL follows after the grace
    READING   the last of the output is searched for metrics
    OVER      the last event is decided

A rank group starts and ends the ranks, processes or containers. Where a scheduler's job shall be continued, the pool has it requeued.
"""

from __future__ import annotations

import time

from trainconf.agent import job_folders, outcome
from trainconf.agent.attempts import Attempts
from trainconf.agent.journal import Journal
from trainconf.agent.log import say
from trainconf.agent.monitor.due import Monitor
from trainconf.agent.outcome import Outcome
from trainconf.agent.plan import Plan
from trainconf.agent.rank_group import Ended, Left, Noted
from trainconf.fast.records import replace
from trainconf.history import events, liveness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trainconf.agent.leases.claim import Claim
    from trainconf.agent.nodes.scheduler_job import SchedulerJob
    from trainconf.agent.processes.watchdog import Watchdog
    from trainconf.agent.rank_group import News, RankGroup
    from trainconf.agent.stdout_metrics import LogReader
    from trainconf.paths import RunPaths

    MakeRankGroup = Callable[[RunPaths, Plan, Claim | None], RankGroup]

WAITING, RUNNING, ENDING, READING, BACKOFF, OVER = "waiting", "running", "ending", "reading", "backoff", "over"


class RunSupervisor:
    """Carries out one plan. `is_over` once the last event is on disk, or given up (`events_lost`); `end` is how it ended."""

    def __init__(self, paths: RunPaths, make_rank_group: MakeRankGroup, watchdog: Watchdog | None, job: SchedulerJob | None = None) -> None:
        self.paths = paths
        self.end: Outcome | None = None
        self.rank_group: RankGroup | None = None  # from the moment the plan is known
        self._make_rank_group = make_rank_group
        self._watchdog = watchdog
        self._job = job
        self._attempts = Attempts()
        self._phase = WAITING
        self._heard_requests: set[bool] = set()  # to cancel: whether by force
        self._journal = Journal(paths)
        self._monitor = Monitor(paths)
        self._claim: Claim | None = None
        self._deadline: float | None = None
        self._is_held = False  # by the watchdog, with what is leased
        self._is_announced = False  # that this attempt starts
        self._notes: list[str] = []  # what the last event tells besides how the run ended
        # Of the present attempt, or the last one:
        self._outcome: Outcome | None = None
        self._awaited: set[int] = set()  # ranks whose end the run waits for; the others serve them
        self._log_reader: LogReader | None = None
        self._resources: dict[str, Any] = {}
        self._is_up = False
        self._started = self._kill_at = 0.0

    @property
    def is_over(self) -> bool:
        return self._phase == OVER and (self.events_lost or not self._journal.unwritten)

    @property
    def events_lost(self) -> bool:
        return self._journal.lost

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called at the latest, by the monotonic clock."""
        waiting = self._claim.deadline if self._claim is not None and self._phase == WAITING else self._deadline
        reading = self._log_reader.deadline if self._log_reader is not None and self._phase == RUNNING else None
        watching = None if self.rank_group is None else self.rank_group.deadline
        return min((t for t in (waiting, reading, watching, self._monitor.deadline, self._journal.deadline) if t is not None), default=None)

    def begin(self) -> None:
        """Read the plan and get in line; with everything free the ranks run when this returns."""
        self._attempts = Attempts.of(self.paths, has_job=self._job is not None)
        if self._attempts.is_over:
            self._phase = OVER
            return
        agent = {"agent": liveness.own_identity(), **({} if self._job is None else {"scheduler": self._job.identity()})}
        try:
            self._plan = Plan.load(self.paths.plan)
            if self._plan.slots is not None:
                from trainconf.agent.leases.claim import Claim

                self._claim = Claim(self.paths.run_id, self._plan.slots, self._plan.gpus)
            self.rank_group = self._make_rank_group(self.paths, self._plan, self._claim)
            got = self._claim is None or self._claim.advance()
        except (OSError, ValueError, TypeError, KeyError) as error:
            self._record("Queued", **agent)
            self._finish(Outcome("Failed", 1, f"the run could not be prepared: {type(error).__name__}: {error}"))
            return
        if self._claim is None:  # a scheduler had it in its queue, and has given what there is
            self._record("Starting", **agent, **self._attempts.why_again)
            self._is_announced = True
        else:
            self._record("Queued", **agent, **({} if got or not self._claim.waiting_for else {"waiting_for": self._claim.waiting_for}))
        if self._job is not None or events.is_cancel_requested(self.paths):  # only now: who asked before that line knew nobody to wake
            self.read_cancel_request()
        if got and self._phase == WAITING:
            self._start_attempt()

    def _record(self, state: str, **facts: Any) -> None:
        self._journal.add(state, self._attempts.number, **facts)

    def tick(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._journal.deadline is not None and now >= self._journal.deadline:
            self._journal.flush()
        self._monitor.tick(now)
        self._take_news()
        if self._phase == WAITING:
            self._wait_on()
        elif self._phase == RUNNING:
            self._check_running(now)
        elif self._phase == ENDING:
            self._check_ending(now)
        elif self._phase == READING:
            self._read_the_rest()
        elif self._phase == BACKOFF and self._deadline is not None and now >= self._deadline:
            self._start_attempt()

    def child_ended(self, pid: int, status: int, rusage: Any) -> None:
        """A process of this run was reaped: one of its ranks, or an orphan that had come back."""
        if self.rank_group is not None:
            self.rank_group.child_ended(pid, status, rusage)
            self._take_news()

    def read_cancel_request(self) -> None:
        """Cancel if somebody has asked for it."""
        request = None if self._phase == OVER else events.cancel_request(self.paths)
        if request is None:
            return
        force = bool(request.get("force"))
        if force not in self._heard_requests:
            self._heard_requests |= {False, force}
            if events.is_cancel_requested(self.paths):
                self._record("CancelRequested", requested=request.get("time"), **({"force": True} if force else {}))
        self.stop(Outcome("Canceled", None, events.why_canceled(self.paths)), force=force)

    def stop(self, end: Outcome, *, force: bool) -> None:
        """End the run: SIGTERM to its tree and SIGKILL after the grace, or at once with `force`.

        An end that is decided stands, unless it was to be continued and now shall not be.
        """
        if self._phase in (WAITING, BACKOFF):
            self._finish(end if self._outcome is None else replace(end, exit_code=self._outcome.exit_code))
        elif self._phase == RUNNING and self._outcome is None:
            self._outcome = end
            self._end_tree(force=force)
        elif self._phase in (ENDING, READING):
            assert self._outcome is not None
            self._outcome = end if self._outcome.may_requeue and not end.may_requeue else replace(self._outcome, may_retry=False)
            if self._phase == READING and self._log_reader is not None:
                self._log_reader.stop()
            elif force:
                self._kill_at = 0.0
                self.tick()

    def withdraw(self) -> bool:
        """Leave the line, so that it can begin anew later; False where it has begun, or is over."""
        if self._phase != WAITING or self._claim is None:
            return False
        self._claim.release()
        self._phase = OVER
        self._record("Queued", waiting_for="resume")
        return True

    def _wait_on(self) -> None:
        assert self._claim is not None
        before = self._claim.waiting_for
        try:
            got = self._claim.advance()
        except OSError as error:
            self._finish(Outcome("Failed", 1, f"no lease could be taken: {error}"))
            return
        if got:
            self._start_attempt()
        elif self._claim.waiting_for != before:
            self._record("Queued", waiting_for=self._claim.waiting_for)

    def _start_attempt(self) -> None:
        assert self.rank_group is not None
        gpus, leases = ([], []) if self._claim is None else (self._claim.gpus, self._claim.held)
        if self._watchdog is not None and not self._is_held:
            self._watchdog.hold(self.paths.run_dir, leases)
            self._is_held = True
        if not self._is_announced:
            self._record("Starting", **({"gpus": gpus} if gpus else {}))
        self._outcome, self._is_up, self._is_announced = None, False, False
        self._phase, self._deadline, self._started = RUNNING, None, time.monotonic()
        if self._plan.stdout_metrics:
            from trainconf.agent.stdout_metrics import LogReader

            self._log_reader = LogReader(self.paths, self._plan.stdout_metrics)
        self._awaited = {rank.rank for rank in self._plan.ranks if not rank.is_service}
        job_folders.prepare(self.paths, has_metrics_folder="TRAINCONF_METRICS" in self._plan.env)
        self.rank_group.start(self._attempts.number, gpus)
        self._take_news()

    def _take_news(self) -> None:
        for news in () if self.rank_group is None else self.rank_group.news():
            if self._phase in (RUNNING, ENDING):
                self._take(news)

    def _take(self, news: News) -> None:
        if isinstance(news, Ended):
            self._rank_ended(outcome.or_canceled(self.paths, news.outcome), news.rank)
        elif isinstance(news, Noted):
            say(f"{self.paths.run_id}: {news.text}")
            self._notes += [news.text] if isinstance(news, Left) and news.text not in self._notes else []
            if self._phase == RUNNING:
                self._record("Running" if self._is_up else "Starting", reason=news.text)
        elif self._phase == RUNNING:
            self._record("Running", **news.facts, ranks=news.ranks)
            self._monitor.begin(self._plan, news.ranks, () if self._claim is None else self._claim.gpus)
            limit = self._plan.max_run_duration_seconds
            self._is_up, self._started = True, time.monotonic()
            self._deadline = None if limit is None else self._started + limit

    def _rank_ended(self, end: Outcome, rank: int | None) -> None:
        """The first rank that fails by itself decides. A decision stands, and takes the first exit code.

        Ranks that serve the others are ended when these have completed.
        """
        assert self.rank_group is not None
        self._notes += [end.note] if end.note and end.note not in self._notes else []
        if self._outcome is None and end.state != "Completed":
            self._outcome = end if self._job is None else self._job.or_its_cause(end)
            if not self.rank_group.is_empty:
                say(f"{self.paths.run_id}: {end.reason}; ending the other ranks")
                self._end_tree()
        elif self._outcome is not None and self._outcome.exit_code is None:
            self._outcome = replace(self._outcome, exit_code=end.exit_code)
        elif self._outcome is None and rank in self._awaited:
            self._awaited.discard(rank)
            if not self._awaited and not self.rank_group.is_empty:
                say(f"{self.paths.run_id}: its work is done; ending the ranks that served it")
                self._outcome = end
                self._end_tree()
        if self.rank_group.is_empty and self._phase in (RUNNING, ENDING):
            self._ranks_have_ended()

    def _check_running(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            limit = self._plan.max_run_duration_seconds
            self._outcome = Outcome("Failed", outcome.TIME_LIMIT_CODE, f"time limit of {limit:g} s")
            say(f"{self.paths.run_id}: {self._outcome.reason}")
            self._end_tree()
        elif self._log_reader is not None and self._log_reader.deadline is not None and now >= self._log_reader.deadline:
            self._read_log(self._log_reader)

    def _read_log(self, reader: LogReader, *, to_end: bool = False) -> bool:
        """Search the output for metrics, for a moment; whether all there is was searched."""
        try:
            is_done = reader.read_on(to_end=to_end)
        except OSError as error:
            is_done = True
            reader.note_error(error)
        for note in reader.take_notes():
            self._take(Left(note))
        return is_done

    def _end_tree(self, *, force: bool = False) -> None:
        """Begin to end all that belongs to the run."""
        now = time.monotonic()
        self._phase = ENDING
        self._kill_at = now if force else now + self._plan.grace_seconds
        self._check_ending(now)

    def _check_ending(self, now: float) -> None:
        assert self.rank_group is not None
        is_late = now >= self._kill_at
        again_s = self.rank_group.end(kill=is_late, is_recorded=not self._journal.unwritten)
        if again_s is None or (self.rank_group.is_empty and self.events_lost):
            self._attempt_is_over()
        else:
            self._deadline = now + again_s if is_late else min(self._kill_at, now + again_s)

    def _ranks_have_ended(self) -> None:
        assert self.rank_group is not None
        if self._outcome is None:
            self._outcome = Outcome("Completed", 0)
        self._record("Finalizing", exit_code=self._outcome.exit_code)
        if self._phase == ENDING:
            return  # `tick` comes next, and goes on with it
        if self.rank_group.has_leftovers():
            self._end_tree()
        else:
            self._attempt_is_over()

    def _attempt_is_over(self) -> None:
        assert self.rank_group is not None
        self._monitor.end(self.rank_group.usage)
        self._resources = self.rank_group.usage.facts(time.monotonic() - self._started)
        self._phase = READING
        self._read_the_rest()

    def _read_the_rest(self) -> None:
        """Search what the ended attempt has printed last; then go on with the next, or end."""
        self._deadline = time.monotonic()
        if self._log_reader is not None and not self._read_log(self._log_reader, to_end=True):
            return
        self._log_reader = None
        assert self._outcome is not None
        backoff = self._attempts.retry(self._outcome, self._plan)
        if backoff is None:
            self._finish(self._outcome, resources=self._resources)
        else:
            self._phase, self._deadline = BACKOFF, time.monotonic() + backoff
            self._record("Queued", waiting_for="retry", seconds=backoff, resources=self._resources, **self._outcome.facts())

    def _finish(self, end: Outcome, **facts: Any) -> None:
        """Give back what was leased and write the last event: of the run, or of its time in this job."""
        if self._job is not None:
            end, more = self._attempts.requeue(end, self._job.max_timeouts)
            facts |= more
        self._phase, self._deadline, self.end = OVER, None, end
        if self._claim is not None:
            self._claim.release()
        if self._watchdog is not None and self._is_held:
            self._watchdog.let_go(self.paths.run_dir)
        facts |= {"notes": self._notes} if self._notes else {}
        if end.may_requeue:
            self._journal.add("Queued", self._attempts.number + (self._started > 0), waiting_for="requeue", **{**end.facts(), **facts})
        else:
            self._record(end.state, **end.facts(), **facts, **job_folders.put_away(self.paths, end.state))

    def cannot_requeue(self, why: str) -> None:
        """The job did not get back into the queue: what was to be continued has ended."""
        assert self.end is not None
        self.end = replace(self.end, reason=f"{self.end.reason}; and it could not be requeued: {why}")
        self._record(self.end.state, **self.end.facts(), **job_folders.put_away(self.paths, self.end.state))
