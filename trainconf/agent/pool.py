"""The runs of one agent: a single run, or the trials of a sweep with so many at a time. The next starts when one ends."""

from __future__ import annotations

import _thread
import os

from trainconf import files
from trainconf.agent.log import say
from trainconf.agent.outcome import Outcome
from trainconf.agent.processes import tree
from trainconf.agent.processes.ranks import ProcessRanks
from trainconf.agent.run import RunSupervisor
from trainconf.agent.signals import WAKE_SIGNAL
from trainconf.fast.json import loads
from trainconf.history import events, liveness
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from trainconf.agent.leases.claim import Claim
    from trainconf.agent.nodes.pool_job import GivenTrials
    from trainconf.agent.nodes.scheduler_job import SchedulerJob
    from trainconf.agent.plan import Plan
    from trainconf.agent.processes.watchdog import Watchdog
    from trainconf.agent.rank_group import RankGroup


NO_LIMIT = 1 << 30


class Feed:
    """Where a pool gets its runs from."""

    limit = 1
    is_held = False  # nothing is to be taken for now
    deadline: float | None = None  # when to look for more, by the monotonic clock; None: a signal tells

    def let_go(self, paths: RunPaths) -> None:
        """A run that was taken is over, and its last event is on disk."""


class OneRun(Feed):
    """The feed of an agent that carries out one run."""

    def __init__(self, paths: RunPaths) -> None:
        self._next = [paths]

    def has_more(self) -> bool:
        """Whether a run may still come. Asked when none runs."""
        return bool(self._next)

    def take(self) -> RunPaths | None:
        """The next run, if there is one now."""
        return self._next.pop() if self._next else None

    def read_on(self) -> None:
        """Look for more; a single run has none."""

    def canceled(self) -> Iterable[RunPaths]:
        """Runs that were cancelled before they were taken."""
        return ()

    def put_back(self, paths: list[RunPaths]) -> None:
        """Runs that were taken, and shall be taken again before all others."""
        self._next += paths

    def close(self) -> list[RunPaths]:
        """Take nothing more; the runs that are left."""
        left, self._next = self._next, []
        return left


class Trials(Feed):
    """The feed of a sweep's agent: `trials.jsonl`, one {"run_dir"} a line, until its writer is gone, which has said {"end": true} or not.

    The writer holds a lock on the file while more may come, so an agent never waits for one that was killed. A new writer may take the
    lock while trials still run, and go on, also after an end. {"agent": n} begins the part of a further agent: what stands before was
    another's.
    """

    def __init__(self, home: RunPaths) -> None:
        self._home = home
        sweep = files.read_json(home.sweep)
        self.limit = NO_LIMIT if sweep.get("has_controller") else max(1, int(sweep["max_concurrent_runs"]))
        self._offset = 0
        self._next: dict[str, None] = {}  # run directories in order
        self.end: dict[str, Any] | None = None  # what the writer said when there were no more; None: it was killed over them
        self._ended = False
        self._writer_gone = False
        self._writer_lock = files.FileLock(home.trials)  # held from the moment that no writer may follow
        _thread.start_new_thread(self._wait_for_writer, ())

    def _wait_for_writer(self) -> None:
        files.wait_unlocked(self._home.trials)
        self._writer_gone = True
        os.kill(os.getpid(), WAKE_SIGNAL)

    def has_more(self) -> bool:
        if not (self._next or self._ended) and (self._writer_gone or self.end is not None):
            self._end_unless_followed()
        return bool(self._next) or not self._ended

    def _end_unless_followed(self) -> None:
        """End the feed, whose writer has gone or is about to, unless another one has come meanwhile: then wait for that one."""
        self._ended = self._writer_lock.acquire(blocking=False)
        self.read_on()  # what a writer wrote before it went
        if not self._ended and self._writer_gone:
            self._writer_gone = False
            _thread.start_new_thread(self._wait_for_writer, ())

    def put_back(self, paths: list[RunPaths]) -> None:
        self._next = {**{one.run_dir: None for one in paths}, **self._next}

    def take(self) -> RunPaths | None:
        for run_dir in () if self.is_held else self._next:
            del self._next[run_dir]
            return RunPaths(run_dir)
        return None

    def read_on(self) -> None:
        """Take in the lines that are new and whole, and whether the sweep is held."""
        self.is_held = os.path.exists(self._home.held)
        try:
            new = files.read_untrusted(self._home.trials, files.JSON_BYTES, self._offset)
        except FileNotFoundError:
            new = b""
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._take_line(line)

    def _take_line(self, line: bytes) -> None:
        try:
            trial = loads(line)
            if trial.get("end"):
                self.end = trial
            elif "agent" in trial:
                self._next, self.end = {}, None
            else:
                run_dir = os.path.join(self._home.run_dir, trial["run_dir"])
                self._next[run_dir], self.end = None, None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            say(f"a line of {self._home.trials!r} is passed over: {error!r}: {line[:200]!r}")

    def canceled(self) -> Iterable[RunPaths]:
        for paths in [RunPaths(run_dir) for run_dir in self._next if events.is_cancel_requested(RunPaths(run_dir))]:
            del self._next[paths.run_dir]
            yield paths

    def close(self) -> list[RunPaths]:
        left, self._next, self._ended = [RunPaths(run_dir) for run_dir in self._next], {}, True
        return left


