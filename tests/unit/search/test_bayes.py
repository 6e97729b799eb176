"""Bayesian search: what one sampler made anew for each point must share, and what it must not."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trainconf.agent.processes import tree
from trainconf.fast import spawn
from trainconf.search import apart, grammar
from trainconf.search.bayes import BayesSampler, parameters_of
from trainconf.search.expressions import Choice, Option, identity
from trainconf.search.samplers import NotReadyError
from trainconf.search.space import Axis, Point, Space, Zip

pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
PLAIN = Space((Axis("x", grammar.uniform(0, 1)), Axis("opt", grammar.choice("a", "b"))))
SGD = Option("sgd", (("momentum", grammar.uniform(0, 1)),))
CONDITIONAL = Space((Axis("x", grammar.uniform(0, 1)), Axis("opt", Choice((SGD, Option("adam"))))))


def worth(point: dict[str, object]) -> float:
    return abs(float(str(point["x"])) - 0.3)


@pytest.mark.parametrize("space", [PLAIN, CONDITIONAL])
def test_a_sampler_that_is_made_from_what_is_known_asks_the_same(space: Space) -> None:
    """Four in flight, told out of order, one told again; made anew before each ask, or never."""
    kept = BayesSampler(space, 5, "tpe", "minimize")
    history: list[tuple[str, int, tuple[object, ...]]] = []
    for number in range(24):
        anew = BayesSampler(space, 5, "tpe", "minimize")
        for deed, place, what in history:
            getattr(anew, deed)(place, *what)
        point = kept.ask(number)
        assert anew.ask(number) == point
        deeds: list[tuple[str, int, tuple[object, ...]]] = [("add", number, (point,))]
        if number >= 4:
            ended = (number - 4) ^ 1
            deeds.append(("tell", ended, (None if ended == 7 else worth(kept.ask(ended)),)))
        if number == 15:
            deeds += [("forget", 3, ()), ("tell", 3, (0.01,))]
        for deed, place, what in deeds:
            getattr(kept, deed)(place, *what)
        history += deeds


def test_a_zip_is_one_choice_of_its_rows() -> None:
    rows: tuple[Point, ...] = ({"width": 64, "lr": 0.1}, {"width": 128, "lr": 0.05}, {"width": 256, "lr": None})
    space = Space((Axis("x", grammar.uniform(0, 1)), Axis("size", Zip("size", rows))))
    assert dict(parameters_of(space.axes, {"x": 0.5, "width": 128, "lr": 0.05})) == {"x": 0.5, "size": 1}
    assert dict(parameters_of(space.axes, {"x": 0.5, "width": 128, "lr": 0.1})) == {"x": 0.5, "size": None}
    sampler = BayesSampler(space, 5, "tpe", "minimize")
    for number in range(25):
        point = sampler.ask(number)
        assert {"width": point["width"], "lr": point["lr"]} in rows
        sampler.add(number, point)
        sampler.tell(number, worth(point) + float(point["width"]))


def searched(space: Space, count: int = 16, *, warm: bool, spoil: Callable[[BayesSampler, int], object] = lambda *_: None) -> list[Point]:
    """The points of a search with two in flight, from a process that proposes or without one; `spoil` is called before each."""
    sampler = BayesSampler(space, 3, "tpe", "minimize")
    if warm:
        sampler.warm_up(count)
    points: list[Point] = []
    for number in range(count):
        spoil(sampler, number)
        points.append(asked(sampler, number))
        sampler.add(number, points[-1])
        if number >= 2:
            sampler.tell(number - 2, worth(points[number - 2]))
    sampler.close()
    return points


def asked(sampler: BayesSampler, number: int) -> Point:
    """The point of that number, once the sampler has it."""
    give_up_at = time.monotonic() + 120
    while time.monotonic() < give_up_at:
        with contextlib.suppress(NotReadyError):
            return sampler.ask(number)
    pytest.fail("no answer")


def proposers() -> set[int]:
    """The processes that propose for this one."""
    return set(filter(is_proposer, tree.children() or ()))


def is_proposer(pid: int) -> bool:
    try:
        return b"apart.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("space", [PLAIN, CONDITIONAL])
def test_a_process_of_its_own_proposes_the_same(space: Space) -> None:
    """Values keep their types: an option may be None, a number, a list, a mapping."""
    odd = Axis("odd", grammar.choice(None, 1, 1.0, True, "1", [1, {"a": None}], {"b": [2.5]}))
    space = Space((*space.axes, odd))
    assert [identity(point) for point in searched(space, warm=True)] == [identity(point) for point in searched(space, warm=False)]


def test_a_process_that_is_killed_is_stood_in_for() -> None:
    def kill(_: BayesSampler, number: int) -> None:
        if number == 13:
            for pid in proposers():
                os.kill(pid, signal.SIGKILL)

    assert searched(PLAIN, warm=True, spoil=kill) == searched(PLAIN, warm=False)


def test_whoever_asks_is_not_kept_waiting() -> None:
    """What is told before the answer comes counts for the next point."""
    sampler = BayesSampler(PLAIN, 3, "tpe", "minimize")
    sampler.warm_up(20)
    wait_for_proposers(1)
    (pid,) = proposers()
    os.kill(pid, signal.SIGSTOP)
    for number in range(10):
        sampler.add(number, sampler.ask(number))
        sampler.tell(number, worth(sampler.ask(number)))
    for _ in range(2):
        with pytest.raises(NotReadyError):
            sampler.ask(10)
    os.kill(pid, signal.SIGCONT)
    point = asked(sampler, 10)
    sampler.close()
    assert point == sampler.ask(10)


def test_a_point_that_runs_again_is_forgotten_by_the_process_too() -> None:
    def again(sampler: BayesSampler, number: int) -> None:
        if number == 13:
            sampler.forget(5)
            sampler.tell(5, 0.5)

    assert searched(PLAIN, warm=True, spoil=again) == searched(PLAIN, warm=False, spoil=again)


def test_an_interrupted_question_leaves_no_answer_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    real = apart._receive
    interruptions = iter([KeyboardInterrupt()])

    def receive(fd: int) -> object:
        for interruption in interruptions:
            raise interruption
        return real(fd)

    def interrupted(sampler: BayesSampler, number: int) -> None:
        if number == 12:
            monkeypatch.setattr(apart, "_receive", receive)
            with pytest.raises(KeyboardInterrupt):
                sampler.ask(number)

    assert searched(PLAIN, warm=True, spoil=interrupted) == searched(PLAIN, warm=False)


def test_a_mistake_of_the_library_is_raised_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process says that it could not; the same is tried here, where whoever asks sees why."""
    monkeypatch.setattr("trainconf.search.bayes.proposer", lambda *_: pytest.fail("the library's own message"))
    sampler = BayesSampler(PLAIN, 3, "tpe", "minimize")
    sampler.warm_up(20)
    for number in range(10):
        sampler.add(number, sampler.ask(number))
    sampler._told.append((10, {"unknown": 1}))
    with pytest.raises(pytest.fail.Exception, match="own message"):
        asked(sampler, 11)


