"""A rank group whose ranks have workers: one on each node (`SrunRanks`), or one beside each MPI process (`MpiRanks`).

Another program starts the workers. They get orders and report news, a JSON line each, as docs/architecture.md describes. No rank starts
before every worker is there. When the run's agent dies, the orders end, and the workers end their ranks.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import deque

from trainconf import files
from trainconf.agent.log import said
from trainconf.agent.outcome import Outcome, Usage
from trainconf.agent.processes import ranks
from trainconf.agent.rank_group import Ended, Started
from trainconf.agent.signals import WAKE_SIGNAL
from trainconf.fast.spawn import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from trainconf.agent.rank_group import News
    from trainconf.paths import RunPaths

SILENCE_SECONDS = 60.0  # without news of a worker, until it is lost
HEARTBEAT_SECONDS = 10.0
POLL_SECONDS = 1.0  # everything of note comes with a signal
KILL_PATIENCE_SECONDS = 10.0  # for workers that have the order to kill, until the program that started them is killed


class RemoteRanks:
    """What both have in common. A subclass decides which program starts the `count` workers, and how orders reach them."""

    program = "srun"  # for people
    line_count = 3  # of its output are kept as the reason of a failure

    def __init__(self, paths: RunPaths, count: int, *, silence_s: float = SILENCE_SECONDS, may_requeue: bool = False) -> None:
        self.usage = Usage()
        self._paths = paths
        self._count = count
        self._silence_s = silence_s
        self._may_requeue = may_requeue
        self._pid = 0  # the program's, while it lives
        self._begin(0, ())

    def _begin(self, attempt: int, gpus: Sequence[str]) -> None:
        self.usage = Usage()
        self._attempt = attempt
        self._gpus = list(gpus)
        self._inbox: deque[tuple[Any, bytes | None]] = deque()  # channel, and a line or its end
        self._open_channels = 0
        self._hosts: dict[int, str] = {}  # of the workers that are there, by number
        self._offers: dict[int, dict[str, Any]] = {}  # of each for the rendezvous
        self._heard_at: dict[int, float] = {}  # the time of the latest news of each
        self._polled_at = time.monotonic()
        self._records: list[dict[str, Any]] = []
        self._started: set[int] = set()  # workers
        self._living: set[int] = set()  # workers with ranks to wait for
        self._orders: dict[str, bytes] = {}  # given so far
        self._last_lines: deque[str] = deque(maxlen=self.line_count)  # of the program
        self._last_said: deque[str] = deque(maxlen=self.line_count)  # by the workers, whose standard error the program passes on
        self._facts: dict[str, Any] = {}  # for the event, once every rank runs
        self._kill_program_at = 0.0

    def _launch(self) -> int:
        """Start the program that starts the workers; its pid. Raises OSError."""
        raise NotImplementedError

    def _send(self, order: bytes) -> None:
        """Pass an order on to every worker that is or will be there."""
        raise NotImplementedError

    def _receive(self, channel: Any, line: bytes | None) -> Iterator[News]:
        """Take a line of a channel, or its end."""
        raise NotImplementedError

    def _program_ended(self, pid: int, status: int) -> None:
        raise NotImplementedError

    def _name(self, worker: int) -> str:
        """For people."""
        raise NotImplementedError

    def _fail_unexplained(self) -> Iterator[News]:
        """Everything is over before its time."""
        raise NotImplementedError

    @property
    def is_empty(self) -> bool:
        return not self._living

    @property
    def _is_over(self) -> bool:
        return self._pid == 0 and self._open_channels == 0

    def start(self, attempt: int, gpus: Sequence[str]) -> None:
        self._begin(attempt, gpus)
        self._living = set(range(self._count))
        try:
            self._pid = self._launch()
        except OSError as error:
            self._last_lines.append(f"{self.program} cannot be started: {error.strerror or error}")

    def _order(self, what: str, **facts: Any) -> None:
        if what not in self._orders:
            self._orders[what] = files.dumps({"order": what, **facts}).encode() + b"\n"
            self._send(self._orders[what])

    def news(self) -> Iterator[News]:
        while self._inbox:
            yield from self._receive(*self._inbox.popleft())
        if self._living and (self._is_over or self._lost_worker() is not None):
            yield from self._fail_early()

    def _note_output(self, line: bytes) -> None:
        """Keep what the program and the workers print for people."""
        os.write(2, line + b"\n")
        text = line.decode("utf-8", "replace")
        words = said(text)
        if words is None:
            self._keep(text)
        else:
            self._last_said.append(words)

    def _keep(self, text: str) -> None:
        """Keep what the program itself has printed."""
        self._last_lines.append(text)

    @property
    def _words(self) -> str:
        """How the program explains itself, or else the workers; empty where nobody does."""
        return "; ".join(self._last_lines or self._last_said)

    def _take_news(self, worker: int, message: Mapping[str, Any]) -> Iterator[News]:
        what = message["news"]
        self._heard_at[worker] = time.monotonic()
        if what == "here":
            self._hosts[worker] = message["host"]
            self._offers[worker] = {"address": message["address"], "ports": message["ports"]}
            if len(self._hosts) == self._count:
                yield from self._all_are_here()
        elif what == "started":
            self._started.add(worker)
            self._records += message["ranks"]
            if len(self._started) == self._count:
                yield Started(sorted(self._records, key=lambda record: int(record["rank"])), self._facts)
        elif what == "ended":
            yield from self._rank_ended(worker, message)
        elif what == "over":
            self.usage.add_container(message["cpu_s"], message["peak_rss_bytes"])
            if worker in self._living:
                self._living.discard(worker)
                yield Ended(Outcome("Failed", 1, f"{self._name(worker)} was told to stop", may_requeue=self._may_requeue))

    def _all_are_here(self) -> Iterator[News]:
        """Every worker has reported what it offers for the rendezvous."""
        self._order("start", attempt=self._attempt, gpus=self._gpus, nodes=[self._offers[worker] for worker in sorted(self._offers)])
        return iter(())

    def _rank_ended(self, worker: int, message: Mapping[str, Any]) -> Iterator[News]:
        if worker not in self._living:  # it has failed already, for another reason
            return
        if message["was_last"]:
            self._living.discard(worker)
        yield Ended(_rank_outcome(message["outcome"], self._hosts.get(worker)), message["rank"])

    def _lost_worker(self) -> int | None:
        """A worker without news for too long. After this process itself stood still, as in a suspended job, all get new time."""
        now = time.monotonic()
        if now - self._polled_at > self._silence_s / 2:
            self._heard_at = dict.fromkeys(self._heard_at, now)
        self._polled_at = now
        silent = (worker for worker in sorted(self._living & self._heard_at.keys()) if now - self._heard_at[worker] > self._silence_s)
        return next(silent, None)

    def _fail_early(self) -> Iterator[News]:
        """A worker was lost, or everything is over before its time."""
        lost = self._lost_worker()
        if lost is not None:
            yield from self._fail(f"{self._name(lost)} was lost: nothing was heard of it for {self._silence_s:g} s")
        else:
            yield from self._fail_unexplained()

    def _fail(self, reason: str, exit_code: int = 1, rank: int | None = None, *, may_retry: bool = False) -> Iterator[News]:
        """All ranks that are left have failed, because of `rank` if it is known. Only workers that were there once may be requeued."""
        may_requeue = self._may_requeue and len(self._hosts) == self._count
        self._living = set()
        host = None if rank is None else self._hosts.get(rank)
        yield Ended(Outcome("Failed", exit_code, reason, rank, may_retry=may_retry, may_requeue=may_requeue, host=host))

    def end(self, *, kill: bool, is_recorded: bool) -> float | None:
        if self._is_over:
            return None
        self._order("kill" if kill else "end")
        if kill:
            now = time.monotonic()
            self._kill_program_at = self._kill_program_at or now + KILL_PATIENCE_SECONDS
            if now >= self._kill_program_at and self._pid:
                os.kill(self._pid, signal.SIGKILL)
        return POLL_SECONDS

    def has_leftovers(self) -> bool:
        return not self._is_over

    def child_ended(self, pid: int, status: int, rusage: Any) -> None:
        if pid == self._pid:
            self._pid = 0
            self._program_ended(pid, status)

    @property
    def deadline(self) -> float | None:
        """When to look for a lost worker, by the monotonic clock."""
        return self._polled_at + self._silence_s / 4 if self._living and self._pid else None

    def has_process(self, pid: int) -> bool:
        return pid != 0 and pid == self._pid

    def has_session(self, session: int) -> bool:
        return False


def start_program(argv: list[str], env: Mapping[str, str], stdin: int, stdout: int, stderr: int) -> int:
    """Start a program in a session of its own; its pid. Raises OSError."""
    return spawn(ranks.find_program(argv[0], env), argv, env, (stdin, stdout, stderr))


def listen(channel: Any, fd: int, inbox: deque[tuple[Any, bytes | None]]) -> None:
    """Put every line into the inbox, then None for the end. Wakes the main loop each time. Runs in a thread of its own."""
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


def read_news(line: bytes) -> tuple[int, dict[str, Any]] | None:
    """The worker and its message; None for a line that is no news."""
    try:
        message = json.loads(line)
        return (int(message["worker"]), message) if isinstance(message["news"], str) else None
    except (ValueError, TypeError, KeyError):
        return None


def _rank_outcome(end: Mapping[str, Any], host: str | None) -> Outcome:
    """The end of a rank as its worker reports it."""
    rank, reason = end.get("rank"), end["reason"]
    if rank is not None and not reason.startswith(f"rank {rank}: "):
        reason = f"rank {rank}: {reason}"
    return Outcome(end["state"], end["exit_code"], reason, rank, may_retry=end["may_retry"], host=host)
