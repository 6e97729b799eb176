"""One run from its first event to its last: queue, attempts, time limit, cancellation, the end of its whole process tree.

A `RunLife` never blocks. The pool tells it what happened (`begin`, `child_ended`, `look_for_cancel`, `cancel`) and calls `tick`
whenever a signal came or `deadline` has passed. Its phases:

    WAITING   for slots and devices              BACKOFF   until the next attempt
    RUNNING   the ranks run, under the limit     ENDING    SIGTERM was sent; SIGKILL follows after the grace
    OVER      the last event is decided
"""

from __future__ import annotations

import signal
import time

from trainconf import files
from trainconf.agent import outcome, ranks, tree
from trainconf.agent.journal import Journal
from trainconf.agent.leases import Claim
from trainconf.agent.log import say
from trainconf.agent.outcome import Outcome, Usage
from trainconf.history import events, liveness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.agent.stdout_metrics import LogReader
    from trainconf.paths import RunPaths

WAITING, RUNNING, ENDING, BACKOFF, OVER = "waiting", "running", "ending", "backoff", "over"
LOOK_AGAIN_SECONDS = 0.1  # while processes that are not our children are being ended
KILL_AGAIN_SECONDS = 0.02


class RunLife:
    """Carries out one plan. `is_over` once the last event is on disk, or given up (`events_lost`)."""

    def __init__(self, paths: RunPaths, living_ranks: set[int], *, gets_orphans: bool) -> None:
        self.paths = paths
        self.attempt = 1
        self.ranks: dict[int, int] = {}  # living ranks by pid
        self._living_ranks = living_ranks  # of all runs of this agent; kept by all of them
        self._gets_orphans = gets_orphans  # every descendant that loses its parent becomes a child of this process
        self._phase = WAITING
        self._journal = Journal(paths)
        self._claim: Claim | None = None
        self._deadline: float | None = None
        self._outcome: Outcome | None = None
        self._log_reader: LogReader | None = None
        self._rank_pids: set[int] = set()  # of this attempt, ended ones included
        self._usage = Usage()
        self._started = 0.0
        self._oom_kills = 0
        self._kill_at = 0.0
        self._told: set[int] = set()  # processes that got SIGTERM

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
        return min((t for t in (waiting, reading, self._journal.deadline) if t is not None), default=None)

    def begin(self) -> None:
        """Read the plan and get in line; with everything free the ranks run when this returns."""
        try:
            self._plan: dict[str, Any] = files.read_json(self.paths.plan)
            self._claim = Claim(self.paths.run_id, self._plan["slots"], self._plan["gpus"])
            got = self._claim.advance()
        except (OSError, ValueError, TypeError, KeyError) as error:
            self._journal.add("Queued", 1, agent=liveness.identity())
            self._finish(Outcome("Failed", 1, f"the run could not be prepared: {type(error).__name__}: {error}"))
            return
        waits = {} if got or not self._claim.waiting_for else {"waiting_for": self._claim.waiting_for}
        self._journal.add("Queued", 1, agent=liveness.identity(), **waits)
        self.look_for_cancel()  # only now: whoever asked before that line could not know whom to wake
        if got and self._phase == WAITING:
            self._start_attempt()

    def tick(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._journal.deadline is not None and now >= self._journal.deadline:
            self._journal.flush()
        if self._phase == WAITING:
            self._wait_on()
        elif self._phase == RUNNING:
            self._check_running(now)
        elif self._phase == ENDING:
            self._check_ending(now)
        elif self._phase == BACKOFF and self._deadline is not None and now >= self._deadline:
            self._start_attempt()

    def child_ended(self, pid: int, status: int, rusage: Any) -> None:
        """A process of this run was reaped: one of its ranks, or an orphan that had come back."""
        self._usage.add(rusage)
        rank = self.ranks.pop(pid, None)
        if rank is None:
            return
        self._living_ranks.discard(pid)
        if self._outcome is None and status != 0:
            self._outcome = outcome.failure(status, rank, len(self._rank_pids), outcome.count_oom_kills() - self._oom_kills)
            if self.ranks:
                say(f"{self.paths.run_id}: {self._outcome.reason}; ending the other ranks")
                self._end_tree()
        elif self._outcome is not None and self._outcome.exit_code is None:
            self._outcome.exit_code = outcome.exit_code(status)
        if not self.ranks and self._phase in (RUNNING, ENDING):
            self._ranks_have_ended()

    def look_for_cancel(self) -> None:
        """Cancel if the run's events ask for it."""
        request = None if self._phase == OVER else self._cancel_request()
        if request is not None:
            self.cancel(force=bool(request.get("force")), reason="cancellation was requested")

    def cancel(self, *, force: bool, reason: str) -> None:
        """End the run: SIGTERM to its tree and SIGKILL after the grace, or at once with `force`. An end already decided stands."""
        if self._phase in (WAITING, BACKOFF):
            self._finish(Outcome("Canceled", None if self._outcome is None else self._outcome.exit_code, reason))
        elif self._phase == RUNNING and self._outcome is None:
            self._outcome = Outcome("Canceled", None, reason)
            self._end_tree(force=force)
        elif self._phase == ENDING:
            assert self._outcome is not None
            self._outcome.may_retry = False
            if force:
                self._kill_at = 0.0
                self.tick()

    def _cancel_request(self) -> dict[str, Any] | None:
        """The strongest request so far."""
        found = [event for event in events.read(self.paths) if event["state"] == "CancelRequested"]
        return next((event for event in found if event.get("force")), found[-1] if found else None)

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

    def _start_attempt(self) -> None:
        assert self._claim is not None
        gpus = self._claim.gpus
        self._journal.add("Starting", self.attempt, **({"gpus": gpus} if gpus else {}))
        self._outcome, self._usage, self._rank_pids = None, Usage(), set()
        self._oom_kills = outcome.count_oom_kills()
        self._phase, self._deadline, self._started = RUNNING, None, time.monotonic()
        if self._plan["stdout_metrics"]:
            from trainconf.agent.stdout_metrics import LogReader

            self._log_reader = LogReader(self.paths, self._plan["stdout_metrics"])
        for rank in self._plan["ranks"]:
            if not self._start_rank(rank, gpus):
                break
        if self.ranks:
            limit = self._plan["max_run_duration_seconds"]
            self._deadline = None if limit is None else self._started + limit
            self._journal.add("Running", self.attempt, ranks=[self._rank_record(pid) for pid in self.ranks])
        if self._outcome is not None:
            if self.ranks:
                self._end_tree()
            else:
                self._ranks_have_ended()

    def _start_rank(self, rank: dict[str, Any], gpus: list[str]) -> bool:
        number, argv, cwd = rank["rank"], rank["argv"], self._plan["cwd"]
        env = ranks.environment(self._plan, rank, self.attempt, gpus)
        try:
            pid = ranks.start(argv, env, cwd, self.paths.log(number))
        except OSError as error:
            self._outcome = outcome.cannot_start(error, argv, cwd, self.paths.log(number), env)
        except ValueError as error:  # a NUL, or a character that this system's encoding does not have
            self._outcome = Outcome("Failed", outcome.NOT_EXECUTABLE_CODE, f"{argv[0]!r} cannot be executed: {error}")
        if self._outcome is not None:
            self._outcome.rank = number
            return False
        self.ranks[pid] = number
        self._rank_pids.add(pid)
        self._living_ranks.add(pid)
        return True

    def _rank_record(self, pid: int) -> dict[str, int]:
        return {"rank": self.ranks[pid], "pid": pid, "start_ticks": liveness.identity(pid)["start_ticks"]}

    def _check_running(self, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            limit = self._plan["max_run_duration_seconds"]
            self._outcome = Outcome("Failed", outcome.TIME_LIMIT_CODE, f"time limit of {limit:g} s")
            say(f"{self.paths.run_id}: {self._outcome.reason}")
            self._end_tree()
        elif self._log_reader is not None and self._log_reader.deadline is not None and now >= self._log_reader.deadline:
            self._read_log(self._log_reader)

    def _read_log(self, reader: LogReader, *, to_end: bool = False) -> None:
        try:
            reader.read_on(to_end=to_end)
        except OSError as error:
            say(f"{self.paths.run_id}: metrics from the output could not be recorded: {error}")

    def _end_tree(self, *, force: bool = False) -> None:
        """Begin to end every process of the run."""
        now = time.monotonic()
        self._phase, self._told = ENDING, set()
        self._kill_at = now if force else now + self._plan["grace_seconds"]
        self._check_ending(now)

    def _check_ending(self, now: float) -> None:
        """SIGTERM once to each process, those included that were forked in the meantime; SIGKILL to what outlasts the grace."""
        left = self._members() if self.ranks else self._survivors()
        if not self.ranks and not left:
            self._attempt_is_over()
        elif now >= self._kill_at:
            tree.send(left, signal.SIGKILL)
            self._deadline = now + KILL_AGAIN_SECONDS
        else:
            tree.send(left - self._told, signal.SIGTERM)
            self._told |= left
            self._deadline = min(self._kill_at, now + LOOK_AGAIN_SECONDS)

    def _ranks_have_ended(self) -> None:
        if self._outcome is None:
            self._outcome = Outcome("Completed", 0)
        self._journal.add("Finalizing", self.attempt, exit_code=self._outcome.exit_code)
        left = self._survivors()
        if not left:
            self._attempt_is_over()
        elif self._phase == RUNNING:
            say(f"{self.paths.run_id}: the script has ended; ending the processes it left behind: {sorted(left)}")
            self._end_tree()

    def owns(self, session: int) -> bool:
        """Whether a session is that of one of its ranks."""
        return session in self._rank_pids

    def _members(self) -> set[int]:
        other_runs = self._living_ranks - self.ranks.keys()
        return tree.members(self.paths.run_id, self._rank_pids, with_orphans=not other_runs)

    def _survivors(self) -> set[int]:
        """Living processes of the run once its ranks have ended; all of /proc is searched only if there can be any."""
        children = tree.children() if self._gets_orphans else None
        if children is not None and children <= self._living_ranks:
            return set()
        return self._members()

    def _attempt_is_over(self) -> None:
        assert self._outcome is not None
        if self._log_reader is not None:
            self._read_log(self._log_reader, to_end=True)
            self._log_reader = None
        resources = self._usage.facts(time.monotonic() - self._started)
        if self._outcome.may_retry and self.attempt <= self._plan["retries"]:
            backoff = self._plan["retry_backoff_seconds"] * 2 ** (self.attempt - 1)
            self.attempt += 1
            self._phase, self._deadline = BACKOFF, time.monotonic() + backoff
            self._journal.add("Queued", self.attempt, waiting_for="retry", seconds=backoff, resources=resources, **self._outcome.facts())
        else:
            self._finish(self._outcome, resources=resources)

    def _finish(self, end: Outcome, **facts: Any) -> None:
        """Give back what was leased and write the last event."""
        self._phase, self._deadline = OVER, None
        if self._claim is not None:
            self._claim.release()
        self._journal.add(end.state, self.attempt, **end.facts(), **facts)
