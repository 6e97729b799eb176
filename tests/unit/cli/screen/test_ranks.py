"""What a person sees of a run of several ranks: their output, one by one or all together, and through which one it failed."""

from __future__ import annotations

import os

import pytest

from trainconf import files
from trainconf.control.words.ranks import listed
from trainconf.history import events
from trainconf.paths import RunPaths, WorkspacePaths

from ...history.build import make_run, write_json
from ..conftest import Verb, start

QUEUED = ("NotStarted", "Queued")
RUNNING = (*QUEUED, "Running")
TRACEBACK = b"".join(b"line %d\n" % number for number in range(20)) + b"10%\r20%\nValueError: \xff\n"


def make_ranks(workspace: WorkspacePaths, rank_count: int, *, nodes: int = 3, states: tuple[str, ...] = RUNNING) -> RunPaths:
    """A run of so many ranks, node by node, each with its own words."""
    per_node = rank_count // nodes
    records = [{"rank": rank, "pid": 100 + rank, "start_ticks": 1, "host": f"node{rank // per_node + 1}"} for rank in range(rank_count)]
    paths = make_run(workspace, "digits-1", states=states, ranks=records, log=b"zero\n", distributed="pytorch")
    plan = [{"rank": rank, "argv": ["x"], "env": {"NODE_RANK": str(rank // per_node)}, "task": None} for rank in range(rank_count)]
    write_json(paths.plan, {"ranks": plan})
    for rank in range(1, rank_count):
        write(paths, rank, b"words of %d\n" % rank)
    return paths


def write(paths: RunPaths, rank: int, data: bytes) -> None:
    with open(paths.log(rank), "ab") as stream:
        stream.write(data)


def fail(paths: RunPaths, rank: int, code: int = 7) -> None:
    events.append(paths, "Failed", exit_code=code, reason=f"rank {rank}: exit code {code}", rank=rank)


def test_all_ranks_are_printed_each_line_with_its_rank(workspace: WorkspacePaths) -> None:
    paths = make_ranks(workspace, 3)
    write(paths, 2, b"\xff half")
    out, err = start("logs", "last", "--all").communicate()
    assert out == b"[rank 0] zero\n[rank 1] words of 1\n[rank 2] words of 2\n[rank 2] \xff half\n"
    assert err == b""


def test_all_ranks_of_a_run_of_one_and_of_one_that_has_not_begun(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_run(workspace, log=b"alone\n")
    assert verb("logs", "last", "--all").out == "[rank 0] alone\n"
    os.unlink(paths.log(0))
    said = verb("logs", "last", "--all")
    assert (said.code, said.out) == (0, "")
    assert "has written no std_log.txt" in said.err


def test_all_ranks_are_followed_line_by_line_also_those_that_start_later(workspace: WorkspacePaths) -> None:
    paths = make_ranks(workspace, 3)
    os.unlink(paths.log(2))
    with files.FileLock(paths.lock):
        process = start("logs", "-f", "last", "--all")
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"[rank 0] zero\n", b"[rank 1] words of 1\n"]
        write(paths, 0, b"half ")
        write(paths, 2, b"late\n")
        assert process.stdout.readline() == b"[rank 2] late\n"
        write(paths, 0, b"of it\n")
        assert process.stdout.readline() == b"[rank 0] half of it\n"
        write(paths, 1, b"no end")
        fail(paths, 2)
        assert process.communicate() == (b"[rank 1] no end\n", b"")
        assert process.returncode == 0


@pytest.mark.parametrize("rank", ["3", "1000000000000000000000"])
@pytest.mark.parametrize("follow", [[], ["-f"]])
def test_a_rank_the_run_does_not_have_is_a_user_s_mistake(workspace: WorkspacePaths, verb: Verb, rank: str, follow: list[str]) -> None:
    make_ranks(workspace, 3)
    said = verb("logs", "last", "--rank", rank, *follow)
    assert (said.code, said.out) == (2, "")
    assert f"digits-1 has no rank {rank}; its ranks are 0 to 2" in said.err
    assert f"from  command line: --rank {rank}" in said.err


def test_a_run_of_one_process_says_so_when_another_is_asked_for(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, log=b"alone\n")
    assert "has no rank 1; its only rank is 0" in verb("logs", "last", "--rank", "1").err
    assert verb("logs", "last", "--rank", "0").out == "alone\n"


def test_a_rank_that_has_not_begun_has_written_nothing_which_is_no_mistake(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_ranks(workspace, 3)
    os.unlink(paths.log(1))
    said = verb("logs", "last", "--rank", "1")
    assert (said.code, said.out) == (0, "")
    assert "has written no std_log_rank_1.txt" in said.err


@pytest.mark.parametrize(
    "words",
    [
        ("--rank", "-1"), ("--rank", "x"), ("--rank", "1.0"), ("--rank",),
        ("--all", "--rank", "0"), ("--agent", "--rank", "1"), ("--all", "--agent"),
    ],
)  # fmt: skip
def test_logs_refuses_what_makes_no_sense(workspace: WorkspacePaths, verb: Verb, words: tuple[str, ...]) -> None:
    make_ranks(workspace, 3)
    said = verb("logs", "last", *words)
    assert (said.code, said.out) == (2, "")
    assert "usage" in said.err


def test_wait_shows_the_last_words_of_the_rank_that_failed_and_where_it_was(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_ranks(workspace, 6)
    write(paths, 4, TRACEBACK)
    fail(paths, 4)
    said = verb("wait", "last")
    assert (said.code, said.out) == (7, "")
    assert said.err.splitlines() == [
        "digits-1 Failed: rank 4: exit code 7",
        "rank 4 on node3 failed: exit code 7; the last lines of its output, logs/std_log_rank_4.txt:",
        *(f"  line {number}" for number in range(12, 20)), "  20%", "  ValueError: \\xff",
        "  more: trainconf logs digits-1 --rank 4",
    ]  # fmt: skip


@pytest.mark.parametrize("asked", [[], ["--rank", "1"]])
def test_the_logs_of_another_rank_point_at_the_one_that_failed(workspace: WorkspacePaths, verb: Verb, asked: list[str]) -> None:
    paths = make_ranks(workspace, 6)
    write(paths, 4, TRACEBACK)
    fail(paths, 4)
    said = verb("logs", "last", *asked)
    assert (said.code, said.out) == (0, "words of 1\n" if asked else "zero\n")
    assert said.err == "rank 4 on node3 failed: exit code 7; `trainconf logs digits-1 --rank 4` shows its output\n"
    followed = verb("logs", "last", "-f", *asked)
    assert followed.out == said.out
    assert followed.err.endswith("  ValueError: \\xff\n  more: trainconf logs digits-1 --rank 4\n")


@pytest.mark.parametrize("asked", [["--rank", "4"], ["--all"], ["--agent"]])
@pytest.mark.parametrize("follow", [[], ["-f"]])
def test_who_sees_the_failing_rank_s_output_is_not_shown_it_again(
    workspace: WorkspacePaths, verb: Verb, asked: list[str], follow: list[str]
) -> None:
    paths = make_ranks(workspace, 6)
    with open(paths.agent_log, "w"):
        pass
    fail(paths, 4)
    assert verb("logs", "last", *asked, *follow).err == ""


def test_a_rank_that_failed_without_a_word_is_named_all_the_same(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_ranks(workspace, 3)
    with open(paths.log(2), "w"):
        pass
    fail(paths, 2)
    assert "rank 2 on node3 failed: exit code 7; it has written nothing\n" in verb("wait", "last").err
    os.unlink(paths.log(2))
    assert "its output, logs/std_log_rank_2.txt, cannot be shown: No such file" in verb("wait", "last").err


def test_a_rank_that_failed_before_all_had_started_is_on_a_node_by_number(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_ranks(workspace, 3, states=QUEUED)
    fail(paths, 2)
    assert "rank 2 on node 2 failed" in verb("wait", "last").err
    events.append(paths, "Failed", exit_code=7, reason="", rank=2, host="node7")
    assert "rank 2 on node7 failed" in verb("wait", "last").err


def test_show_says_where_every_rank_is_and_which_one_failed(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_ranks(workspace, 6)
    fail(paths, 4)
    lines = [" ".join(line.split()) for line in verb("show", "last").out.splitlines()]
    assert "distributed pytorch, 6 processes on 3 nodes" in lines
    assert "failed rank 4 on node3; its output is logs/std_log_rank_4.txt" in lines
    assert lines[lines.index("ranks") + 1 :][:6] == [f"rank {rank} on node{rank // 2 + 1}, pid {100 + rank}" for rank in range(6)]


def test_show_names_tasks_and_containers_and_not_a_thousand_ranks(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_ranks(workspace, 1000, nodes=1, states=QUEUED)
    plan = [{"rank": rank, "argv": ["x"], "env": {"NODE_RANK": "0"}, "task": {"type": "worker", "index": rank}} for rank in range(1000)]
    write_json(paths.plan, {"ranks": plan})
    events.append(paths, "Running", ranks=[{"rank": 0, "container": "0123456789abcdef", "pid": 7, "start_ticks": 1}])
    lines = [" ".join(line.split()) for line in verb("show", "last").out.splitlines()]
    assert "distributed pytorch, 1000 processes on 1 node" in lines
    assert "rank 0 worker 0, in container 0123456789ab" in lines
    assert "rank 19 worker 19" in lines
    assert "and 980 more" in lines


def test_show_of_one_process_has_nothing_of_ranks(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, states=("NotStarted", "Running", "Failed"), exit_code=3)
    shown = verb("show", "last").out
    assert "\nranks" not in shown
    assert "failed rank" not in shown


def test_numbers_are_told_as_people_write_them() -> None:
    assert listed([0]) == "0"
    assert listed([0, 1]) == "0, 1"
    assert listed([0, 1, 2, 5, 7, 8]) == "0 to 2, 5, 7, 8"
