"""What each rank is told of the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainconf.agent.plan import RankPlan
from trainconf.distributed import rendezvous
from trainconf.distributed.gpus import gpus_seen
from trainconf.distributed.layout import layout, variables
from trainconf.spec import DistributedSpec

GPUS = ["4", "GPU-8d", "MIG-1/2/0", "7"]


def planned(spec: DistributedSpec) -> list[RankPlan]:
    return [
        RankPlan(place.rank, env=variables(spec, place), task={"type": place.task, "index": place.task_index} if place.task else None)
        for place in layout(spec)
    ]


def offers(spec: DistributedSpec) -> list[dict[str, Any]]:
    ranks = planned(spec)
    counts = [sum(rank.node == node for rank in ranks) for node in range(spec.node_count)]
    ports = [rendezvous.port_count(spec.kind, node, count) for node, count in enumerate(counts)]
    return [{"address": f"node{node}", "ports": list(range(20000, 20000 + count))} for node, count in enumerate(ports)]


@pytest.mark.parametrize("kind", ["none", "pytorch", "mpi"])
def test_all_meet_at_the_one_port_of_the_head(kind: str) -> None:
    spec = DistributedSpec(kind=kind, node_count=3, processes_per_node=1)
    assert [len(node["ports"]) for node in offers(spec)] == [1, 0, 0]
    told = rendezvous.variables(kind, planned(spec), offers(spec))
    assert list(told) == [0, 1, 2]
    assert all(env == {"MASTER_ADDR": "node0", "MASTER_PORT": "20000"} for env in told.values())


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 5), st.booleans())
def test_every_task_knows_the_whole_cluster_and_its_own_place(workers: int, nodes: int, servers: int, chief: bool) -> None:
    spec = DistributedSpec(
        kind="tensorflow", node_count=min(nodes, workers), worker_count=workers, parameter_server_count=servers, chief=chief
    )
    told = rendezvous.variables("tensorflow", planned(spec), offers(spec))
    configs = [json.loads(told[place.rank]["TF_CONFIG"]) for place in layout(spec)]
    assert all(config["cluster"] == configs[0]["cluster"] for config in configs)
    hosts = [host for task in configs[0]["cluster"].values() for host in task]
    assert len(set(hosts)) == len(hosts) == workers + servers + chief
    for place, config in zip(layout(spec), configs, strict=True):
        assert config["task"] == {"type": place.task, "index": place.task_index}
        assert config["cluster"][place.task][place.task_index].startswith(f"node{place.node_rank}:")


@given(st.lists(st.integers(), unique=True, max_size=16).map(lambda ids: list(map(str, ids))), st.integers(1, 16))
def test_every_gpu_is_seen_by_one_process_when_there_are_enough(visible: list[str], count: int) -> None:
    seen = [gpus_seen(visible, (which, count)) for which in range(count)]
    if len(visible) >= count:
        assert [gpu for share in seen for gpu in share] == visible
        assert max(map(len, seen)) - min(map(len, seen)) <= 1
    elif visible:
        assert all(len(share) == 1 for share in seen)
        assert {gpu for share in seen for gpu in share} == set(visible)
    else:
        assert seen == [[]] * count


def test_ids_of_every_kind_stay_what_they_are() -> None:
    assert gpus_seen(GPUS, None) == GPUS
    assert gpus_seen(GPUS, (1, 2)) == ["MIG-1/2/0", "7"]
    assert gpus_seen(GPUS, (0, 0)) == []
