"""Rank layouts are pure and complete."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainconf.distributed.layout import RankLayout, layout, variables
from trainconf.errors import ConfigError
from trainconf.spec import DistributedSpec

PROCESSES = st.builds(
    DistributedSpec, kind=st.sampled_from(["pytorch", "mpi"]), node_count=st.integers(1, 12), processes_per_node=st.integers(1, 12),
    gpu_visibility=st.sampled_from(["node", "process"]),
)  # fmt: skip


@st.composite
def clusters(draw: st.DrawFn) -> DistributedSpec:
    workers = draw(st.integers(1, 20))
    return DistributedSpec(
        kind="tensorflow", node_count=draw(st.integers(1, workers)), worker_count=workers,
        parameter_server_count=draw(st.integers(0, 9)), chief=draw(st.booleans()), gpu_visibility="process",
    )  # fmt: skip


def told(spec: DistributedSpec) -> list[dict[str, str]]:
    return [variables(spec, place) for place in layout(spec)]


def test_one_process_is_a_rank_only_where_ranks_were_asked_for() -> None:
    zero = {"RANK": "0", "LOCAL_RANK": "0", "NODE_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
    assert told(DistributedSpec()) == [{}]
    assert told(DistributedSpec(kind="pytorch")) == told(DistributedSpec(kind="mpi")) == [zero]


def test_an_unknown_kind_is_refused_with_what_is_known() -> None:
    with pytest.raises(ConfigError, match=r"(?s)kind=ray.*none, pytorch, mpi, tensorflow"):
        layout(DistributedSpec(kind="ray"))


def test_without_a_kind_there_is_one_process_on_each_node() -> None:
    assert told(DistributedSpec(node_count=3)) == [{"NODE_RANK": node, "TRAINCONF_NODE_COUNT": "3"} for node in "012"]


def test_several_processes_on_a_node_need_a_kind() -> None:
    with pytest.raises(ConfigError, match="one process on each node, not 2"):
        layout(DistributedSpec(processes_per_node=2))


@given(PROCESSES | clusters())
def test_ranks_count_through_and_every_node_counts_its_own(spec: DistributedSpec) -> None:
    places = layout(spec)
    assert [place.rank for place in places] == list(range(len(places)))
    assert {place.world_size for place in places} == {len(places)}
    for node in range(spec.node_count):
        here = [place for place in places if place.node_rank == node]
        assert [place.local_rank for place in here] == list(range(len(here)))
        assert {place.local_world_size for place in here} == {len(here)}
    assert {place.node_rank for place in places} == set(range(spec.node_count))


@given(PROCESSES)
def test_processes_fill_node_after_node(spec: DistributedSpec) -> None:
    places = layout(spec)
    assert len(places) == spec.node_count * spec.processes_per_node
    assert all(place.rank == place.node_rank * spec.processes_per_node + place.local_rank for place in places)
    assert not any(place.is_service or place.task for place in places)


@given(clusters())
def test_every_task_of_a_cluster_is_there_once_and_none_is_crowded(spec: DistributedSpec) -> None:
    places = layout(spec)
    tasks = Counter(place.task for place in places)
    assert tasks == Counter(chief=int(spec.chief), worker=spec.worker_count, ps=spec.parameter_server_count)
    for task, count in tasks.items():
        assert [place.task_index for place in places if place.task == task] == list(range(count))
        if task != "chief":
            on_nodes = [sum(p.node_rank == node for p in places if p.task == task) for node in range(spec.node_count)]
            assert max(on_nodes) - min(on_nodes) <= 1
    assert (places[0].task, places[0].task_index, places[0].node_rank) == ("chief" if spec.chief else "worker", 0, 0)


@given(clusters())
def test_parameter_servers_serve_and_workers_do_when_there_is_a_chief(spec: DistributedSpec) -> None:
    served = {place.task for place in layout(spec) if not place.is_service}
    assert served == {"chief" if spec.chief else "worker"}


@given(PROCESSES | clusters())
def test_the_gpus_of_a_node_are_shared_by_those_that_compute(spec: DistributedSpec) -> None:
    def shares(places: list[RankLayout]) -> list[tuple[int, int] | None]:
        return [place.gpu_share for place in places]

    places = layout(spec)
    if spec.gpu_visibility == "node":
        assert set(shares(places)) == {None}
        return
    assert set(shares([place for place in places if place.task == "ps"])) <= {(0, 0)}
    for node in range(spec.node_count):
        here = [place for place in places if place.node_rank == node and place.task != "ps"]
        assert shares(here) == [(which, len(here)) for which in range(len(here))]


def test_more_nodes_than_workers_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 workers cannot be on 3 nodes"):
        layout(DistributedSpec(kind="tensorflow", node_count=3, worker_count=2))
