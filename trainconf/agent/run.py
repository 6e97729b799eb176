"""One run from its first event to its last: queue, attempts, time limit, cancellation, the end of its whole process tree.

A `RunSupervisor` never blocks. The pool tells it what happened (`begin`, `child_ended`, `read_cancel_request`, `cancel`) and calls `tick`
whenever a signal came or `deadline` has passed. Its phases:

    WAITING   for slots and devices              BACKOFF   until the next attempt
    RUNNING   the ranks run, under the limit     ENDING    SIGTERM was sent; SIGKILL follows after the grace
    READING   the last of the output is searched for metrics
    OVER      the last event is decided

A rank group starts and ends the ranks, be they processes or containers. In a scheduler's job, attempts are counted on from those of earlier
jobs. An end that shall be continued is handed back: the pool puts the whole job into the queue again.
"""

from __future__ import annotations

import time

from trainconf import files
from trainconf.agent import job_folders, outcome
from trainconf.agent.journal import Journal
from trainconf.agent.leases import Claim
from trainconf.agent.log import say
from trainconf.agent.outcome import Outcome
from trainconf.agent.processes.ranks import ProcessRanks
from trainconf.agent.rank_group import Ended, Noted
from trainconf.history import events, liveness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.agent.nodes.slurm_job import SlurmJob
    from trainconf.agent.processes.watchdog import Watchdog
    from trainconf.agent.rank_group import News, RankGroup
    from trainconf.agent.stdout_metrics import LogReader
    from trainconf.paths import RunPaths

LONGEST_BACKOFF_SECONDS = 3600.0
WAITING, RUNNING, ENDING, READING, BACKOFF, OVER = "waiting", "running", "ending", "reading", "backoff", "over"


