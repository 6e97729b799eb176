"""Rank layouts are pure and complete."""

from __future__ import annotations

import pytest

from trainconf.distributed import layout
from trainconf.errors import ConfigError
from trainconf.spec import DistributedSpec


def test_one_process_has_rank_zero_of_one() -> None:
    (rank,) = layout(DistributedSpec())
    assert rank.env == {"RANK": "0", "LOCAL_RANK": "0", "NODE_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}


def test_an_unknown_kind_is_refused_with_what_is_known() -> None:
    with pytest.raises(ConfigError, match=r"(?s)kind=mpi.*none"):
        layout(DistributedSpec(kind="mpi"))


def test_without_a_kind_there_is_one_process_on_each_node() -> None:
    places = [rank.env for rank in layout(DistributedSpec(node_count=3))]
    assert [env["RANK"] for env in places] == [env["NODE_RANK"] for env in places] == ["0", "1", "2"]
    assert {(env["LOCAL_RANK"], env["WORLD_SIZE"], env["LOCAL_WORLD_SIZE"]) for env in places} == {("0", "3", "1")}


def test_several_processes_on_a_node_need_a_kind() -> None:
    with pytest.raises(ConfigError, match="one process on each node, not 2"):
        layout(DistributedSpec(processes_per_node=2))
