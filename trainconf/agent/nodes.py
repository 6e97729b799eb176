"""The crew of several nodes: one agent of its own on each (`node`), started by srun. See `trainconf.agent.crew.Crew`.

They are spoken to through srun: its standard input goes to all of them (orders), its standard output comes from all of them (news), one
JSON line each; docs/architecture.md has the words. No file system lies between, and when this agent dies they find their input ended.
No rank starts before every node is there.
"""

from __future__ import annotations

import _thread
import json
import os
import re
import signal
import time
from collections import deque

from trainconf import files
from trainconf.agent import ranks
from trainconf.agent.crew import Ended, Started
from trainconf.agent.leases import WAKE_SIGNAL
from trainconf.agent.log import say
from trainconf.agent.outcome import Outcome, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from trainconf.agent.crew import News
    from trainconf.agent.slurm import SlurmJob
    from trainconf.paths import RunPaths

SILENCE_SECONDS = 60.0  # a node that says nothing for so long is lost; each says something every ALIVE_SECONDS
ALIVE_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 1.0  # everything of note comes with a signal
KILL_PATIENCE_SECONDS = 10.0  # for nodes that were told to kill, before srun is, which has Slurm do it
LAST_WORDS = 3
# What srun says of a node's agent that has not ended by itself with code 0, which it always does.
BAD_END = re.compile(r"srun: error: (\S+): tasks? \S+: (.+)")


