"""The worker of one node of a run, or beside one MPI process (`mpi.rank`): it starts and ends ranks for the run's agent.

Orders come as lines on standard input, news go out as lines on standard output. When the orders end without a word, or Slurm ends the
node's processes, the worker still ends its ranks gracefully: nothing survives the run's agent.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import time
from collections import deque

from trainconf import files
from trainconf.agent.log import say
from trainconf.agent.monitor.due import Monitor
from trainconf.agent.nodes.remote import HEARTBEAT_SECONDS
from trainconf.agent.outcome import Outcome
from trainconf.agent.plan import Plan
from trainconf.agent.processes import tree, watchdog
from trainconf.agent.processes.ranks import ProcessRanks
from trainconf.agent.rank_group import Ended, Started
from trainconf.agent.rendezvous.local import Rendezvous
from trainconf.agent.signals import WAKE_SIGNAL
from trainconf.fast.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.agent.rank_group import RankGroup
    from trainconf.paths import RunPaths

SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, WAKE_SIGNAL}


class Worker:
    """One attempt of the ranks of `ranks`, which belong to worker number `number`; `rendezvous` is where they meet.

    The worker waits for the order to end, also when its ranks have ended. With `leaves_early` it does not wait once they have completed.
    `launcher` is a descriptor that can be read when the program that started this worker has ended it; -1: there is none.
    """

    def __init__(
        self, number: int, ranks: RankGroup, rendezvous: Rendezvous, grace_s: float, *, leaves_early: bool = False, launcher: int = -1,
        monitor: Monitor | None = None, plan: Plan | None = None,
    ) -> None:  # fmt: skip
        self._number = number
        self._ranks = ranks
        self._rendezvous = rendezvous
        self._grace_s = grace_s
        self._leaves_early = leaves_early
        self._launcher = launcher
        self._monitor = monitor  # None: the run's agent is on this machine, or another worker, and samples it
        self._plan = plan
        self._orders: deque[dict[str, Any]] = deque()
        self._kill_at: float | None = None  # monotonic; once the end was ordered
        self._is_over = False
        self._is_cut_off = False  # from the launcher
        self._poll_at = self._heartbeat_at = time.monotonic() + HEARTBEAT_SECONDS

    def carry_out(self) -> None:
        """Until nothing of its ranks is left."""
        _thread.start_new_thread(self._listen, ())
        try:
            self._report("here", host=os.uname().nodename, **self._rendezvous.offer())
        except OSError as error:
            cannot = Outcome("Failed", 1, f"the ranks of {os.uname().nodename} have nowhere to meet: {error.strerror or error}")
            self._report("ended", was_last=True, rank=None, outcome=_facts(cannot), is_cut_off=False)
        while not self._is_over:
            sample_at = self._heartbeat_at if self._monitor is None else self._monitor.deadline or self._heartbeat_at
            info = signal.sigtimedwait(SIGNALS, max(0.0, min(self._poll_at, self._heartbeat_at, sample_at) - time.monotonic()))
            if info is not None and info.si_signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                self._end(self._grace_s)
            while self._orders:
                self._obey(self._orders.popleft())
            self._reap()
            self._pass_on_news()
            if not self._is_over:
                self._tick()
        if self._monitor is not None:
            self._monitor.end(self._ranks.usage)
        self._report("over", host=os.uname().nodename, **self._ranks.usage.known())

    def _listen(self) -> None:
        """The end of the orders is an order, too: whoever gave them is gone."""
        rest, data = b"", b" "
        while data:
            data = os.read(0, 65536)
            *lines, rest = (rest + data).split(b"\n")
            self._orders.extend(json.loads(line) for line in lines if line.strip())
            if not data:
                self._orders.append({"order": "end"})
            os.kill(os.getpid(), WAKE_SIGNAL)

    def _obey(self, order: dict[str, Any]) -> None:
        if order["order"] == "start" and self._kill_at is None:
            self._rendezvous.agree(order["nodes"])
            self._ranks.start(order["attempt"], order["gpus"])
        elif order["order"] == "end":
            self._end(self._grace_s)
        elif order["order"] == "kill":
            self._end(0.0)

    def cut_off(self, patience_s: float) -> None:
        """The launcher has ended this worker, as far as it could: the ranks may end by themselves for so long. For another thread."""
        self._is_cut_off = self._is_cut_off or self._kill_at is None
        time.sleep(patience_s)
        self._orders.append({"order": "end"})
        os.kill(os.getpid(), WAKE_SIGNAL)

    def _end(self, grace_s: float) -> None:
        now = time.monotonic()
        self._kill_at = min(now + grace_s, now + grace_s if self._kill_at is None else self._kill_at)
        self._poll_at = now

    def _reap(self) -> None:
        while True:
            try:
                pid, status, rusage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if not tree.was_own(pid):
                self._ranks.child_ended(pid, status, rusage)

    def _pass_on_news(self) -> None:
        host = os.uname().nodename
        for news in self._ranks.news():
            if isinstance(news, Started):
                self._report("started", ranks=[{**record, "host": host} for record in news.ranks])
                if self._monitor is not None and self._plan is not None:
                    self._monitor.begin(self._plan, news.ranks, ())
            elif isinstance(news, Ended):
                self._is_cut_off = self._is_cut_off or self._has_lost_launcher()
                is_last = self._ranks.is_empty
                self._report("ended", was_last=is_last, rank=news.rank, outcome=_facts(news.outcome), is_cut_off=self._is_cut_off)
                has_completed = is_last and news.outcome.state == "Completed"
                if self._leaves_early and has_completed and not self._ranks.has_leftovers():
                    self._is_over = True

    def _has_lost_launcher(self) -> bool:
        """A rank may end in the moment in which it is cut off, before the thread that waits for that was heard."""
        from select import select

        return self._launcher >= 0 and self._kill_at is None and bool(select([self._launcher], [], [], 0)[0])

    def _tick(self) -> None:
        now = time.monotonic()
        if self._monitor is not None:
            self._monitor.tick(now)
        if self._kill_at is not None:
            again_s = self._ranks.end(kill=now >= self._kill_at, is_recorded=True)
            self._is_over = again_s is None
            self._poll_at = now + (again_s or 0.0) if now >= self._kill_at else min(self._kill_at, now + (again_s or 0.0))
        else:
            self._poll_at = now + HEARTBEAT_SECONDS
        if now >= self._heartbeat_at:
            self._heartbeat_at = now + HEARTBEAT_SECONDS
            self._report("heartbeat")

    def _report(self, what: str, **facts: Any) -> None:
        try:
            write_news(self._number, what, **facts)
        except OSError as error:
            say(f"the run's agent cannot be reached: {error}")
            self._end(self._grace_s)


def write_news(worker: int, what: str, **facts: Any) -> None:
    """Report to the run's agent. Raises OSError."""
    os.write(1, files.dumps({"worker": worker, "news": what, **facts}).encode() + b"\n")


def _facts(end: Outcome) -> dict[str, Any]:
    return {**end.facts(), "state": end.state, "may_retry": end.may_retry}


def begin(paths: RunPaths) -> Plan:
    """Take the signals of a worker; the plan of its run."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir("/")
    return Plan.load(paths.plan)


def carry_out(paths: RunPaths) -> int:
    """The node's part of the run in this job step."""
    plan, node = begin(paths), int(os.environ["SLURM_NODEID"])
    watchdog.start_watchdog(plan.grace_seconds, ends_with_watchdog=True)
    rendezvous = Rendezvous(plan, node)
    mine = replace(plan, ranks=[rank for rank in plan.ranks if rank.node == node])
    ranks = ProcessRanks(paths, mine, set(), gets_orphans=tree.become_subreaper(), rendezvous=rendezvous)
    monitor = Monitor(paths, node) if node else None  # on the first node is the run's agent
    Worker(node, ranks, rendezvous, plan.grace_seconds, monitor=monitor, plan=plan).carry_out()
    return 0