class RunSupervisor:
    """Carries out one plan. `is_over` once the last event is on disk, or given up (`events_lost`); `end` is how it ended."""

    def __init__(
        self, paths: RunPaths, living_ranks: set[int], *, gets_orphans: bool, watchdog: Watchdog, job: SlurmJob | None = None
    ) -> None:  # fmt: skip
        self.paths = paths
        self.attempt = 1
        self.end: Outcome | None = None
        self.rank_group: RankGroup | None = None  # from the moment the plan is known
        self._living_ranks = living_ranks  # of all runs of this agent; kept by all of them
        self._gets_orphans = gets_orphans  # every descendant that loses its parent becomes a child of this process
        self._watchdog = watchdog
        self._job = job
        self._retry_count = 0
        self._why_again: dict[str, str] = {}
        self._timeout_count = 0  # attempts that the job's time limit ended, and that were continued
        self._phase = WAITING
        self._requests_heard: set[bool] = set()  # to cancel: whether by force
        self._journal = Journal(paths)
        self._claim: Claim | None = None
        self._deadline: float | None = None
        self._outcome: Outcome | None = None
        self._log_reader: LogReader | None = None
        self._notes: list[str] = []  # what the last event tells besides how the run ended
        self._resources: dict[str, Any] = {}  # of the attempt that has ended last
        self._is_up = False
        self._awaited: set[int] = set()  # ranks whose end the run waits for; the others serve them
        self._is_watched = False  # with what it has leased
        self._is_announced = False  # that this attempt starts
        self._started = 0.0
        self._kill_at = 0.0

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
        return min((t for t in (waiting, reading, watching, self._journal.deadline) if t is not None), default=None)

    def begin(self) -> None:
        """Read the plan and get in line; with everything free the ranks run when this returns."""
        if self._job is not None and not self._continue_history():
            return
        try:
            self._plan: dict[str, Any] = files.read_json(self.paths.plan)
            if self._plan["slots"] is not None:
                self._claim = Claim(self.paths.run_id, self._plan["slots"], self._plan["gpus"])
            self.rank_group = self._make_rank_group()
            got = self._claim is None or self._claim.advance()
        except (OSError, ValueError, TypeError, KeyError) as error:
            self._journal.add("Queued", self.attempt, **self._who())
            self._finish(Outcome("Failed", 1, f"the run could not be prepared: {type(error).__name__}: {error}"))
            return
        if self._claim is None:  # a scheduler had it in its queue, and has given what there is
            self._journal.add("Starting", self.attempt, **self._who(), **self._why_again)
            self._is_announced = True
        else:
            waits = {} if got or not self._claim.waiting_for else {"waiting_for": self._claim.waiting_for}
            self._journal.add("Queued", self.attempt, **self._who(), **waits)
        self.read_cancel_request()  # only now: whoever asked before that line could not know whom to wake
        if got and self._phase == WAITING:
            self._start_attempt()

    def _continue_history(self) -> bool:
        """Count attempts on from those of earlier jobs; whether there is anything left to do."""
        history = events.read(self.paths)
        if any(event["state"] in events.TERMINAL for event in history):
            say(f"{self.paths.run_id}: has ended before; nothing is run again")
            self._phase = OVER
            return False
        self.attempt = 1 + max((int(event["attempt"]) for event in history if event["state"] == "Starting"), default=0)
        if self.attempt > 1 and history[-1].get("waiting_for") != "requeue":
            before = f"attempt {self.attempt - 1} was ended before it could say how"
            self._why_again = {"reason": f"{before}, and Slurm has started its job again"}
        self._retry_count = sum(event.get("waiting_for") == "retry" for event in history)
        self._timeout_count = sum(bool(event.get("is_out_of_time")) for event in history)
        return True

    def tick(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._journal.deadline is not None and now >= self._journal.deadline:
            self._journal.flush()
        self._hear()
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
            self._hear()

    def read_cancel_request(self) -> None:
        """Cancel if the run's events ask for it."""
        request = None if self._phase == OVER else events.cancel_request(self.paths)
        if request is not None:
            force = bool(request.get("force"))
            if force not in self._requests_heard:
                self._requests_heard |= {False, force}
                if events.is_cancel_requested(self.paths):
                    self._journal.add("CancelRequested", self.attempt, requested=request.get("time"), **({"force": True} if force else {}))
            self.cancel(force=force, reason="cancellation was requested")

    def cancel(self, *, force: bool, reason: str) -> None:
        """End the run as Canceled; see `stop`."""
        self.stop(Outcome("Canceled", None, reason), force=force)

    def stop(self, end: Outcome, *, force: bool) -> None:
        """End the run: SIGTERM to its tree and SIGKILL after the grace, or at once with `force`.

        An end already decided stands, unless it was to be continued and now shall not be.
        """
        if self._phase in (WAITING, BACKOFF):
            end.exit_code = end.exit_code if self._outcome is None else self._outcome.exit_code
            self._finish(end)
        elif self._phase == RUNNING and self._outcome is None:
            self._outcome = end
            self._end_tree(force=force)
        elif self._phase in (ENDING, READING):
            assert self._outcome is not None
            self._outcome.may_retry = False
            if self._outcome.may_requeue and not end.may_requeue:
                self._outcome = end
            if self._phase == READING and self._log_reader is not None:
                self._log_reader.stop()
            elif force:
                self._kill_at = 0.0
                self.tick()

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
            self._journal.add("Queued", self.attempt, waiting_for=self._claim.waiting_for)

    def _who(self) -> dict[str, Any]:
        """What the first event tells of whoever carries the run out."""
        return {"agent": liveness.identity(), **({} if self._job is None else {"scheduler": self._job.identity()})}

    def _make_rank_group(self) -> RankGroup:
        if self._plan.get("engine") is None:
            if self._plan.get("mpi") is not None:
                from trainconf.agent.mpi.ranks import MpiRanks

                return MpiRanks(self.paths, self._plan, self._living_ranks, self._job)
            if self._job is not None and self._job.node_count > 1:
                from trainconf.agent.nodes.srun import SrunRanks

                return SrunRanks(self.paths, self._plan, self._job)
            rendezvous = None
            if self._plan.get("rendezvous") is not None:
                from trainconf.agent.rendezvous.local import Rendezvous

                rendezvous = Rendezvous(self._plan)
            return ProcessRanks(
                self.paths, self._plan, self._living_ranks, gets_orphans=self._gets_orphans, rendezvous=rendezvous, claim=self._claim,
            )  # fmt: skip
        from trainconf.agent.containers.ranks import ContainerRanks

        return ContainerRanks(self.paths, self._plan)

    def _start_attempt(self) -> None:
        assert self.rank_group is not None
        gpus = [] if self._claim is None else self._claim.gpus
        if not self._is_watched:
            self._watchdog.hold(self.paths.run_dir, () if self._claim is None else self._claim.held)
            self._is_watched = True
        if self._is_announced:
            self._is_announced = False
        else:
            self._journal.add("Starting", self.attempt, **({"gpus": gpus} if gpus else {}))
        self._outcome, self._is_up = None, False
        self._phase, self._deadline, self._started = RUNNING, None, time.monotonic()
        if self._plan["stdout_metrics"]:
            from trainconf.agent.stdout_metrics import LogReader

            self._log_reader = LogReader(self.paths, self._plan["stdout_metrics"])
        self._awaited = {rank["rank"] for rank in self._plan["ranks"] if not rank.get("is_service")}
        job_folders.prepare(self.paths, self._plan)
        self.rank_group.start(self.attempt, gpus)
        self._hear()

    def _hear(self) -> None:
        """Take in what the rank group has to tell."""
        for news in () if self.rank_group is None else self.rank_group.news():
            if self._phase in (RUNNING, ENDING):
                self._take(news)

    def _take(self, news: News) -> None:
        if isinstance(news, Ended):
            self._rank_ended(news.outcome, news.rank)
        elif isinstance(news, Noted):
            say(f"{self.paths.run_id}: {news.text}")
            if self._phase == RUNNING:
                self._journal.add("Running" if self._is_up else "Starting", self.attempt, reason=news.text)
        elif self._phase == RUNNING:
            self._journal.add("Running", self.attempt, **news.facts, ranks=news.ranks)
            limit = self._plan["max_run_duration_seconds"]
            self._is_up, self._started = True, time.monotonic()
            self._deadline = None if limit is None else self._started + limit

    def _rank_ended(self, end: Outcome, rank: int | None) -> None:
        """The first rank that fails by itself decides; what was decided before stands, with the first exit code.

        Ranks that serve the others are ended when these have completed.
        """
        assert self.rank_group is not None
        if end.note and end.note not in self._notes:
            self._notes.append(end.note)
        if self._outcome is None and end.state != "Completed":
            self._outcome = end if self._job is None else self._job.or_its_cause(end)
            if not self.rank_group.is_empty:
                say(f"{self.paths.run_id}: {end.reason}; ending the other ranks")
                self._end_tree()
        elif self._outcome is not None and self._outcome.exit_code is None:
            self._outcome.exit_code = end.exit_code
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
            limit = self._plan["max_run_duration_seconds"]
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
            self._take(Noted(note))
            self._notes += [] if note in self._notes else [note]
        return is_done

    def _end_tree(self, *, force: bool = False) -> None:
        """Begin to end all that belongs to the run."""
        now = time.monotonic()
        self._phase = ENDING
        self._kill_at = now if force else now + self._plan["grace_seconds"]
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
        self._journal.add("Finalizing", self.attempt, exit_code=self._outcome.exit_code)
        if self._phase == ENDING:
            return  # `tick` comes next, and goes on with it
        if self.rank_group.has_leftovers():
            self._end_tree()
        else:
            self._attempt_is_over()

    def _attempt_is_over(self) -> None:
        assert self.rank_group is not None
        self._resources = self.rank_group.usage.facts(time.monotonic() - self._started)
        self._phase = READING
        self._read_the_rest()

    def _read_the_rest(self) -> None:
        """Search what the ended attempt has printed last; then go on with the next, or end."""
        self._deadline = time.monotonic()
        if self._log_reader is None or self._read_log(self._log_reader, to_end=True):
            self._log_reader = None
            self._go_on_or_end()

    def _go_on_or_end(self) -> None:
        assert self._outcome is not None
        resources = self._resources
        if self._outcome.may_retry and self._retry_count < self._plan["retries"]:
            first = self._plan["retry_backoff_seconds"]
            backoff = min(first * 2.0 ** min(self._retry_count, 60), max(first, LONGEST_BACKOFF_SECONDS))
            self._retry_count += 1
            self.attempt += 1
            self._phase, self._deadline = BACKOFF, time.monotonic() + backoff
            self._journal.add("Queued", self.attempt, waiting_for="retry", seconds=backoff, resources=resources, **self._outcome.facts())
        else:
            self._finish(self._outcome, resources=resources)

    def _finish(self, end: Outcome, **facts: Any) -> None:
        """Give back what was leased and write the last event: of the run, or of its time in this job."""
        self._phase, self._deadline, self.end = OVER, None, end
        if self._claim is not None:
            self._claim.release()
        if self._is_watched:
            self._watchdog.let_go(self.paths.run_dir)
        if self._notes:
            facts["notes"] = self._notes
        if end.may_requeue and end.is_out_of_time:
            facts |= self._count_timeout(end)
        if end.may_requeue:
            self._journal.add("Queued", self.attempt + (self._started > 0), waiting_for="requeue", **{**end.facts(), **facts})
        else:
            self._journal.add(end.state, self.attempt, **end.facts(), **facts, **job_folders.put_away(self.paths))

    def _count_timeout(self, end: Outcome) -> dict[str, Any]:
        """A run that begins anew each time must not go on for ever."""
        assert self._job is not None
        limit = self._job.max_timeouts
        if self._timeout_count >= limit:
            end.may_requeue = False
            end.reason += f"; it was requeued for that as often as compute.max_requeues allows: {limit}"
            return {}
        return {"is_out_of_time": True, "reason": f"{end.reason}; requeue {self._timeout_count + 1} of at most {limit}"}

    def cannot_requeue(self, why: str) -> None:
        """The job did not get back into the queue: what was to be continued has ended."""
        assert self.end is not None
        self.end.reason += f"; and it could not be requeued: {why}"
        self._journal.add(self.end.state, self.attempt, **self.end.facts(), **job_folders.put_away(self.paths))
