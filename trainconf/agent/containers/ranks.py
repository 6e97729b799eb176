"""The rank group of containers: one per node, with one rank or several in each, and the network between them. See `rank_group`.

Imported for container runs only. Every container has a thread. Its news lie in an inbox until the main loop, woken by a signal, reads
them. Ranks that end while others of their container run on are found by polling.
"""

from __future__ import annotations

import _thread
import os
import time
from collections import deque

from trainconf.agent import outcome
from trainconf.agent.containers.container import Container, ContainerEnd, ContainerUp, EngineAway
from trainconf.agent.containers.network import Network
from trainconf.agent.containers.node import NodeRanks
from trainconf.agent.containers.variables import ContainerVariables
from trainconf.agent.log import say
from trainconf.agent.outcome import Usage
from trainconf.agent.rank_group import Ended, Noted, Started
from trainconf.agent.signals import WAKE_SIGNAL
from trainconf.engine import container as contract
from trainconf.engine import job_shell
from trainconf.engine.client import Engine, EngineError
from trainconf.history import liveness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from trainconf.agent.plan import Plan, RankPlan
    from trainconf.agent.rank_group import News
    from trainconf.paths import RunPaths

POLL_SECONDS = 1.0  # everything of note comes with a signal
WATCH_SECONDS = 0.2  # between two polls for ranks that have ended in a container that runs on