class Pool:
    """Carries out what a feed gives, `feed.limit` at a time."""

    def __init__(self, feed: OneRun | Trials | GivenTrials, job: SchedulerJob | None, watchdog: Watchdog | None) -> None:
        self.feed = feed
        self.job = job
        self.watchdog = watchdog
        self.runs: list[RunSupervisor] = []
        self.ends: list[Outcome] = []
        self.to_requeue: list[RunSupervisor] = []  # over for now: their job shall go back into its queue
        self._unstarted: list[RunPaths] = []  # to be carried out later in the same job
        self.lost_events = False
        self._living_ranks: set[int] = set()
        self._gets_orphans = tree.become_subreaper()  # before the first process is started, or an early daemon would get away

    def fill(self) -> None:
        """Start runs until the limit is reached or nothing waits, and forget the ones that are over."""
        if self.feed.is_held:
            self.feed.put_back([run.paths for run in self.runs if run.withdraw()])
        while True:
            for run in self.runs:
                self._note_end(run)
            self.runs = [run for run in self.runs if not run.is_over]
            paths = self.feed.take() if len(self.runs) < self.feed.limit else None
            if paths is None:
                return
            run = self._supervisor(paths)
            self.runs.append(run)
            run.begin()

    def _note_end(self, run: RunSupervisor) -> None:
        self.lost_events |= run.events_lost
        if not run.is_over:
            return
        self.feed.let_go(run.paths)
        self.ends += [] if run.end is None else [run.end]
        self.to_requeue += [run] if run.end is not None and run.end.may_requeue else []

    def _supervisor(self, paths: RunPaths) -> RunSupervisor:
        return RunSupervisor(paths, self._rank_group, self.watchdog, self.job)

    def _rank_group(self, paths: RunPaths, plan: Plan, claim: Claim | None) -> RankGroup:
        """What carries out the ranks of a plan. Imports only that."""
        if plan.engine is not None:
            from trainconf.agent.containers.ranks import ContainerRanks

            return ContainerRanks(paths, plan)
        may_requeue = self.job is not None and self.job.may_requeue
        if plan.mpi is not None:
            from trainconf.agent.mpi.ranks import MpiRanks

            return MpiRanks(paths, plan, self._living_ranks, may_requeue=may_requeue)
        if self.job is not None and plan.batch is not None and plan.batch.nodes > 1:
            from trainconf.agent.nodes.srun import SrunRanks

            return SrunRanks(paths, plan, may_requeue=may_requeue)
        rendezvous = None
        if plan.rendezvous is not None:
            from trainconf.agent.rendezvous.local import Rendezvous

            rendezvous = Rendezvous(plan)
        return ProcessRanks(
            paths, plan, self._living_ranks, gets_orphans=self._gets_orphans, rendezvous=rendezvous, claim=claim,
        )  # fmt: skip

    def is_done(self) -> bool:
        return not self.runs and not self.feed.has_more()

    def deadline(self) -> float | None:
        """When `tick` and `fill` must be called at the latest, by the monotonic clock."""
        feed = self.feed.deadline if len(self.runs) < self.feed.limit else None
        return min((due for due in (feed, *(run.deadline for run in self.runs)) if due is not None), default=None)

    def tick(self) -> None:
        """Let every run do what is due."""
        for run in self.runs:
            run.tick()

    def reap(self) -> None:
        """Collect every child that has ended and tell its run."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            run = self._owner(ended.si_pid)
            pid, status, rusage = os.wait4(ended.si_pid, 0)
            if run is not None and not tree.was_own(pid):
                run.child_ended(pid, status, rusage)

    def _owner(self, pid: int) -> RunSupervisor | None:
        """The run of a child: the one with that rank, or with that session. An orphan belongs to the only run there is."""
        for run in self.runs:
            if run.rank_group is not None and run.rank_group.has_process(pid):
                return run
        if len(self.runs) == 1:
            return self.runs[0]
        session = tree.session_of(pid)
        return next((run for run in self.runs if run.rank_group is not None and run.rank_group.has_session(session)), None)

    def exit_code(self) -> int:
        """What the run's agent ends with in a scheduler's job, for the scheduler to go by: the run's own exit code."""
        bad = [end for end in self.ends if end.state != "Completed"]
        return next((end.exit_code for end in bad if end.exit_code), 1) if bad or self.lost_events else 0

    def read_cancel_request(self) -> None:
        """Read what is new: trials, or a request to cancel."""
        self.feed.read_on()
        for paths in self.feed.canceled():
            self._cancel_unstarted(paths, events.why_canceled(paths))
        for run in self.runs:
            run.read_cancel_request()

    def stop_all(self, end: Outcome, *, force: bool) -> None:
        """End everything in this way and take nothing more. What has not started waits on if the rest shall be continued."""
        self.feed.read_on()
        self._unstarted += self.feed.close()
        while self._unstarted and not end.may_requeue:
            self._cancel_unstarted(self._unstarted.pop(0), end.reason)
        for run in self.runs:
            run.stop(end, force=force)

    @property
    def is_interrupted(self) -> bool:
        """Whether the job shall go on later with what has not been carried out to its end."""
        return bool(self._unstarted or self.to_requeue)

    def requeue(self) -> bool:
        """Have the job continue later what was interrupted; where it cannot be, that is its end."""
        if not self.is_interrupted:
            return False
        assert self.job is not None
        refusal = self.job.requeue()
        if refusal:
            say(f"the job cannot be requeued: {refusal}")
            for run in self.to_requeue:
                run.cannot_requeue(refusal)
        return not refusal

    def _cancel_unstarted(self, paths: RunPaths, reason: str) -> None:
        run = self._supervisor(paths)
        run.stop(Outcome("Canceled", None, reason), force=False)
        self.runs.append(run)  # until its event is on disk


