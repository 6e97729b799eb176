"""Which ranks in a container have ended, and how, from what its shell has left: no engine is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainconf.agent.containers.container import ContainerEnd
from trainconf.agent.containers.node import NodeRanks
from trainconf.agent.plan import Plan
from trainconf.paths import RunPaths

BODY = {"Image": "image:1", "User": "1:2", "HostConfig": {"Memory": 2 << 30}}


def node(folder: Path, count: int = 3, **plan: Any) -> tuple[NodeRanks, Path]:
    """The ranks of a node, and the file their shell tells their ends in."""
    ranks: list[dict[str, Any]] = [{"rank": rank, "argv": ["prog"], "env": {"NODE_RANK": "0"}} for rank in range(count)]
    ranks[0]["container"] = BODY
    paths = RunPaths(str(folder))
    made = Plan.of({"cwd": "/", "env": {}, "slots": None, "grace_seconds": 1.0, "ranks": ranks, **plan})
    return NodeRanks(paths, made, made.ranks, "unix:///s"), Path(paths.ends(0))


def test_ends_are_told_once_in_their_order_and_the_last_one_with_the_container(tmp_path: Path) -> None:
    ranks, ends = node(tmp_path)
    assert list(ranks.ended_early(0)) == []
    ends.write_text("2 0\n")
    assert [(rank, found.state, found.rank) for rank, found in ranks.ended_early(0)] == [(2, "Completed", None)]
    ends.write_text("2 0\n0 7\n1 0\n")
    ((rank, found),) = ranks.ended_early(0)
    assert (rank, found.exit_code, found.rank, found.reason) == (0, 7, 0, "rank 0: exit code 7")
    assert (list(ranks.ended_early(0)), ranks.living) == ([], {1})
    assert [(rank, found.state) for rank, found in ranks.ended(ContainerEnd(code=7, usage="x"), 0)] == [(1, "Completed")]
    assert not ranks.living


def test_memory_is_what_a_rank_that_failed_wanted_and_not_one_that_completed(tmp_path: Path) -> None:
    ranks, ends = node(tmp_path)
    ends.write_text("1 0\n0 137\n2 0\n")
    found = dict(ranks.ended(ContainerEnd(code=137, usage="x", is_out_of_memory=True), 0))
    assert [found[rank].state for rank in range(3)] == ["Failed", "Completed", "Completed"]
    assert "rank 0: exit code 137: the kernel ended a process of it that wanted more memory" in found[0].reason


@pytest.mark.parametrize(
    ("end", "code", "words"),
    [
        ({"code": 137}, 137, "ranks 1, 2: exit code 137: killed by SIGKILL"),
        ({"code": None, "was_removed": True}, None, "ranks 1, 2: its container was removed"),
        ({"code": 125, "usage": "x"}, 125, "ranks 1, 2: its container ended with exit code 125, and how this process ended is not known"),
        ({"code": 0, "usage": "x"}, 1, "ranks 1, 2: its container ended with exit code 0"),
        ({"code": 9, "usage": "mpirun 9"}, 9, "ranks 1, 2: mpirun ended with exit code 9"),
        ({"code": 127, "usage": "no_mpirun"}, 127, "the image image:1 has no mpirun"),
    ],
)
def test_ranks_whose_end_nobody_wrote_down_have_failed_together(tmp_path: Path, end: dict[str, Any], code: int, words: str) -> None:
    ranks, ends = node(tmp_path)
    ends.write_text("0 0\n")
    completed, *failed = ranks.ended(ContainerEnd(**end), 0)
    assert (completed[0], completed[1].state) == (0, "Completed")
    assert [(rank, found.state, found.exit_code, found.rank) for rank, found in failed] == [
        (1, "Failed", code, None), (2, "Failed", code, None),
    ]  # fmt: skip
    assert words in failed[0][1].reason


def test_a_single_rank_ends_with_its_container_and_is_not_named(tmp_path: Path) -> None:
    ranks, ends = node(tmp_path, 1)
    ends.write_text("0 0\n")
    ranks.came_up()
    assert not ranks.is_watched
    ((rank, found),) = ranks.ended(ContainerEnd(code=3, usage="x"), 0)
    assert (rank, found.rank, found.reason) == (0, 0, "exit code 3")


def test_a_single_rank_under_mpirun_has_an_end_of_its_own(tmp_path: Path) -> None:
    ranks, ends = node(tmp_path, 1, mpi={})
    ends.write_text("0 began 12\n0 3\n")
    assert [found.exit_code for _, found in ranks.ended(ContainerEnd(code=1, usage="mpirun 1"), 0)] == [3]


def test_what_the_shell_has_left_is_removed(tmp_path: Path) -> None:
    ranks, ends = node(tmp_path)
    ends.touch()
    ranks.clear()
    ranks.clear()
    assert not list(tmp_path.iterdir())
