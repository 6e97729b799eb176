"""What a run's directory tells of its ranks."""

from __future__ import annotations

import os

import pytest

from trainconf.history import ranks
from trainconf.paths import WorkspacePaths

from .build import make_run, write_json


def test_a_rank_is_what_the_plan_says_where_the_run_s_last_start_was(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, ranks=[{"rank": 1, "pid": 12, "start_ticks": 3, "host": "node2"}, {"rank": 0, "container": "abc"}])
    planned = [
        {"rank": 1, "env": {"NODE_RANK": "1"}, "task": {"type": "worker", "index": 0}},
        {"rank": 0, "env": {"NODE_RANK": "0"}, "task": None},
    ]
    write_json(paths.plan, {"ranks": planned})
    first, second = ranks.of_run(paths)
    assert (first.number, first.node, first.host, first.pid, first.container, first.task) == (0, 0, "", None, "abc", "")
    assert (second.number, second.node, second.host, second.pid, second.container, second.task) == (1, 1, "node2", 12, "", "worker 0")


@pytest.mark.parametrize(
    "planned", [None, 3, "x", {}, [None, 3, {"rank": "0"}, {"rank": True}, {"rank": -1}, {"argv": []}], [{"rank": 0, "env": 3, "task": 4}]]
)
def test_a_damaged_plan_or_event_costs_only_what_it_held(workspace: WorkspacePaths, planned: object) -> None:
    paths = make_run(workspace, ranks=[{"rank": 0, "pid": "x", "host": None}])
    write_json(paths.plan, {"ranks": planned})
    assert all(rank.number == 0 and rank.node is None and rank.pid is None for rank in ranks.of_run(paths))
    assert set(ranks.planned(paths)) <= {0}


def test_only_the_logs_of_ranks_are_taken_for_them(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    for name in (
        "std_log_rank_2.txt", "std_log_rank_10.txt", "std_log_rank_02.txt", "std_log_rank_x.txt", "std_log_rank_-1.txt", "std_log_rank_.txt"
    ):  # fmt: skip
        with open(os.path.join(paths.logs, name), "w"):
            pass
    assert ranks.with_log(paths) == [0, 2, 10]


def test_the_last_lines_are_those_a_terminal_would_show(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, log=b"first\nsecond\r\n10%\r20%\r\n\xff\xc3\xa5\n" + b"x" * 5000 + b"\n\n\n")
    assert ranks.last_lines(paths.log(0), 3) == [b"20%", b"\xff\xc3\xa5", b"x" * ranks.LINE_BYTES + b" ..."]
    assert ranks.last_lines(paths.log(0), 10)[:2] == [b"first", b"second"]


@pytest.mark.parametrize("log", [b"", b"\n\n", b"\r\n"])
def test_a_log_that_says_nothing_has_no_last_lines(workspace: WorkspacePaths, log: bytes) -> None:
    assert ranks.last_lines(make_run(workspace, log=log).log(0), 10) == []


def test_the_last_lines_of_a_large_log_are_whole_ones(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, log=b"0123456789" * 10 * ranks.TAIL_BYTES)
    assert len(ranks.last_lines(paths.log(0), 10)) == 1
    with open(paths.log(0), "ab") as stream:
        stream.write(b"\nend\n")
    assert ranks.last_lines(paths.log(0), 10) == [b"end"]


@pytest.mark.parametrize(
    ("event", "rank"),
    [
        ({"state": "Failed", "rank": 2}, 2), ({"state": "Failed", "rank": 0}, 0), ({"state": "Failed"}, None),
        ({"state": "Failed", "rank": "2"}, None), ({"state": "Canceled", "rank": 2}, None), ({}, None),
    ],
)  # fmt: skip
def test_a_run_failed_through_a_rank_when_its_last_event_says_so(event: dict[str, object], rank: int | None) -> None:
    assert ranks.failed(event) == rank