def end_sweep(home: RunPaths) -> None:
    """Record that a sweep whose trials are jobs of their own is over, if this was the last of them.

    Reads them from the last one on: while others run, that is the only one to read.
    """
    if not os.path.exists(home.trials):
        return  # then nobody can tell
    for line in reversed(_trial_lines(home)):
        latest = events.last(_trial(home, line))
        if latest is None or latest["state"] not in events.TERMINAL:
            return
    with files.FileLock(home.lock):
        latest = events.last(home)
        if latest is None or latest["state"] not in events.TERMINAL:
            is_canceled = latest is not None and latest["state"] == "CancelRequested"
            facts = {"exit_code": None, "reason": events.why_canceled(home)} if is_canceled else {"exit_code": 0, "reason": ""}
            events.append(home, "Canceled" if is_canceled else "Completed", **facts)


def has_unsent(home: RunPaths) -> bool:
    """Whether a sweep has trials that its scheduler would not take yet, and nobody is sending them just now."""
    try:
        chunks = files.read_json(home.plan).get("chunks") or []
    except (OSError, ValueError, AttributeError):
        return False
    arrays = liveness.scheduler_of(home).get("arrays") or []
    is_left = sum(int(count) for _, count in chunks) > sum(int(count) for _, _, count in arrays)
    return is_left and events.cancel_request(home) is None and not files.is_locked(home.trials)


def trial_at(home: RunPaths, index: int) -> RunPaths:
    """The trial with this number, from 0, in a sweep's list. Raises LookupError."""
    lines = _trial_lines(home)
    if not 0 <= index < len(lines):
        raise LookupError(f"{home.trials!r} has no trial {index}")
    return _trial(home, lines[index])


def _trial_lines(home: RunPaths) -> list[bytes]:
    """A sweep's list, of whose thousands of lines each task needs one. Raises OSError."""
    return [line for line in files.read_untrusted(home.trials, files.JSON_BYTES).splitlines() if b'"run_dir"' in line]


def _trial(home: RunPaths, line: bytes) -> RunPaths:
    return RunPaths(os.path.join(home.run_dir, loads(line)["run_dir"]))
