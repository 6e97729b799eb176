"""What a job takes of the trials that it is given, and when it ends."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from trainconf import files
from trainconf.agent import loop
from trainconf.agent.nodes.pool_job import GivenTrials
from trainconf.history import events
from trainconf.paths import RunPaths

FOR_EVER_S = 1000.0


class Given:
    """The folder of a job that has two trials at a time, and the trials that it is given."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = RunPaths(str(root / "sweep" / "pool_jobs" / "sweep_pool3"))
        os.makedirs(self.home.run_dir)
        files.write_atomic(self.home.trials, "")
        self.closed: list[bool] = []

    def feed(self, idle_s: float = FOR_EVER_S, left_s: float | None = None) -> GivenTrials:
        files.write_atomic(self.home.plan, files.dumps({"pack": 2, "number": 3, "idle_seconds": idle_s}))
        return GivenTrials(self.home, left_s, lambda: self.closed.append(True))

    def trial(self, name: str, state: str = "NotStarted", number: int = 3) -> RunPaths:
        paths = RunPaths(str(self.root / name))
        os.makedirs(paths.run_dir)
        events.append(paths, state)
        files.write_atomic(paths.plan, files.dumps({"batch": {"pool_job": number}}))
        files.append_line(self.home.trials, {"run_dir": paths.run_dir})
        return paths


@pytest.fixture
def given(tmp_path: Path) -> Given:
    return Given(tmp_path)


def taken(feed: GivenTrials) -> list[str]:
    feed.read_on()
    found = []
    while (paths := feed.take()) is not None:
        found.append(paths.run_id)
    return found


def test_trials_are_taken_in_order_and_each_is_locked_until_it_is_over(given: Given) -> None:
    feed = given.feed()
    first, second = given.trial("b"), given.trial("a")
    assert taken(feed) == ["b", "a"]
    assert [files.is_locked(paths.lock) for paths in (first, second)] == [True, True]
    feed.let_go(first)
    assert [files.is_locked(paths.lock) for paths in (first, second)] == [False, True]
    assert given.trial("c").run_id in taken(feed), "there is more, later"


def test_what_is_over_or_removed_or_somebody_elses_is_passed_over(given: Given) -> None:
    feed = given.feed()
    given.trial("over", "Canceled")
    given.trial("of_another_job", number=4)
    held = given.trial("held")
    gone = given.trial("gone")
    for name in os.listdir(gone.run_dir):
        os.unlink(os.path.join(gone.run_dir, name))
    given.trial("ours")
    with files.FileLock(held.lock):
        assert taken(feed) == ["ours"]


def test_a_line_counts_when_it_is_whole_and_one_that_is_none_is_passed_over(given: Given) -> None:
    feed = given.feed()
    given.trial("a")
    line = Path(given.home.trials).read_text()
    Path(given.home.trials).write_text("3\n{\n{}\n" + line[:10])
    assert taken(feed) == []
    Path(given.home.trials).write_text("3\n{\n{}\n" + line)
    assert taken(feed) == ["a"]


def test_a_job_ends_when_nothing_has_come_for_a_while_and_begins_nothing_after_that(given: Given) -> None:
    assert given.feed().has_more()
    feed = given.feed(idle_s=0.2)
    time.sleep(0.2)
    first = given.trial("came_just_now")
    assert feed.has_more(), "it looks once more before it ends"
    assert taken(feed) == ["came_just_now"]
    feed.let_go(first)
    time.sleep(0.2)
    assert not feed.has_more()
    given.trial("came_too_late")
    assert taken(feed) == []
    assert not feed.has_more()


def test_a_trial_that_is_not_seen_yet_is_taken_when_it_is_and_one_that_never_is_keeps_no_job(given: Given) -> None:
    feed = given.feed(idle_s=0.5)
    paths = given.trial("late")
    hidden = Path(f"{paths.run_dir}.hidden")
    Path(paths.run_dir).rename(hidden)
    files.append_line(given.home.trials, {"end": True})
    assert taken(feed) == []
    assert feed.has_more()
    hidden.rename(paths.run_dir)
    assert taken(feed) == ["late"]
    feed.let_go(paths)
    given.trial("never")
    shutil.rmtree(given.root / "never")
    assert taken(feed) == []
    time.sleep(0.5)
    assert not feed.has_more()


def test_an_announced_end_spares_the_wait_and_a_trial_after_it_counts(given: Given) -> None:
    feed = given.feed()
    files.append_line(given.home.trials, {"end": True})
    given.trial("a")
    assert taken(feed) == ["a"]
    files.append_line(given.home.trials, {"end": True})
    assert taken(feed) == []
    assert not feed.has_more()


def test_a_removed_sweep_ends_its_jobs(given: Given) -> None:
    feed = given.feed()
    os.unlink(given.home.trials)
    assert taken(feed) == []
    assert not feed.has_more()


def test_a_trial_that_is_canceled_before_its_turn_is_told_as_such(given: Given) -> None:
    feed = given.feed()
    for name in "abc":
        paths = given.trial(name)
        if name == "b":
            events.request_cancel(paths)
    feed.read_on()
    assert [paths.run_id for paths in feed.canceled()] == ["b"]
    assert taken(feed) == ["a", "c"]


def test_no_trial_begins_that_would_not_end_in_the_time_that_is_left(given: Given) -> None:
    feed = given.feed(left_s=0.5)
    paths = given.trial("a")
    given.trial("b")
    assert taken(feed) == ["a", "b"], "nobody knows how long they take"
    time.sleep(0.5)
    feed.let_go(paths)
    given.trial("c")
    assert feed.take() is None
    assert (feed.has_more(), given.closed) == (False, [True])


def test_what_is_left_when_a_job_is_stopped_is_left_for_others(given: Given) -> None:
    feed = given.feed()
    given.trial("a")
    feed.read_on()
    assert feed.close() == []
    assert taken(feed) == []


def test_a_job_that_was_given_up_before_it_began_carries_out_nothing(given: Given) -> None:
    events.append(given.home, "Canceled", reason="it was lost")
    given.trial("a")
    assert loop._carry_out_given(given.home, object(), None) == 0  # type: ignore[arg-type]
    assert [event["state"] for event in events.read(given.home)] == ["Canceled"]
