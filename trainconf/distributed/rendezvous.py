"""The rendezvous of a run's ranks: how many ports each node must keep, and the variables made of them. Pure, and cheap for the agent.

`nodes` is, by node number, {"address": name or number, "ports": [...]}.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Protocol

    class Rank(Protocol):
        """A rank of plan.json."""

        @property
        def rank(self) -> int: ...
        @property
        def env(self) -> Mapping[str, str]: ...
        @property
        def task(self) -> Mapping[str, Any] | None: ...
        @property
        def node(self) -> int: ...


def port_count(kind: str, node: int, rank_count: int) -> int:
    """How many ports node number `node`, which has `rank_count` ranks, must keep: one for each TensorFlow task, else one on the head."""
    if kind == "tensorflow":
        return rank_count
    return 1 if node == 0 else 0


def variables(kind: str, ranks: Sequence[Rank], nodes: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, str]]:
    """The variables of each rank, by its number: TF_CONFIG, or MASTER_ADDR and MASTER_PORT."""
    if kind == "tensorflow":
        return _tf_configs(ranks, nodes)
    head = nodes[0]
    where = {"MASTER_ADDR": str(head["address"]), "MASTER_PORT": str(head["ports"][0])}
    return {rank.rank: where for rank in ranks}


def _tf_configs(ranks: Sequence[Rank], nodes: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, str]]:
    """TF_CONFIG of each task, as tf.distribute.cluster_resolver.TFConfigClusterResolver reads it."""
    import json

    cluster: dict[str, dict[int, str]] = {}
    for rank in ranks:
        assert rank.task is not None
        node = nodes[rank.node]
        port = node["ports"][int(rank.env["LOCAL_RANK"])]
        cluster.setdefault(rank.task["type"], {})[rank.task["index"]] = f"{node['address']}:{port}"
    hosts = {task: [found[index] for index in sorted(found)] for task, found in cluster.items()}
    return {rank.rank: {"TF_CONFIG": json.dumps({"cluster": hosts, "task": rank.task, "environment": "cloud"})} for rank in ranks}