def test_the_process_ends_with_whoever_asks() -> None:
    code = (
        "import os, signal\nfrom trainconf.search import grammar\nfrom trainconf.search.bayes import BayesSampler, parameters_of\n"
        "from trainconf.search.space import Axis, Space\n"
        "sampler = BayesSampler(Space((Axis('x', grammar.uniform(0, 1)),)), 3, 'tpe', 'minimize')\nsampler.warm_up(20)\n"
        "print(open(f'/proc/self/task/{os.getpid()}/children').read(), flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    (pid,) = map(int, done.stdout.split())
    give_up_at = time.monotonic() + 120
    while is_proposer(pid) and time.monotonic() < give_up_at:
        time.sleep(0.01)
    assert not is_proposer(pid)


def test_no_process_is_started_for_points_that_random_search_gives() -> None:
    wait_for_proposers(0)
    sampler = BayesSampler(PLAIN, 3, "tpe", "minimize")
    sampler.warm_up(10)
    assert not proposers()
    sampler.warm_up(11)
    wait_for_proposers(1)
    sampler.close()
    wait_for_proposers(0)


def wait_for_proposers(count: int) -> None:
    """Those that nobody asks any more are about to end, and one that was started has its command in a moment."""
    give_up_at = time.monotonic() + 120
    while len(proposers()) != count and time.monotonic() < give_up_at:
        spawn.reap()
        time.sleep(0.01)
    assert len(proposers()) == count
