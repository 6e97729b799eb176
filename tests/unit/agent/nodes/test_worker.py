"""A worker as its run's agent sees it: a process that gets orders on standard input and reports news on standard output."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_for

ROOT = Path(__file__).parents[4]
CODE = textwrap.dedent("""
    import os, sys
    from trainconf.agent.nodes import worker
    from trainconf.agent.plan import Plan, RankPlan, RendezvousPlan
    from trainconf.agent.processes.ranks import ProcessRanks
    from trainconf.agent.rendezvous.local import Rendezvous
    from trainconf.paths import RunPaths
    folder, script, leaves_early = sys.argv[1], sys.argv[2], sys.argv[3] == "leaves early"
    paths = RunPaths(folder)
    os.makedirs(paths.logs, exist_ok=True)
    ranks = [RankPlan(0, ["sh", "-c", script], {"LOCAL_RANK": "0"})]
    plan = Plan(folder, ranks, {}, None, float(sys.argv[4]), rendezvous=RendezvousPlan("pytorch"))
    plan_file = open(paths.plan, "w"); plan_file.write("{}"); plan_file.close()
    try:
        worker.begin(paths)
    except TypeError:
        pass  # the signals are taken, which is what this is for
    rendezvous = Rendezvous(plan)
    group = ProcessRanks(paths, plan, set(), gets_orphans=False, rendezvous=rendezvous)
    worker.Worker(5, group, rendezvous, plan.grace_seconds, leaves_early=leaves_early).carry_out()
""")


class Process:
    def __init__(self, folder: Path, script: str, *, leaves_early: bool, grace_s: float) -> None:
        words = [str(folder), script, "leaves early" if leaves_early else "", str(grace_s)]
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", CODE, *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def order(self, what: str, **facts: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"order": what, **facts}) + "\n")
        self.process.stdin.flush()

    def start(self) -> dict[str, Any]:
        here = self.next("here")
        self.order("start", attempt=1, gpus=[], nodes=[{"address": here["address"], "ports": here["ports"]}])
        return self.next("started")

    def next(self, what: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        news: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert (news["news"], news["worker"]) == (what, 5), news
        return news

    def hang_up(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def is_gone(self) -> bool:
        return self.process.wait(300) == 0


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Process]]:
    made: list[Process] = []
    yield made
    for each in made:
        each.process.kill()
        each.process.wait()
        for stream in (each.process.stdin, each.process.stdout):
            assert stream is not None
            stream.close()


def worker(started: list[Process], folder: Path, script: str, *, leaves_early: bool = False, grace_s: float = 0.2) -> Process:
    started.append(Process(folder, script, leaves_early=leaves_early, grace_s=grace_s))
    return started[-1]


def test_a_worker_reports_where_it_is_met_then_the_ranks_then_their_end_then_what_they_used(started: list[Process], tmp_path: Path) -> None:
    process = worker(started, tmp_path, "exit 3")
    (record,) = process.start()["ranks"]
    assert (record["rank"], record["host"]) == (0, os.uname().nodename)
    ended = process.next("ended")
    assert (ended["rank"], ended["was_last"], ended["is_cut_off"]) == (0, True, False)
    assert (ended["outcome"]["state"], ended["outcome"]["exit_code"], ended["outcome"]["may_retry"]) == ("Failed", 3, True)
    process.order("end")
    assert process.next("over")["cpu_s"] >= 0
    assert process.is_gone()


def test_a_worker_that_may_leave_early_does_so_when_its_ranks_have_completed(started: list[Process], tmp_path: Path) -> None:
    process = worker(started, tmp_path, "true", leaves_early=True)
    process.start()
    assert process.next("ended")["outcome"]["state"] == "Completed"
    process.next("over")
    assert process.is_gone()


def test_ranks_are_ended_when_nobody_gives_orders_any_more(started: list[Process], tmp_path: Path) -> None:
    process = worker(started, tmp_path, "exec sleep 600")
    process.start()
    process.hang_up()
    assert process.next("ended")["outcome"]["exit_code"] == 143
    process.next("over")
    assert process.is_gone()


def test_a_rank_that_ignores_sigterm_is_killed_after_the_grace_or_at_once_when_ordered(started: list[Process], tmp_path: Path) -> None:
    for order, grace_s in (("end", 0.2), ("kill", 600.0)):
        ignores = tmp_path / order
        stubborn = f"trap '' TERM; touch {shlex.quote(str(ignores))}; while :; do sleep 0.05; done"
        process = worker(started, tmp_path, stubborn, grace_s=grace_s)
        process.start()
        wait_for(ignores.exists)
        process.order(order)
        assert process.next("ended")["outcome"]["exit_code"] == 137
        process.next("over")
        assert process.is_gone()


def test_a_worker_waits_for_the_order_to_end_also_when_its_ranks_have_completed(started: list[Process], tmp_path: Path) -> None:
    process = worker(started, tmp_path, "true")
    process.start()
    process.next("ended")
    with pytest.raises(subprocess.TimeoutExpired):
        process.process.wait(0.2)
    process.order("end")
    process.next("over")
    assert process.is_gone()


def test_a_worker_without_ranks_ends_when_it_is_told_to(started: list[Process], tmp_path: Path) -> None:
    process = worker(started, tmp_path, "true")
    process.next("here")
    process.order("end")
    process.next("over")
    assert process.is_gone()
