"""Where the ranks of one attempt meet: what this node offers for it, and the variables that tell its ranks.

One node knows that at once. Of several nodes each tells the head what it offers, and gets back what all of them offer.
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

    from trainconf.agent.plan import Plan

THIS_MACHINE = "127.0.0.1"


class Rendezvous:
    """Of the ranks of `plan`, as seen from node number `node`."""

    def __init__(self, plan: Plan, node: int = 0, *, has_offer: bool = True) -> None:
        assert plan.rendezvous is not None
        self._kind = plan.rendezvous.kind
        self._interface = plan.rendezvous.interface
        self._plan = plan
        self._node = node
        self._has_offer = has_offer  # of ports: where each rank has a worker of its own, only the first of all has
        self._ports = Ports()
        self._nodes: Sequence[Mapping[str, Any]] | None = None

    def offer(self) -> dict[str, Any]:
        """`address` and `ports` of this node, which keeps them from now on. Raises OSError: no such interface, no port is free."""
        self._ports.release()
        here = sum(rank.node == self._node for rank in self._plan.ranks)
        count = rendezvous.port_count(self._kind, self._node, here) if self._has_offer else 0
        return {"address": self._address(), "ports": self._ports.reserve(count)}

    def _address(self) -> str:
        if self._interface is not None:
            return address_of(self._interface)
        return os.uname().nodename if self._plan.has_nodes else THIS_MACHINE

    def agree(self, nodes: Sequence[Mapping[str, Any]]) -> None:
        """Take what all nodes offer, this one included, in their order."""
        self._nodes = nodes

    def variables(self) -> dict[int, dict[str, str]]:
        """The variables of each rank, by its number. Raises OSError as `offer` does, or for a head whose name means nothing here."""
        if self._nodes is None:  # this node is the only one
            return rendezvous.variables(self._kind, self._plan.ranks, [self.offer()])
        self._look_up(str(self._nodes[0]["address"]))
        libraries = self._of_libraries([str(node["address"]) for node in self._nodes])
        places = rendezvous.variables(self._kind, self._plan.ranks, self._nodes)
        return {rank: {**place, **libraries} for rank, place in places.items()}

    def _of_libraries(self, nodes: Sequence[str]) -> dict[str, str]:
        """Variables that name the interface of MASTER_ADDR to the libraries: left to themselves, some try every bridge of this node."""
        if self._interface is not None:
            return interfaces.variables(self._kind, self._interface, self._plan.env)
        found = interfaces.toward_peers(nodes, self._node)
        if found is None:
            return {}
        known = {**os.environ, **self._plan.env}
        return interfaces.variables(self._kind, found[0], interfaces.open_mpi_settings(known) | known if self._kind == "mpi" else known)

    def _look_up(self, name: str) -> None:
        import socket

        try:
            socket.getaddrinfo(name, None)
        except OSError as error:
            raise OSError(f"{os.uname().nodename} does not know the head node's name {name!r} ({error.strerror}); "
                          "distributed.interface has the nodes meet by address") from error  # fmt: skip
