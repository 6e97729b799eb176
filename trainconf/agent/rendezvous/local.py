"""Where the ranks of one attempt meet: what this node offers for it, and what each of its ranks is told.

With one node that is known at once. With several every node tells the head what it offers, and gets back what all of them do.
"""

from __future__ import annotations

import os

from trainconf.agent.rendezvous import interfaces
from trainconf.agent.rendezvous.ports import Ports, address_of
from trainconf.distributed import rendezvous

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

THIS_MACHINE = "127.0.0.1"


class Rendezvous:
    """Of the ranks of `plan`, as seen from node number `node`."""

    def __init__(self, plan: Mapping[str, Any], node: int = 0) -> None:
        self._kind: str = plan["rendezvous"]["kind"]
        self._interface: str | None = plan["rendezvous"]["interface"]
        self._env: Mapping[str, str] = plan["env"]  # the job's own variables
        self._ranks: list[dict[str, Any]] = plan["ranks"]
        self._node = node
        self._ports = Ports()
        self._nodes: Sequence[Mapping[str, Any]] | None = None

    def offer(self) -> dict[str, Any]:
        """`address` and `ports` of this node, kept from now on. Raises OSError: no such interface, no port is free."""
        self._ports.release()
        here = sum(rendezvous.node_of(rank) == self._node for rank in self._ranks)
        return {"address": self.address(), "ports": self._ports.reserve(rendezvous.port_count(self._kind, self._node, here))}

    def address(self) -> str:
        """Where this node is met. Raises OSError: no such interface."""
        if self._interface is not None:
            return address_of(self._interface)
        is_alone = all(rendezvous.node_of(rank) == 0 for rank in self._ranks)
        return THIS_MACHINE if is_alone else os.uname().nodename

    def agree(self, nodes: Sequence[Mapping[str, Any]]) -> None:
        """Take what all nodes offer, this one included, in their order."""
        self._nodes = nodes

    def variables(self) -> dict[int, dict[str, str]]:
        """What each rank is told, by its number. Raises OSError as `offer` does, or for a head whose name means nothing here."""
        if self._nodes is None:  # this node is the only one
            return rendezvous.variables(self._kind, self._ranks, [self.offer()])
        self._look_up(str(self._nodes[0]["address"]))
        libraries = self._of_libraries([str(node["address"]) for node in self._nodes])
        told = rendezvous.variables(self._kind, self._ranks, self._nodes)
        return {rank: {**where, **libraries} for rank, where in told.items()}

    def _of_libraries(self, nodes: Sequence[str]) -> dict[str, str]:
        """What has them use the interface that MASTER_ADDR is met on: left to themselves, some try every bridge this node has."""
        if self._interface is not None:
            return interfaces.variables(self._kind, self._interface, self._env)
        found = interfaces.rendezvous(nodes, self._node)
        if found is None:
            return {}
        said = {**os.environ, **self._env}
        return interfaces.variables(self._kind, found[0], interfaces.said_by_open_mpi(said) | said if self._kind == "mpi" else said)

    def _look_up(self, name: str) -> None:
        import socket

        try:
            socket.getaddrinfo(name, None)
        except OSError as error:
            raise OSError(f"{os.uname().nodename} does not know the head node's name {name!r} ({error.strerror}); "
                          "distributed.interface has the nodes meet by address") from error  # fmt: skip
