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


def test_one_process_cannot_be_several() -> None:
    with pytest.raises(ConfigError, match="one process, not 2 node"):
        layout(DistributedSpec(node_count=2))
