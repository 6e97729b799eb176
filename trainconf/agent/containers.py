"""The crew of containers: one per rank, and the network between them. See `trainconf.agent.crew.Crew`.

Imported for container runs only. Every container has a thread; what these have to tell lies in an inbox until the main loop, woken by
a signal, reads it.
"""

from __future__ import annotations

import _thread
import os
from collections import deque

from trainconf.agent import container_outcome, outcome
from trainconf.agent.container import Container, ContainerEnd, ContainerUp, EngineAway
from trainconf.agent.crew import Ended, Noted, Started
from trainconf.agent.leases import WAKE_SIGNAL
from trainconf.agent.log import say
from trainconf.agent.network import Network
from trainconf.agent.outcome import Outcome, Usage
from trainconf.engine import container as contract
from trainconf.engine.client import Engine, EngineError
from trainconf.history import liveness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from trainconf.agent.crew import News
    from trainconf.paths import RunPaths

LOOK_AGAIN_SECONDS = 1.0  # everything of note comes with a signal


class ContainerCrew:
    """Ranks that are containers."""

    deadline = None  # whatever happens comes with a signal

    def __init__(self, paths: RunPaths, plan: Mapping[str, Any]) -> None:
        self.usage = Usage()
        self._paths = paths
        self._plan = plan
        self._engine = Engine(plan["engine"]["address"], plan["engine"].get("api", ""))
        self._patience_s = float(plan["engine"]["patience_seconds"])
        self._network = Network(self._engine, plan["engine"].get("network"), self._patience_s)
        self._members: dict[int, Container] = {}  # by rank
        self._living: set[int] = set()
        self._up: dict[int, dict[str, Any]] = {}  # what the event tells of each rank that has begun
        self._away: set[int] = set()  # ranks that wait for the engine
        self._inbox: deque[tuple[int, Any]] = deque()
        self._is_clearing = False
        self._is_cleared = True
        self._oom_kills = 0

    @property
    def is_empty(self) -> bool:
        return not self._living

    def start(self, attempt: int, gpus: Sequence[str]) -> None:
        self.usage, self._up, self._away = Usage(), {}, set()
        self._oom_kills = outcome.count_oom_kills()
        self._members = {rank["rank"]: self._member(rank, attempt, gpus) for rank in self._plan["ranks"]}
        self._living = set(self._members)
        self._is_clearing = self._is_cleared = False
        _thread.start_new_thread(self._bring_up, ())

    def _member(self, rank: Mapping[str, Any], attempt: int, gpus: Sequence[str]) -> Container:
        number = rank["rank"]
        body = contract.with_gpus(rank["container"], gpus)
        body = {**body, "Labels": {**body["Labels"], contract.LABEL_ATTEMPT: str(attempt)}}
        name = f"trainconf-{self._paths.run_id}-{attempt}" + (f"-{number}" if len(self._plan["ranks"]) > 1 else "")
        secrets = {name: os.environ[name] for name in self._plan["secret_env"] if name in os.environ}
        env = {**self._plan["env"], **rank["env"], **secrets, "TRAINCONF_ATTEMPT": str(attempt)}
        variables = contract.variables_text(env, self._plan["engine"].get("umask", contract.UMASK))
        return Container(
            self._engine, _container_name(name), body, variables, patience_s=self._patience_s, tell=lambda news: self._tell(number, news)
        )

    def _tell(self, rank: int, news: Any) -> None:
        self._inbox.append((rank, news))
        os.kill(os.getpid(), WAKE_SIGNAL)

    def _bring_up(self) -> None:
        """What comes before the containers; then each of them gets its thread."""
        try:
            self._network.make()
            for rank in self._members:
                os.close(os.open(self._paths.log(rank), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644))
        except Exception as error:  # whatever it was, a run that nobody minds must not be left
            for rank in self._members:
                end = ContainerEnd()
                end.refusal = error if isinstance(error, EngineError) else EngineError(0, f"{type(error).__name__}: {error}")
                self._tell(rank, end)
            return
        first, *others = self._members
        for rank in others:
            _thread.start_new_thread(self._mind, (rank,))
        self._mind(first)

    def _mind(self, rank: int) -> None:
        self._members[rank].mind(lambda: _take_text(self._paths.usage(rank)))

    def news(self) -> Iterator[News]:
        while self._inbox:
            rank, told = self._inbox.popleft()
            if isinstance(told, ContainerEnd):
                self._living.discard(rank)
                yield Ended(self._outcome(rank, told))
            elif isinstance(told, ContainerUp):
                self._up[rank] = self._record(rank, told.host_pid)
                if len(self._up) == len(self._members):
                    yield Started([self._up[rank] for rank in sorted(self._up)])
            elif isinstance(told, EngineAway):
                yield from self._weather(rank, told.reason)

    def _outcome(self, rank: int, end: ContainerEnd) -> Outcome:
        self.usage.add_container(*contract.read_usage(end.usage))
        argv = next(entry["argv"] for entry in self._plan["ranks"] if entry["rank"] == rank)
        oom_kills = outcome.count_oom_kills() - self._oom_kills
        found = container_outcome.of(end, self._members[rank].body, argv, self._engine.address, oom_kills)
        found.rank = rank if found.state == "Failed" else None
        if len(self._members) > 1 and found.reason:
            found.reason = f"rank {rank}: {found.reason}"
        return found

    def _record(self, rank: int, host_pid: int) -> dict[str, Any]:
        """The first process of the container counts if it is one of this machine: an engine may have a machine of its own."""
        record: dict[str, Any] = {"rank": rank, "container": self._members[rank].id}
        try:
            with open(f"/proc/{host_pid}/cgroup", "rb") as stream:
                if record["container"].encode() in stream.read():
                    record |= {"pid": host_pid, "start_ticks": liveness.start_ticks(host_pid)}
        except OSError:
            return record
        return record

    def _weather(self, rank: int, reason: str) -> Iterator[Noted]:
        """One word for all ranks when the engine goes, and one when it is back."""
        were = bool(self._away)
        if reason:
            self._away.add(rank)
        else:
            self._away.discard(rank)
        if self._away and not were:
            yield Noted(f"the container engine does not answer: {reason}; waiting for it")
        elif were and not self._away:
            yield Noted("the container engine answers again")

    def end(self, *, kill: bool, is_recorded: bool) -> float | None:
        for rank in self._living:
            self._members[rank].signal("SIGKILL" if kill else "SIGTERM")
        if not self._living and is_recorded and not self._is_clearing:
            self._is_clearing = True
            _thread.start_new_thread(self._clear, ())
        return None if self._is_cleared else LOOK_AGAIN_SECONDS

    def has_leftovers(self) -> bool:
        return not self._is_cleared

    def _clear(self) -> None:
        """Remove containers and network. What cannot be removed now is `trainconf gc`'s to find, by its labels."""
        try:
            for words in (*(member.remove() for member in self._members.values()), self._network.remove()):
                if words:
                    say(f"{self._paths.run_id}: {words}")
        finally:
            self._is_cleared = True
            os.kill(os.getpid(), WAKE_SIGNAL)

    def child_ended(self, pid: int, status: int, rusage: Any) -> None:
        """No child of the agent is one of a container."""

    def has_process(self, pid: int) -> bool:
        return False

    def has_session(self, session: int) -> bool:
        return False


def _container_name(text: str) -> str:
    """What an engine takes for a name: [a-zA-Z0-9][a-zA-Z0-9_.-]+"""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "-" for c in text)


def _take_text(path: str) -> str:
    """The content of a file, which is removed; empty when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
        os.unlink(path)
    except OSError:
        return ""
    return text
