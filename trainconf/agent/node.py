"""The agent of one node of a run that has several: it starts and ends this node's ranks, as the run's agent (`nodes`) orders.

Orders come as lines on standard input, news go out as lines on standard output. When the orders end without a word, or Slurm ends the
node's processes, the ranks are ended politely all the same: nothing survives the run's agent.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import time
from collections import deque

from trainconf import files
from trainconf.agent import guard, tree
from trainconf.agent.crew import Ended, Started
from trainconf.agent.leases import WAKE_SIGNAL
from trainconf.agent.log import say
from trainconf.agent.meeting import Meeting
from trainconf.agent.nodes import ALIVE_SECONDS
from trainconf.agent.outcome import Outcome
from trainconf.agent.ranks import ProcessCrew

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import RunPaths

SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, WAKE_SIGNAL}


class NodeAgent:
    """One attempt on one node."""

    def __init__(self, paths: RunPaths, node: int) -> None:
        self._node = node
        plan = files.read_json(paths.plan)
        mine = [rank for rank in plan["ranks"] if int(rank["env"]["NODE_RANK"]) == node]
        self._grace_s = float(plan["grace_seconds"])
        self._meeting = Meeting(plan, node)
        plan = {**plan, "ranks": mine}
        self._crew = ProcessCrew(paths, plan, set(), gets_orphans=tree.become_subreaper(), meeting=self._meeting)
        self._orders: deque[dict[str, Any]] = deque()
        self._kill_at: float | None = None  # monotonic; once the end was ordered
        self._is_over = False
        self._look_at = self._speak_at = time.monotonic() + ALIVE_SECONDS

    def carry_out(self) -> None:
        """Until nothing of this node's part is left."""
        _thread.start_new_thread(self._listen, ())
        try:
            self._tell("here", host=os.uname().nodename, **self._meeting.offer())
        except OSError as error:
            cannot = Outcome("Failed", 1, f"the ranks of {os.uname().nodename} have nowhere to meet: {error.strerror or error}")
            self._tell("ended", was_last=True, rank=None, outcome=_facts(cannot))
        while not self._is_over:
            info = signal.sigtimedwait(SIGNALS, max(0.0, min(self._look_at, self._speak_at) - time.monotonic()))
            if info is not None and info.si_signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                self._end(self._grace_s)
            while self._orders:
                self._obey(self._orders.popleft())
            self._reap()
            self._pass_on_news()
            self._tick()
        usage = self._crew.usage
        self._tell("over", host=os.uname().nodename, cpu_s=usage.cpu_s, peak_rss_bytes=usage.peak_rss_bytes)

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
            self._meeting.agree(order["nodes"])
            self._crew.start(order["attempt"], ())
        elif order["order"] == "end":
            self._end(self._grace_s)
        elif order["order"] == "kill":
            self._end(0.0)

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
            self._crew.child_ended(pid, status, rusage)

    def _pass_on_news(self) -> None:
        host = os.uname().nodename
        for news in self._crew.news():
            if isinstance(news, Started):
                self._tell("started", ranks=[{**record, "host": host} for record in news.ranks])
            elif isinstance(news, Ended):
                self._tell("ended", was_last=self._crew.is_empty, rank=news.rank, outcome=_facts(news.outcome))

    def _tick(self) -> None:
        now = time.monotonic()
        if self._kill_at is not None:
            again_s = self._crew.end(kill=now >= self._kill_at, is_recorded=True)
            self._is_over = again_s is None
            self._look_at = now + (again_s or 0.0) if now >= self._kill_at else min(self._kill_at, now + (again_s or 0.0))
        else:
            self._look_at = now + ALIVE_SECONDS
        if now >= self._speak_at:
            self._speak_at = now + ALIVE_SECONDS
            self._tell("alive")

    def _tell(self, what: str, **facts: Any) -> None:
        line = files.dumps({"node": self._node, "news": what, **facts}).encode() + b"\n"
        try:
            os.write(1, line)
        except OSError as error:
            say(f"the run's agent cannot be told: {error}")
            self._end(self._grace_s)


def _facts(end: Outcome) -> dict[str, Any]:
    return {**end.facts(), "state": end.state, "may_retry": end.may_retry}


def carry_out(paths: RunPaths) -> int:
    """The node's part of the run in this job step."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir("/")
    alive = guard.post(paths.run_id, float(files.read_json(paths.plan)["grace_seconds"]))
    NodeAgent(paths, int(os.environ["SLURM_NODEID"])).carry_out()
    guard.dismiss(alive)
    return 0
