"""What `trainconf plan` prints of a run of several ranks."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trainconf.launchers import plan_text
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.plan_text import render
from trainconf.launchers.protocol import LaunchPlan, RankPlan, replace
from trainconf.testing.runs import make_job


def plan_of(tmp_path: Path, rank_count: int, per_node: int, **parts: Any) -> LaunchPlan:
    """A plan of so many ranks that run the same command."""
    ranks = []
    for rank in range(rank_count):
        env = {"RANK": str(rank), "NODE_RANK": str(rank // per_node), "WORLD_SIZE": str(rank_count), "GREETING": "it's"}
        ranks.append(RankPlan(rank, ["python", "train.py"], env))
    return replace(LocalLauncher().plan(make_job(str(tmp_path), [])), ranks=ranks, **parts)


def test_what_all_ranks_share_is_printed_once(tmp_path: Path) -> None:
    text = render(plan_of(tmp_path, 6, 2))
    assert text.startswith("# each of 6 ranks on 3 nodes\npython train.py\n\nrun ")
    for once in ("python train.py", "WORLD_SIZE=6", "GREETING=" + shlex.quote("it's"), "NODE_RANK"):
        assert text.count(once) == 1, once
    table = text[text.index("of each rank:") :].splitlines()
    assert [line.split() for line in table[1:]] == [
        ["rank", "RANK", "NODE_RANK"], *([str(rank), str(rank), str(rank // 2)] for rank in range(6))
    ]  # fmt: skip


def test_different_commands_say_whose_they_are_and_can_still_be_pasted(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 3, 3)
    plan.ranks[1] = replace(plan.ranks[1], argv=["echo", "a b"])
    assert render(plan).startswith("# ranks 0, 2\npython train.py\n# rank 1\necho 'a b'\n\nrun ")


def test_one_rank_has_neither_comment_nor_table(tmp_path: Path) -> None:
    text = render(plan_of(tmp_path, 1, 1))
    assert text.startswith("python train.py\n\nrun ")
    assert "RANK=0\n" in text
    assert "of each rank" not in text


def test_tasks_services_and_shares_of_gpus_are_printed(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, 2, 2)
    first, second = plan.ranks
    plan.ranks[0] = replace(first, task={"type": "worker", "index": 0}, gpu_share=(0, 1))
    plan.ranks[1] = replace(second, task={"type": "ps", "index": 0}, gpu_share=(0, 0), is_service=True)
    table = [" ".join(line.split()) for line in render(plan).splitlines()[-3:]]
    assert table == ["rank task GPUs RANK", "0 worker 0 part 1 of 1 0", "1 ps 0, a service none 1"]


def test_of_a_thousand_ranks_the_first_and_the_last_are_printed(tmp_path: Path) -> None:
    lines = render(plan_of(tmp_path, 1000, 4)).splitlines()
    assert len(lines) < 60
    assert lines[-1].split() == ["999", "999", "249"]
    assert lines[-2] == "  ... 984 more; `--json` has them all"


def test_where_ranks_meet_and_how_mpi_starts_them_are_printed(tmp_path: Path) -> None:
    mpi = {"launcher": "mpirun", "pmi": None, "mpirun": "/opt/mpirun", "arguments": ["--bind-to", "a b"]}
    text = render(plan_of(tmp_path, 2, 2, rendezvous={"kind": "mpi", "interface": "ib0"}, mpi=mpi))
    assert "rendezvous  address and ports are found when it starts, on interface ib0\n" in text
    assert "mpi         launcher mpirun, mpirun /opt/mpirun, arguments --bind-to 'a b'\n" in text


@given(st.lists(st.text()))
def test_words_are_quoted_as_shlex_quotes_them(words: list[str]) -> None:
    assert plan_text._joined(words) == shlex.join(words)