class ContainerRanks:
    """Ranks in containers."""

    def __init__(self, paths: RunPaths, plan: Plan) -> None:
        self.usage = Usage()
        self._paths = paths
        self._plan = plan
        assert plan.engine is not None
        self._engine = Engine(plan.engine.address, plan.engine.api)
        self._patience_s = plan.engine.patience_seconds
        self._network = Network(self._engine, plan.engine.network, self._patience_s)
        self._variables = ContainerVariables(paths, plan)
        self._nodes: dict[int, NodeRanks] = {}  # by number, as these
        self._containers: dict[int, Container] = {}
        self._up: dict[int, dict[str, Any]] = {}  # what the event tells of each rank that has begun
        self._away: set[int] = set()  # nodes that wait for the engine
        self._inbox: deque[tuple[int, Any]] = deque()
        self._poll_at = 0.0
        self._is_clearing = False
        self._is_cleared = True
        self._oom_kills = 0

    @property
    def is_empty(self) -> bool:
        return not any(node.living for node in self._nodes.values())

    @property
    def deadline(self) -> float | None:
        return self._poll_at if any(node.is_watched for node in self._nodes.values()) else None

    def start(self, attempt: int, gpus: Sequence[str]) -> None:
        self.usage, self._up, self._away = Usage(), {}, set()
        self._oom_kills = outcome.count_oom_kills()
        refusal = None
        try:
            self._variables.arrange()
        except OSError as error:
            refusal = EngineError(0, f"its ranks have nowhere to meet: {error}")
        nodes = self._plan.nodes()
        self._nodes = {node: NodeRanks(self._paths, self._plan, ranks, self._engine.address) for node, ranks in nodes.items()}
        self._containers = {
            node: self._container(node, ranks, attempt, contract.gpus_of_node(gpus, node, len(nodes))) for node, ranks in nodes.items()
        }
        self._is_clearing = self._is_cleared = False
        if refusal is None:
            _thread.start_new_thread(self._bring_up, ())
        else:
            self._refuse(refusal)

    def _container(self, node: int, ranks: Sequence[RankPlan], attempt: int, gpus: Sequence[str]) -> Container:
        body = contract.with_gpus(ranks[0].container or {}, gpus)
        body = {**body, "Labels": {**body["Labels"], contract.LABEL_ATTEMPT: str(attempt)}}
        name = f"trainconf-{self._paths.run_id}-{attempt}" + (f"-{node}" if len(self._nodes) > 1 else "")
        variables = self._variables.text(ranks, attempt, len(gpus))
        return Container(
            self._engine, _container_name(name), body, variables, patience_s=self._patience_s, report=lambda news: self._report(node, news)
        )

    def _report(self, node: int, news: Any) -> None:
        self._inbox.append((node, news))
        os.kill(os.getpid(), WAKE_SIGNAL)

    def _bring_up(self) -> None:
        """Make what the containers need, then start the thread of each."""
        try:
            self._network.make()
            for ranks in self._nodes.values():
                ranks.make_files()
        except Exception as error:  # whatever it was, no run must be left without a supervisor
            self._refuse(error if isinstance(error, EngineError) else EngineError(0, f"{type(error).__name__}: {error}"))
            return
        first, *others = self._nodes
        for node in others:
            _thread.start_new_thread(self._supervise, (node,))
        self._supervise(first)

    def _supervise(self, node: int) -> None:
        self._containers[node].supervise(self._nodes[node].usage)

    def _refuse(self, refusal: EngineError) -> None:
        """None of the containers can be begun."""
        for node in self._nodes:
            self._report(node, ContainerEnd(None, refusal))

    def news(self) -> Iterator[News]:
        while self._inbox:
            number, event = self._inbox.popleft()
            node = self._nodes[number]
            if isinstance(event, ContainerEnd):
                self.usage.add_container(*job_shell.read_usage(event.usage))
                yield from (Ended(found, rank) for rank, found in node.ended(event, self._count_oom_kills()))
                node.clear()
            elif isinstance(event, ContainerUp):
                node.came_up()
                record = self._record(self._containers[number].id, event.host_pid)
                self._up |= {rank: {"rank": rank, **record} for rank in node.numbers}
                if len(self._up) == len(self._plan.ranks):
                    yield Started([self._up[rank] for rank in sorted(self._up)])
            elif isinstance(event, EngineAway):
                yield from self._note_engine_availability(number, event.reason)
        yield from self._ended_early()

    def _ended_early(self) -> Iterator[Ended]:
        """Poll for ranks that have ended in containers that run on."""
        now = time.monotonic()
        if now < self._poll_at:
            return
        self._poll_at = now + WATCH_SECONDS
        for node in self._nodes.values():
            if node.is_watched:
                yield from (Ended(found, rank) for rank, found in node.ended_early(self._count_oom_kills()))

    def _count_oom_kills(self) -> int:
        return outcome.count_oom_kills() - self._oom_kills

    def _record(self, container: str, host_pid: int) -> dict[str, Any]:
        """The first process of a container counts if it is one of this machine: an engine may have a machine of its own."""
        record: dict[str, Any] = {"container": container}
        try:
            with open(f"/proc/{host_pid}/cgroup", "rb") as stream:
                if container.encode() in stream.read():
                    record |= {"pid": host_pid, "start_ticks": liveness.start_ticks(host_pid)}
        except OSError:
            return record
        return record

    def _note_engine_availability(self, node: int, reason: str) -> Iterator[Noted]:
        """One note for all nodes when the engine goes away, and one when it is back."""
        were = bool(self._away)
        if reason:
            self._away.add(node)
        else:
            self._away.discard(node)
        if self._away and not were:
            yield Noted(f"the container engine does not answer: {reason}; waiting for it")
        elif were and not self._away:
            yield Noted("the container engine answers again")

    def end(self, *, kill: bool, is_recorded: bool) -> float | None:
        for number, node in self._nodes.items():
            if node.living:
                self._containers[number].signal("SIGKILL" if kill else "SIGTERM")
        if self.is_empty and is_recorded and not self._is_clearing:
            self._is_clearing = True
            _thread.start_new_thread(self._clear, ())
        return None if self._is_cleared else POLL_SECONDS

    def has_leftovers(self) -> bool:
        return not self._is_cleared

    def _clear(self) -> None:
        """Remove containers and network. What cannot be removed now is `trainconf gc`'s to find, by its labels."""
        try:
            for failure in (*(container.remove() for container in self._containers.values()), self._network.remove()):
                if failure:
                    say(f"{self._paths.run_id}: {failure}")
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

