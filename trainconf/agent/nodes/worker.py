"""A worker of a remote (`remote`): the agent of one node of a run, or beside one MPI process (`mpi_rank`). It starts and ends its ranks.

Orders come as lines on standard input, news go out as lines on standard output. When the orders end without a word, or Slurm ends the
node's processes, the ranks are ended gracefully all the same: nothing survives the run's agent.
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
from trainconf.agent.nodes.remote import HEARTBEAT_SECONDS
from trainconf.agent.outcome import Outcome
from trainconf.agent.processes import tree, watchdog
from trainconf.agent.processes.ranks import ProcessRanks
from trainconf.agent.rank_group import Ended, Started
from trainconf.agent.rendezvous.local import Rendezvous
from trainconf.agent.signals import WAKE_SIGNAL
from trainconf.distributed.rendezvous import node_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import RunPaths

SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, WAKE_SIGNAL}


class Worker:
    """One attempt of the ranks of `ranks`, which are those of worker number `number`; they can be met at what `rendezvous` offers.

    It waits to be told to end, also when its ranks have ended; when these have completed, one that `leaves_early` does not. `starter` is a
    descriptor that can be read when whatever started this agent has ended it; -1: nothing does.
    """

    def __init__(
        self, number: int, ranks: ProcessRanks, rendezvous: Rendezvous, grace_s: float, *, leaves_early: bool = False, starter: int = -1
    ) -> None:  # fmt: skip
        self._number = number
        self._ranks = ranks
        self._rendezvous = rendezvous
        self._grace_s = grace_s
        self._leaves_early = leaves_early
        self._starter = starter
        self._orders: deque[dict[str, Any]] = deque()
        self._kill_at: float | None = None  # monotonic; once the end was ordered
        self._is_over = False
        self._is_cut_off = False  # from whatever started it
        self._look_at = self._speak_at = time.monotonic() + HEARTBEAT_SECONDS

    def carry_out(self) -> None:
        """Until nothing of its ranks is left."""
        _thread.start_new_thread(self._listen, ())
        try:
            self._tell("here", host=os.uname().nodename, **self._rendezvous.offer())
        except OSError as error:
            cannot = Outcome("Failed", 1, f"the ranks of {os.uname().nodename} have nowhere to meet: {error.strerror or error}")
            self._tell("ended", was_last=True, rank=None, outcome=_facts(cannot), is_cut_off=False)
        while not self._is_over:
            info = signal.sigtimedwait(SIGNALS, max(0.0, min(self._look_at, self._speak_at) - time.monotonic()))
            if info is not None and info.si_signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                self._end(self._grace_s)
            while self._orders:
                self._obey(self._orders.popleft())
            self._reap()
            self._pass_on_news()
            if not self._is_over:
                self._tick()
        usage = self._ranks.usage
        self._tell("over", host=os.uname().nodename, **usage.known())

    def _listen(self) -> None:
        """An end of the orders is an order, too: whoever gave them is gone."""
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
        """Whatever started this agent has ended it, as far as it could: the ranks have so long to end by themselves. For another thread."""
        self._is_cut_off = self._is_cut_off or self._kill_at is None
        time.sleep(patience_s)
        self._orders.append({"order": "end"})
        os.kill(os.getpid(), WAKE_SIGNAL)

    def _end(self, grace_s: float) -> None:
        now = time.monotonic()
        self._kill_at = min(now + grace_s, now + grace_s if self._kill_at is None else self._kill_at)
        self._look_at = now

    def _reap(self) -> None:
        while True:
            try:
                pid, status, rusage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ranks.child_ended(pid, status, rusage)

    def _pass_on_news(self) -> None:
        host = os.uname().nodename
        for news in self._ranks.news():
            if isinstance(news, Started):
                self._tell("started", ranks=[{**record, "host": host} for record in news.ranks])
            elif isinstance(news, Ended):
                end = _facts(news.outcome)
                self._is_cut_off = self._is_cut_off or self._has_lost_starter()
                self._tell("ended", was_last=self._ranks.is_empty, rank=news.rank, outcome=end, is_cut_off=self._is_cut_off)
                has_completed = self._ranks.is_empty and news.outcome.state == "Completed"
                if self._leaves_early and has_completed and not self._ranks.has_leftovers():
                    self._is_over = True

    def _has_lost_starter(self) -> bool:
        """A rank may end in the moment in which it is cut off, before the thread that waits for that has been heard."""
        from select import select

        return self._starter >= 0 and self._kill_at is None and bool(select([self._starter], [], [], 0)[0])

    def _tick(self) -> None:
        now = time.monotonic()
        if self._kill_at is not None:
            again_s = self._ranks.end(kill=now >= self._kill_at, is_recorded=True)
            self._is_over = again_s is None
            self._look_at = now + (again_s or 0.0) if now >= self._kill_at else min(self._kill_at, now + (again_s or 0.0))
        else:
            self._look_at = now + HEARTBEAT_SECONDS
        if now >= self._speak_at:
            self._speak_at = now + HEARTBEAT_SECONDS
            self._tell("heartbeat")

    def _tell(self, what: str, **facts: Any) -> None:
        try:
            write_news(self._number, what, **facts)
        except OSError as error:
            say(f"the run's agent cannot be told: {error}")
            self._end(self._grace_s)


def write_news(worker: int, what: str, **facts: Any) -> None:
    """Tell the run's agent. Raises OSError."""
    os.write(1, files.dumps({"worker": worker, "news": what, **facts}).encode() + b"\n")


def _facts(end: Outcome) -> dict[str, Any]:
    return {**end.facts(), "state": end.state, "may_retry": end.may_retry}


def carry_out(paths: RunPaths) -> int:
    """The node's part of the run in this job step."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir("/")
    plan, node = files.read_json(paths.plan), int(os.environ["SLURM_NODEID"])
    grace_s = float(plan["grace_seconds"])
    watchdog.start_watchdog(grace_s, ends_with_guard=True)
    mine = [rank for rank in plan["ranks"] if node_of(rank) == node]
    rendezvous = Rendezvous(plan, node)
    ranks = ProcessRanks(paths, {**plan, "ranks": mine}, set(), gets_orphans=tree.become_subreaper(), rendezvous=rendezvous)
    Worker(node, ranks, rendezvous, grace_s).carry_out()
    return 0
