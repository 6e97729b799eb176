"""Ranks on several nodes without any node: what the workers report comes out of an inbox, what they are ordered goes into a list."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from trainconf.agent.log import say
from trainconf.agent.nodes import remote
from trainconf.agent.nodes.srun import SrunRanks
from trainconf.agent.plan import Batch, Plan
from trainconf.agent.rank_group import Started
from trainconf.paths import RunPaths

SRUN = 2**22  # a pid that nobody has
COMPLETED = {"state": "Completed", "exit_code": 0, "reason": "", "may_retry": False}
FAILED = {"state": "Failed", "exit_code": 3, "reason": "exit code 3", "rank": 1, "may_retry": True}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(remote, "time", made)
    return made


class Nodes(SrunRanks):
    """Two nodes with a rank each."""

    def __init__(self, folder: Path) -> None:
        plan = Plan("/", [], {}, None, 1.0, batch=Batch(nodes=2, node_silence_seconds=60.0))
        super().__init__(RunPaths(str(folder)), plan, may_requeue=True)
        self.orders: list[dict[str, Any]] = []

    def _launch(self) -> int:
        self._open_channels, self._to_srun = 2, -1
        return SRUN

    def _send(self, order: bytes) -> None:
        self.orders.append(json.loads(order))

    def _program_ended(self, pid: int, status: int) -> None:
        """Nothing is open."""

    def report(self, worker: int, what: str, **facts: Any) -> list[Any]:
        self._inbox.append(("news", json.dumps({"worker": worker, "news": what, **facts}).encode()))
        return list(self.news())

    def output(self, line: str) -> list[Any]:
        self._inbox.append(("output", line.encode()))
        return list(self.news())

    def come(self) -> None:
        for worker in (0, 1):
            assert self.report(worker, "here", host=f"n{worker}", address=f"10.0.0.{worker}", ports=[29500]) == []

    def start_all(self) -> list[Any]:
        self.come()
        assert self.report(1, "started", ranks=[{"rank": 1}]) == []
        return self.report(0, "started", ranks=[{"rank": 0}])


def all_news(nodes: Nodes) -> list[Any]:
    return list(nodes.news())


@pytest.fixture
def nodes(tmp_path: Path, clock: Clock) -> Nodes:
    made = Nodes(tmp_path)
    made.start(2, ["0"])
    return made


def test_no_rank_starts_before_every_worker_is_there(nodes: Nodes) -> None:
    nodes.report(1, "here", host="n1", address="b", ports=[])
    assert nodes.orders == []
    nodes.report(0, "here", host="n0", address="a", ports=[1])
    offers = [{"address": "a", "ports": [1]}, {"address": "b", "ports": []}]
    assert nodes.orders == [{"order": "start", "attempt": 2, "gpus": ["0"], "nodes": offers}]


def test_the_ranks_run_when_those_of_every_worker_do(nodes: Nodes) -> None:
    assert nodes.start_all() == [Started([{"rank": 0}, {"rank": 1}], {})]
    assert not nodes.is_empty


def test_the_end_of_a_rank_names_it_and_its_node(nodes: Nodes) -> None:
    nodes.start_all()
    (end,) = nodes.report(1, "ended", rank=1, outcome=FAILED, was_last=True, is_cut_off=False)
    assert (end.rank, end.outcome.reason, end.outcome.host, end.outcome.exit_code) == (1, "rank 1: exit code 3", "n1", 3)
    assert not nodes.is_empty
    assert nodes.report(1, "over", host="n1", cpu_s=1.0, peak_rss_bytes=5) == [], "its end is known"
    nodes.report(0, "ended", rank=0, outcome=COMPLETED, was_last=True, is_cut_off=False)
    assert nodes.is_empty
    assert nodes.usage.known() == {"cpu_s": 1.0, "peak_rss_bytes": 5}


def test_a_worker_that_was_told_to_stop_fails_its_ranks_and_may_be_requeued(nodes: Nodes) -> None:
    nodes.start_all()
    (end,) = nodes.report(0, "over", host="n0", cpu_s=0.0, peak_rss_bytes=0)
    assert (end.outcome.reason, end.outcome.may_requeue) == ("node n0 was told to stop", True)


def test_a_worker_without_news_for_a_minute_is_lost(nodes: Nodes, clock: Clock) -> None:
    nodes.start_all()
    for _ in range(3):
        clock.now += 25
        assert nodes.deadline is not None
        nodes.report(0, "heartbeat")
        if nodes.is_empty:
            break
    assert nodes.is_empty


def test_the_loss_of_a_worker_is_told_with_its_node(nodes: Nodes, clock: Clock) -> None:
    nodes.start_all()
    found = []
    for _ in range(3):
        clock.now += 25
        found += nodes.report(0, "heartbeat")
    assert [end.outcome.reason for end in found] == ["node n1 was lost: nothing was heard of it for 60 s"]


def test_workers_get_new_time_after_this_process_stood_still(nodes: Nodes, clock: Clock) -> None:
    nodes.start_all()
    clock.now += 3600
    assert list(nodes.news()) == []


@pytest.mark.parametrize("have_come", [True, False])
def test_what_srun_prints_of_a_worker_is_why_the_run_failed(nodes: Nodes, have_come: bool) -> None:
    if have_come:
        nodes.come()
    (end,) = nodes.output("srun: error: n1: task 1: Killed")
    where = "the run's agent on n1 was ended" if have_come else "the run's agent could not start on n1"
    assert end.outcome.reason.startswith(where)
    assert end.outcome.reason.endswith(": Killed")
    assert end.outcome.may_requeue is have_come, "a node that never answered would not do so in a requeued job"


def test_an_end_of_srun_before_its_time_is_told_with_its_last_lines(nodes: Nodes) -> None:
    for number in range(5):
        assert nodes.output(f"line {number}") == []
    nodes.child_ended(SRUN, 256, None)
    nodes._inbox.extend([("news", None), ("output", None)])
    (end,) = all_news(nodes)
    assert end.outcome.reason == "the nodes of the run were ended: line 2; line 3; line 4"


def test_what_a_worker_says_is_the_reason_only_where_srun_says_nothing(nodes: Nodes, capfd: pytest.CaptureFixture[str]) -> None:
    say("the watchdog of this agent was killed before it")
    own = capfd.readouterr().err.strip()
    assert nodes.output("line 1") == nodes.output(own) == []
    assert nodes._words == "line 1"
    assert capfd.readouterr().err == f"line 1\n{own}\n", "both are in agent.log"
    nodes._last_lines.clear()
    nodes.child_ended(SRUN, 256, None)
    nodes._inbox.extend([("news", None), ("output", None)])
    (end,) = all_news(nodes)
    assert end.outcome.reason == "the nodes of the run were ended: the watchdog of this agent was killed before it"


def test_a_program_that_cannot_be_started_fails_the_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Nodes(tmp_path)

    def refuse() -> int:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(made, "_launch", refuse)
    made.start(1, ())
    (end,) = all_news(made)
    assert "srun cannot be started: No such file or directory" in end.outcome.reason
    assert made.is_empty


def test_orders_are_given_once_and_srun_is_killed_when_they_do_not_help(
    nodes: Nodes, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    nodes.start_all()
    assert nodes.end(kill=False, is_recorded=False) == remote.POLL_SECONDS
    nodes.end(kill=False, is_recorded=False)
    nodes.end(kill=True, is_recorded=False)
    assert [order["order"] for order in nodes.orders] == ["start", "end", "kill"]
    assert killed == []
    clock.now += remote.KILL_PATIENCE_SECONDS
    nodes.end(kill=True, is_recorded=False)
    assert killed == [(SRUN, signal.SIGKILL)]
    assert nodes.has_process(SRUN)
    nodes.child_ended(SRUN, 9, None)
    assert nodes.has_leftovers(), "what it has printed is not read to its end"
    nodes._inbox.extend([("news", None), ("output", None)])
    list(nodes.news())
    assert nodes.end(kill=True, is_recorded=True) is None


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"worker": 1}', b'{"worker": 1, "news": 2}', b'{"worker": "x", "news": "here"}'])
def test_a_line_that_is_no_news_is_something_for_people(nodes: Nodes, line: bytes) -> None:
    assert remote.read_news(line) is None
    nodes._inbox.append(("news", line))
    assert list(nodes.news()) == []
