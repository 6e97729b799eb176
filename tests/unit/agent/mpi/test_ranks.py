"""The rank group of MPI processes, without any process: what it makes of the news of the workers and of the output of mpirun."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from trainconf.agent.log import say
from trainconf.agent.mpi import channel
from trainconf.agent.mpi import ranks as mpi
from trainconf.agent.nodes import remote
from trainconf.agent.plan import Plan, RankPlan, RendezvousPlan
from trainconf.agent.rank_group import Ended, Noted, Started
from trainconf.paths import RunPaths

MPIRUN = 2**22  # a pid that nobody has


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


class Ranks(mpi.MpiRanks):
    """Two ranks on two nodes. What the workers send is put into the inbox; what is sent to them goes into a list."""

    def _launch(self) -> int:
        self._open_channels = 1  # the output of mpirun
        self.sent: list[tuple[int, str]] = []
        return MPIRUN

    def _send_to(self, connection: Any, order: bytes) -> None:
        self.sent.append((self._callers[connection], json.loads(order)["order"]))

    def report(self, worker: int, what: str, connection: str = "", **facts: Any) -> list[Any]:
        message = json.dumps({"worker": worker, "news": what, **facts}).encode()
        self._inbox.append((Connection(connection or str(worker)), message))
        return list(self.news())

    def hang_up(self, worker: int) -> list[Any]:
        self._inbox.append((Connection(str(worker)), None))
        return list(self.news())

    def mpirun(self, *lines: str, code: int | None = None) -> list[Any]:
        self._inbox.extend(("output", line.encode()) for line in lines)
        if code is not None:
            self.child_ended(MPIRUN, code << 8, None)
            self._inbox.append(("output", None))
        return list(self.news())

    def start_all(self, *hosts: str) -> list[Any]:
        for worker, host in enumerate(hosts or ("n0", "n1")):
            found = self.report(worker, "here", host=host, address=host, ports=[])
        for worker in range(2) if not found else ():
            found = self.report(worker, "started", ranks=[{"rank": worker}])
        return found

    def rank_ends(self, worker: int, code: int, *, is_cut_off: bool = False) -> list[Any]:
        state = "Failed" if code else "Completed"
        end = {"state": state, "exit_code": code, "reason": f"exit code {code}" if code else "", "rank": worker, "may_retry": True}
        return self.report(worker, "ended", rank=worker, outcome=end, was_last=True, is_cut_off=is_cut_off)


class Connection:
    """Equal to every other of its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Connection) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def close(self) -> None: ...


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(mpi, "time", made)
    monkeypatch.setattr(remote, "time", made)
    return made


@pytest.fixture
def ranks(tmp_path: Path, clock: Clock) -> Ranks:
    (tmp_path / "logs").mkdir()
    places = [RankPlan(rank, env={"NODE_RANK": str(rank), "LOCAL_RANK": "0"}) for rank in range(2)]
    made = Ranks(RunPaths(str(tmp_path)), Plan("/", places, {}, None, 1.0, rendezvous=RendezvousPlan("mpi")), set(), may_requeue=False)
    made.start(1, ())
    return made


def test_what_starts_the_processes_is_in_the_event_that_they_run(ranks: Ranks) -> None:
    assert ranks.report(channel.STARTER, "chosen", "starter", text="mpirun (Open MPI 4)", program="mpirun") == []
    assert ranks.start_all() == [Started([{"rank": 0}, {"rank": 1}], {"mpi": "mpirun (Open MPI 4)"})]
    assert ranks.sent == [(0, "start"), (1, "start")], "and nothing to what has started them"


def test_a_launcher_that_was_refused_is_the_reason(ranks: Ranks) -> None:
    (end,) = ranks.report(channel.STARTER, "refused", "starter", reason="there is no mpirun")
    assert (end.outcome.reason, end.outcome.may_retry) == ("there is no mpirun", False)


def test_ranks_that_are_not_where_they_were_asked_for_are_refused(ranks: Ranks) -> None:
    (end,) = ranks.start_all("n0", "n0")
    assert end.outcome.reason.startswith("rank 1 was started on n0, and on another node than those before it was asked for")
    assert ranks.sent == []


def test_a_rank_that_comes_twice_says_that_the_processes_do_not_know_each_other(ranks: Ranks) -> None:
    ranks.report(0, "here", host="n0", address="n0", ports=[])
    (end,) = ranks.report(0, "here", "another", host="n0", address="n0", ports=[])
    assert end.outcome.reason.startswith("mpirun started rank 0 twice")


def test_the_first_rank_that_fails_by_itself_is_told_with_its_code(ranks: Ranks) -> None:
    ranks.start_all()
    (end,) = ranks.rank_ends(1, 3)
    assert (end.rank, end.outcome.exit_code, end.outcome.reason, end.outcome.host) == (1, 3, "rank 1: exit code 3", "n1")


def test_a_rank_that_its_mpirun_has_ended_waits_for_the_words_of_mpirun(ranks: Ranks, clock: Clock) -> None:
    ranks.start_all()
    assert ranks.rank_ends(0, 143, is_cut_off=True) == []
    assert ranks.mpirun("-----", "It was killed", "for a reason", "-----", "told", code=9)[0].outcome.reason == (
        "rank 0 on n0 was ended by mpirun or with its agent; mpirun ended with exit code 9: told"
    )


def test_an_mpirun_that_says_nothing_is_not_waited_for_long(ranks: Ranks, clock: Clock) -> None:
    ranks.start_all()
    assert ranks.hang_up(1) == []
    clock.now += mpi.EXPLANATION_SECONDS
    (end,) = ranks.news()
    assert isinstance(end, Ended)
    assert end.outcome.reason == "rank 1 on n1 was ended by mpirun or with its agent; mpirun goes on, and says nothing"
    assert ranks.usage.known() == {"cpu_s": None, "peak_rss_bytes": None}, "nobody knows what it used"


def test_an_abort_is_told_with_its_rank_and_code(ranks: Ranks, clock: Clock, tmp_path: Path) -> None:
    ranks.start_all()
    Path(RunPaths(str(tmp_path)).log(1)).write_text("application called MPI_Abort(MPI_COMM_WORLD, 7) - process 1\n")
    ranks.rank_ends(0, 143, is_cut_off=True)
    (end,) = ranks.mpirun(code=7)
    assert (end.outcome.reason, end.outcome.exit_code, end.outcome.host) == ("rank 1: MPI_Abort with error code 7", 7, "n1")


def test_processes_that_never_came_are_told_with_the_code_of_mpirun(ranks: Ranks) -> None:
    (end,) = ranks.mpirun("there are not enough slots", code=1)
    assert end.outcome.reason == "mpirun ended with exit code 1, and 0 of 2 ranks were there: there are not enough slots"


def test_an_mpirun_that_stays_alone_is_killed(ranks: Ranks, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))
    ranks.end(kill=False, is_recorded=True)
    clock.now += mpi.ALONE_SECONDS - 1
    ranks.end(kill=False, is_recorded=True)
    assert killed == []
    clock.now += 2
    ranks.end(kill=False, is_recorded=True)
    assert killed == [MPIRUN]


def test_what_the_workers_say_is_not_taken_for_the_words_of_mpirun(ranks: Ranks, capfd: pytest.CaptureFixture[str]) -> None:
    say("the watchdog of this agent was killed before it")
    own = capfd.readouterr().err.strip()
    (end,) = ranks.mpirun("earlier", "-----", own, "there are not", own, "enough slots", "-----", own, code=1)
    assert end.outcome.reason.endswith(": there are not; enough slots")