class NodesCrew:
    """Ranks that are processes of several nodes, this one among them."""

    def __init__(self, paths: RunPaths, plan: Mapping[str, Any], job: SlurmJob) -> None:
        self.usage = Usage()
        self._paths = paths
        self._batch = plan["batch"]
        self._job = job
        self._silence_s = float(self._batch.get("node_silence_seconds", SILENCE_SECONDS))
        self._srun = 0  # its pid, while it lives
        self._orders = -1
        self._begin(0)

    def _begin(self, attempt: int) -> None:
        self.usage = Usage()
        self._attempt = attempt
        self._inbox: deque[tuple[str, bytes | None]] = deque()
        self._open_channels = 0
        self._hosts: dict[int, str] = {}  # of the nodes that are there, by number
        self._offers: dict[int, dict[str, Any]] = {}  # where the ranks of each could be met
        self._heard: dict[int, float] = {}  # when each was last
        self._looked = time.monotonic()
        self._records: list[dict[str, Any]] = []
        self._started: set[int] = set()  # nodes
        self._living: set[int] = set()  # nodes with ranks to wait for
        self._told: set[str] = set()
        self._words: deque[str] = deque(maxlen=LAST_WORDS)
        self._kill_srun_at = 0.0

    @property
    def is_empty(self) -> bool:
        return not self._living

    @property
    def _is_over(self) -> bool:
        return self._srun == 0 and self._open_channels == 0

    def start(self, attempt: int, gpus: Sequence[str]) -> None:
        self._begin(attempt)
        self._living = set(range(self._batch["nodes"]))
        try:
            orders, news, words = os.pipe(), os.pipe(), os.pipe()
            actions = [(os.POSIX_SPAWN_DUP2, orders[0], 0), (os.POSIX_SPAWN_DUP2, news[1], 1), (os.POSIX_SPAWN_DUP2, words[1], 2)]
            argv = self._command()
            self._srun = os.posix_spawn(
                ranks.find_program(argv[0], os.environ), argv, os.environ, file_actions=actions,
                setsid=True, setsigmask=[], setsigdef=ranks.RESET_SIGNALS,
            )  # fmt: skip
        except OSError as error:
            self._inbox.append(("words", f"srun cannot be started: {error.strerror}".encode()))
            return
        for fd in (orders[0], news[1], words[1]):
            os.close(fd)
        self._orders = orders[1]
        self._open_channels = 2
        _thread.start_new_thread(self._listen, ("news", news[0], self._inbox))
        _thread.start_new_thread(self._listen, ("words", words[0], self._inbox))

    def _command(self) -> list[str]:
        """One agent on every node of the job. srun(1): CPUs are not inherited from the job between 22.05 and 23.11, so it is told them."""
        nodes, cpus = str(self._batch["nodes"]), self._batch.get("cpus_per_task")
        return [
            "srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", *([f"--cpus-per-task={cpus}"] if cpus else []),
            "--kill-on-bad-exit=0",  # the other nodes are ended politely
            "--input=all", "--export=ALL", "--mpi=none", "--", *_own_command(), self._paths.run_dir, "--node",
        ]  # fmt: skip

    def _listen(self, channel: str, fd: int, inbox: deque[tuple[str, bytes | None]]) -> None:
        rest = b""
        while True:
            data = os.read(fd, 65536)
            *lines, rest = (rest + data).split(b"\n")
            inbox.extend((channel, line) for line in lines)
            if not data:
                os.close(fd)
                inbox.append((channel, None))
            os.kill(os.getpid(), WAKE_SIGNAL)
            if not data:
                return

    def _order(self, what: str, **facts: Any) -> None:
        if what in self._told or self._orders < 0:
            return
        self._told.add(what)
        try:
            os.write(self._orders, files.dumps({"order": what, **facts}).encode() + b"\n")
        except OSError as error:  # srun is gone, which comes as news of its own
            say(f"{self._paths.run_id}: the nodes could not be told to {what}: {error}")

    def news(self) -> Iterator[News]:
        while self._inbox:
            channel, line = self._inbox.popleft()
            if line is None:
                self._open_channels -= 1
            elif channel == "words":
                yield from self._hear_words(line)
            else:
                yield from self._hear_node(line)
        if self._living and (self._is_over or self._lost_node() is not None):
            yield from self._break_off(self._why_broken())

    def _hear_words(self, line: bytes) -> Iterator[News]:
        """What srun and the nodes' agents have to say to people."""
        os.write(2, line + b"\n")
        text = line.decode("utf-8", "replace")
        self._words.append(text)
        bad = BAD_END.match(text)
        if bad is not None and self._living:
            yield from self._break_off(self._why_ended(bad[1], bad[2]))

    def _hear_node(self, line: bytes) -> Iterator[News]:
        try:
            told = json.loads(line)
            node, what = int(told["node"]), told["news"]
        except (ValueError, TypeError, KeyError):
            yield from self._hear_words(line)
            return
        self._heard[node] = time.monotonic()
        if what == "here":
            self._hosts[node] = told["host"]
            self._offers[node] = {"address": told["address"], "ports": told["ports"]}
            if len(self._hosts) == self._batch["nodes"]:
                self._order("start", attempt=self._attempt, nodes=[self._offers[node] for node in sorted(self._offers)])
        elif what == "started":
            self._started.add(node)
            self._records += told["ranks"]
            if len(self._started) == self._batch["nodes"]:
                yield Started(sorted(self._records, key=lambda record: int(record["rank"])))
        elif what == "ended":
            if told["was_last"]:
                self._living.discard(node)
            yield Ended(_rank_outcome(told["outcome"], self._hosts.get(node)), told["rank"])
        elif what == "over":
            self.usage.add_container(told["cpu_s"], told["peak_rss_bytes"])
            if node in self._living:
                self._living.discard(node)
                yield Ended(Outcome("Failed", 1, f"node {told['host']} was told to stop", may_requeue=self._job.may_requeue))

    def _lost_node(self) -> str | None:
        """A node that has been silent for too long. When this process stood still itself, as a suspended job does, all get new time."""
        now = time.monotonic()
        if now - self._looked > self._silence_s / 2:
            self._heard = dict.fromkeys(self._heard, now)
        self._looked = now
        silent = (node for node in sorted(self._living & self._heard.keys()) if now - self._heard[node] > self._silence_s)
        return next((self._hosts[node] for node in silent), None)

    def _why_broken(self) -> str:
        lost = self._lost_node()
        if lost is not None:
            return f"node {lost} was lost: nothing was heard of it for {self._silence_s:g} s"
        words = "; ".join(self._words)
        return f"the nodes of the run were ended: {words or 'srun does not say why'}"

    def _why_ended(self, nodes: str, how: str) -> str:
        if len(self._hosts) == self._batch["nodes"]:
            return f"the run's agent on {nodes} was ended: {how}"
        return f"the run's agent could not start on {nodes}, where its folder may be missing: {how}"

    def _break_off(self, reason: str) -> Iterator[News]:
        """Nothing will be heard of the ranks any more. Only nodes that were there once may come again in a requeued job."""
        may_requeue = self._job.may_requeue and len(self._hosts) == self._batch["nodes"]
        self._living = set()
        yield Ended(Outcome("Failed", 1, reason, may_requeue=may_requeue))

    def end(self, *, kill: bool, is_recorded: bool) -> float | None:
        if self._is_over:
            return None
        self._order("kill" if kill else "end")
        if kill:
            now = time.monotonic()
            self._kill_srun_at = self._kill_srun_at or now + KILL_PATIENCE_SECONDS
            if now >= self._kill_srun_at and self._srun:
                os.kill(self._srun, signal.SIGKILL)
        return LOOK_AGAIN_SECONDS

    def has_leftovers(self) -> bool:
        return not self._is_over

    def child_ended(self, pid: int, status: int, rusage: Any) -> None:
        if pid == self._srun:
            self._srun = 0
            os.close(self._orders)
            self._orders = -1

    @property
    def deadline(self) -> float | None:
        """When to look whether a node has fallen silent, by the monotonic clock."""
        return self._looked + self._silence_s / 4 if self._living and self._srun else None

    def has_process(self, pid: int) -> bool:
        return pid != 0 and pid == self._srun

    def has_session(self, session: int) -> bool:
        return False


def _rank_outcome(end: Mapping[str, Any], host: str | None) -> Outcome:
    """As its node told it, and which rank it was, where."""
    rank, reason = end.get("rank"), end["reason"]
    if rank is not None and not reason.startswith(f"rank {rank}: "):
        reason = f"rank {rank}: {reason}"
    return Outcome(end["state"], end["exit_code"], reason, rank, may_retry=end["may_retry"], host=host)


def _own_command() -> list[str]:
    """How this agent was started."""
    import sys

    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
    return [sys.executable, "-I", "-S", f"-Xutf8={sys.flags.utf8_mode}", script]
