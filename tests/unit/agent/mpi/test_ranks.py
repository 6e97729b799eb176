"""The rank group of MPI processes, without any: what it tells of a start that does not come to anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainconf.agent.mpi import ranks as mpi
from trainconf.agent.plan import Plan, RankPlan, RendezvousPlan
from trainconf.agent.rank_group import Ended, Noted, Started
from trainconf.paths import RunPaths


def rank_group_of(folder: Path, nodes: int, monkeypatch: pytest.MonkeyPatch) -> mpi.MpiRanks:
    """Two ranks of which nothing is started."""
    places = [{"NODE_RANK": str(rank % nodes), "LOCAL_RANK": str(rank // nodes)} for rank in range(2)]
    plan = Plan("/", [RankPlan(rank, env=place) for rank, place in enumerate(places)], {}, None, 1.0, rendezvous=RendezvousPlan("mpi"))
    paths = RunPaths(str(folder))
    (folder / "logs").mkdir(exist_ok=True)
    monkeypatch.setattr(mpi.MpiRanks, "_launch", lambda self: 2**22)
    ranks = mpi.MpiRanks(paths, plan, set(), may_requeue=False)
    ranks.start(1, ())
    return ranks


def news(ranks: mpi.MpiRanks) -> list[Any]:
    return list(ranks.news())


def tell_started(ranks: mpi.MpiRanks) -> list[Any]:
    found: list[Any] = []
    for worker in range(2):
        message = {"news": "started", "ranks": [{"rank": worker}], "worker": worker}
        found += ranks._take_news(worker, message)
    return found


@pytest.mark.parametrize(("nodes", "written", "is_told"), [(2, "", True), (2, "epoch 1", False), (1, "", False)])
def test_ranks_of_several_nodes_that_write_nothing_are_told_once_with_the_interfaces_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: int, written: str, is_told: bool
) -> None:
    monkeypatch.setattr(mpi, "SILENT_SECONDS", 0.0)
    ranks = rank_group_of(tmp_path, nodes, monkeypatch)
    assert [type(one) for one in tell_started(ranks)] == [Started]
    Path(RunPaths(str(tmp_path)).log(1)).write_text(written)
    found = [one.text for one in news(ranks) if isinstance(one, Noted)]
    assert len(found) == is_told
    for text in found:
        assert "no rank has written anything" in text
        assert "lo (127.0.0.1" in text
        assert "distributed.interface" in text
    assert news(ranks) == [], "once"


def test_ranks_that_never_came_are_told_with_the_interfaces_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mpi, "START_SECONDS", 0.0)
    ranks = rank_group_of(tmp_path, 2, monkeypatch)
    (end,) = [one for one in news(ranks) if isinstance(one, Ended)]
    assert end.outcome.reason.startswith("of 2 ranks 0 were there after 0 s")
    assert "lo (127.0.0.1" in end.outcome.reason
