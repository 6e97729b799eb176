"""What a sweep's journal amounts to: what is due, what is best, when it closes; and that a replay knows the same."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainconf.search import grammar as e
from trainconf.search.progress import STOPPED, Limits, Progress
from trainconf.search.samplers import GridSampler, PointSource, RandomSampler
from trainconf.search.space import Axis, Point, Space

SPACE = Space((Axis("lr", e.uniform(0, 1)),))


class Learner:
    """A sampler that keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self._random = RandomSampler(SPACE, 1)

    def ask(self, number: int) -> Point:
        return self._random.ask(number)

    def add(self, number: int, point: Point) -> None:
        self.heard.append(("add", number, point["lr"]))

    def warm_up(self) -> None:
        self.heard.append(("warm",))

    def tell(self, number: int, value: float | None) -> None:
        self.heard.append(("tell", number, value))


def make(sampler: Any = None, goal: str = "maximize", first: list[Point] | None = None, **limits: Any) -> Progress:
    source = PointSource(sampler or RandomSampler(SPACE, 1), first or [])
    return Progress(source, Limits(**{"max_total_runs": 10, "max_concurrent_runs": 4, **limits}), goal)


def ask(progress: Progress) -> dict[str, Any] | None:
    line = progress.next_ask()
    if line is not None:
        line["run"] = ["x", f"s_{line['number']}"]
        progress.take(line)
    return line


def tell(progress: Progress, trial: int, value: float | None, state: str = "Completed", **more: Any) -> dict[str, Any]:
    line = {"deed": "told", "number": trial, "state": state, "value": value, **more}
    progress.take(line)
    return line


def test_the_next_trial_is_due_when_one_ends() -> None:
    progress = make()
    assert [ask(progress) is not None for _ in range(5)] == [True] * 4 + [False]
    tell(progress, 2, 0.5)
    assert ask(progress) is not None
    assert ask(progress) is None
    assert sorted(progress.running) == [0, 1, 3, 4]


def test_the_total_counts_trials_over_the_whole_life() -> None:
    progress = make(max_total_runs=3)
    assert [ask(progress) is not None for _ in range(4)] == [True] * 3 + [False]
    for trial in range(3):
        tell(progress, trial, float(trial))
    assert progress.is_drained
    progress.take({"deed": "budget", "max_total_runs": 5})
    line = ask(progress)
    assert line is not None
    assert line["number"] == 3
    assert line["values"] == RandomSampler(SPACE, 1).ask(3)


def test_a_pause_starts_nothing_and_a_resume_goes_on() -> None:
    progress = make()
    ask(progress)
    progress.take({"deed": "pause"})
    assert ask(progress) is None
    assert not progress.is_drained
    tell(progress, 0, 1.0)
    assert progress.is_drained
    progress.take({"deed": "resume"})
    assert ask(progress) is not None


def test_repeats_share_a_point_and_its_value_is_their_mean() -> None:
    learner = Learner()
    progress = make(learner, repeats=2, max_total_runs=4)
    lines = [ask(progress) for _ in range(4)]
    assert [(line["point"], line["repeat"]) for line in lines if line] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert lines[0] is not None
    assert lines[1] is not None
    assert lines[0]["values"] == lines[1]["values"]
    tell(progress, 0, 1.0)
    assert [heard for heard in learner.heard if heard[0] == "tell"] == []
    tell(progress, 1, 2.0)
    tell(progress, 2, 1.8)
    best = progress.best()
    assert best is not None
    assert (best[0].number, best[1]) == (2, 1.8)
    tell(progress, 3, None, "Failed", reason="exit code 1")
    assert [heard for heard in learner.heard if heard[0] == "tell"] == [("tell", 0, 1.5), ("tell", 1, 1.8)]


@pytest.mark.parametrize(("goal", "worst"), [("maximize", 0.2), ("minimize", 0.7)])
def test_a_failed_trial_is_told_as_the_worst_so_far(goal: str, worst: float) -> None:
    learner = Learner()
    progress = make(learner, goal)
    for _ in range(4):
        ask(progress)
    tell(progress, 3, None, "Failed")
    tell(progress, 0, 0.2)
    tell(progress, 1, 0.7)
    tell(progress, 2, None, "Failed")
    assert [heard[1:] for heard in learner.heard if heard[0] == "tell"] == [(3, None), (0, 0.2), (1, 0.7), (2, worst)]


def test_a_trial_that_somebody_cancelled_or_that_was_lost_teaches_nothing() -> None:
    learner = Learner()
    progress = make(learner)
    for _ in range(4):
        ask(progress)
    tell(progress, 0, 0.4)
    tell(progress, 1, None, "Canceled")
    tell(progress, 2, 0.1, "Canceled")
    tell(progress, 3, 0.2, "Lost")
    assert [heard[1:] for heard in learner.heard if heard[0] == "tell"] == [(0, 0.4), (1, None), (2, None), (3, None)]
    best = progress.best()
    assert best is not None
    assert best[0].number == 0, "and the values of all count: 0.4 is the best of them"


def test_a_trial_that_completed_without_a_finite_value_is_told_as_the_worst_so_far() -> None:
    learner = Learner()
    progress = make(learner, "minimize")
    for number, value in enumerate([None, 0.2, 0.7, None]):
        ask(progress)
        tell(progress, number, value)
    assert [heard[1:] for heard in learner.heard if heard[0] == "tell"] == [(0, None), (1, 0.2), (2, 0.7), (3, 0.7)]


def test_the_points_of_first_come_first_and_leave_the_others_as_they_were() -> None:
    progress = make(first=[{"lr": 0.125}])
    lines = [ask(progress), ask(progress)]
    assert [line["values"] for line in lines if line] == [{"lr": 0.125}, RandomSampler(SPACE, 1).ask(0)]


@pytest.mark.parametrize(("limits", "ends", "told"), [
    ({"max_failed_runs": 2}, ["Failed", "Completed", "Failed"], "2 trials failed"),
    ({}, ["Failed"] * 4, "each of the first 4 trials failed, one of them: exit code 3"),
    ({"max_concurrent_runs": 1}, ["Failed"] * 3, "each of the first 3 trials failed"),
])
def test_failures_close_the_sweep(limits: dict[str, Any], ends: list[str], told: str) -> None:
    progress = make(**limits)
    for number, state in enumerate(ends):
        while number >= len(progress.trials):
            assert ask(progress) is not None
        assert progress.closed == ""
        tell(progress, number, None if state == "Failed" else 1.0, state, reason="exit code 3")
    assert told in progress.failure
    assert ask(progress) is None
    assert progress.final_state()[0] == "Failed"


def test_a_search_without_its_metric_gives_up_and_says_what_was_logged() -> None:
    progress = make(metric="loss")
    for number in range(3):
        ask(progress)
        tell(progress, number, None, names=["acc", "lsos"])
    assert progress.failure == "3 trials have ended without a value of loss: they logged lsos, acc"
    progress = make(metric="loss")
    for number in range(3):
        ask(progress)
        tell(progress, number, None, names=["acc", "loss"])
    assert "no finite number" in progress.failure


def test_some_trials_without_the_metric_end_no_search_that_has_values() -> None:
    progress = make(metric="loss")
    for number in range(7):
        ask(progress)
        tell(progress, number, 0.5 if number == 1 else None, names=["loss"])
    assert not progress.closed, "NaN at the end is a bad value, and no missing metric"


@pytest.mark.parametrize("state", ["Failed", "Canceled", "Lost"])
def test_only_trials_that_completed_show_that_a_metric_is_missing(state: str) -> None:
    progress = make(metric="loss", max_concurrent_runs=9)
    for number, ended in enumerate(["Completed", state, state, state, state, "Completed"]):
        ask(progress)
        tell(progress, number, None, ended, names=["acc"])
        assert not progress.closed
    ask(progress)
    tell(progress, 6, None, names=["acc"])
    assert "3 trials have ended without a value of loss" in progress.failure


def test_a_target_is_reached_by_a_point_and_not_by_one_of_its_trials() -> None:
    progress = make(goal="maximize", target=0.5, repeats=3)
    for _ in range(4):
        ask(progress)
    tell(progress, 0, 0.9)
    tell(progress, 3, 0.6)
    tell(progress, 2, 0.1)
    assert not progress.closed
    tell(progress, 1, 0.2)
    assert not progress.closed, "its point is worth 0.4"
    ask(progress)
    ask(progress)
    tell(progress, 5, 0.7, state="Failed")
    tell(progress, 4, None, state="Failed")
    assert "trial 3 has reached the target: 0.65" in progress.closed


def test_a_target_that_is_reached_closes_the_sweep() -> None:
    progress = make(goal="minimize", target=0.1)
    ask(progress)
    tell(progress, 0, 0.2)
    assert progress.closed == ""
    ask(progress)
    tell(progress, 1, 0.1)
    assert "trial 1 has reached the target" in progress.closed
    assert progress.final_state()[0] == "Completed"


@pytest.mark.parametrize(("limits", "ends", "other"), [
    ({"target": 0.5}, [("Completed", 0.4)], {"target": 0.1}),
    ({"max_failed_runs": 2}, [("Failed", None), ("Completed", 0.2), ("Failed", None)], {"max_failed_runs": 3}),
])
def test_a_limit_that_is_reached_holds_when_the_sweep_is_resumed_until_it_is_changed(
    limits: dict[str, Any], ends: list[tuple[str, float | None]], other: dict[str, Any]
) -> None:
    progress = make(goal="minimize", **limits)
    for number, (state, value) in enumerate(ends):
        ask(progress)
        tell(progress, number, value, state)
    closed = progress.closed
    assert closed
    progress.take({"deed": "resume"})
    progress.take({"deed": "budget", "max_total_runs": 50})
    assert (ask(progress), progress.closed) == (None, closed)
    progress.take({"deed": "budget", **other})
    assert (progress.closed, progress.failure) == ("", "")
    assert ask(progress) is not None
    progress.take({"deed": "budget", **limits})
    assert progress.closed == closed


def test_a_trial_that_runs_again_is_wanted_until_the_sweep_is_closed_anew() -> None:
    progress = make(goal="minimize", target=0.5)
    for number, (state, value) in enumerate([("Failed", None), ("Failed", None), ("Completed", 0.4)]):
        ask(progress)
        tell(progress, number, value, state)
    progress.take({"deed": "resume"})
    for number in range(2):
        progress.take({"deed": "again", "number": number, "run": ["x", f"s_{number}.2"]})
    assert progress.closed
    assert progress.wanted == {0, 1}
    tell(progress, 0, 0.45)
    assert progress.wanted == {1}
    progress.take({"deed": "close", "reason": "stopped"})
    assert progress.wanted == set()


def test_a_space_that_is_done_ends_the_sweep() -> None:
    progress = make(GridSampler(Space((Axis("a", e.choice(1, 2)),))))
    assert [ask(progress) is not None for _ in range(3)] == [True, True, False]
    tell(progress, 0, 1.0)
    tell(progress, 1, 2.0)
    assert progress.is_drained
    assert progress.final_state() == ("Completed", "all 2 points done")


def test_a_trial_that_runs_again_counts_with_its_newest_end() -> None:
    progress = make()
    for number, value in enumerate([0.3, 0.9]):
        ask(progress)
        tell(progress, number, value)
    progress.take({"deed": "again", "number": 1, "run": ["x", "s_1.2"]})
    best = progress.best()
    assert best is not None
    assert best[0].number == 0
    assert list(progress.running) == [1]
    tell(progress, 1, 0.5)
    best = progress.best()
    assert best is not None
    assert (best[0].number, best[0].attempt, best[1]) == (1, 2, 0.5)
    assert progress.counts["Completed"] == 2


@pytest.mark.parametrize("limits", [{"max_total_runs": 3}, {"max_failed_runs": 2}, {"metric": "loss"}])
def test_failures_that_run_again_close_the_sweep_no_longer(limits: dict[str, Any]) -> None:
    progress = make(**{"max_total_runs": 3, **limits})
    while ask(progress):
        pass
    for number in range(3):  # a retry tells them and has them run again, with nothing in between
        tell(progress, number, None, "Completed" if "metric" in limits else "Failed", reason="disk full")
    assert progress.failure
    for number in range(3):
        progress.take({"deed": "again", "number": number, "run": ["x", f"s_{number}.2"]})
    assert (progress.closed, progress.failure) == ("", "")
    for number in range(3):
        tell(progress, number, 0.5)
    assert progress.final_state()[0] == "Completed"


def test_a_sweep_that_somebody_stopped_stays_so_when_a_trial_runs_again() -> None:
    progress = make()
    ask(progress)
    tell(progress, 0, None, "Failed")
    progress.take({"deed": "close", "reason": "stopped"})
    progress.take({"deed": "again", "number": 0, "run": ["x", "s_0.2"]})
    assert progress.closed == "stopped"


@pytest.mark.parametrize(("reason", "is_kept"), [(STOPPED, True), ("cancellation was requested", False)])
def test_a_retry_starts_nothing_else_of_a_sweep_that_somebody_stopped_and_a_resume_does(reason: str, *, is_kept: bool) -> None:
    progress = make()
    ask(progress)
    tell(progress, 0, None, "Failed")
    progress.take({"deed": "close", "reason": reason})
    progress.take({"deed": "resume", "is_retry": True})
    progress.take({"deed": "again", "number": 0, "run": ["x", "s_0.2"]})
    assert (ask(progress) is None) is is_kept
    progress.take({"deed": "resume"})
    assert ask(progress) is not None


def test_a_trial_that_the_policy_stopped_is_told_with_its_value() -> None:
    learner = Learner()
    progress = make(learner)
    ask(progress)
    progress.take({"deed": "stop", "number": 0, "interval": 5, "own": 0.2, "bound": 0.4, "compared": 3})
    tell(progress, 0, 0.2, "Canceled")
    assert [heard[1:] for heard in learner.heard if heard[0] == "tell"] == [(0, 0.2)]
    assert progress.trials[0].stop == {"interval": 5, "own": 0.2, "bound": 0.4, "compared": 3}


def facts(progress: Progress) -> Any:
    """All that is known, each trial by what it holds: two of them are equal only when they are the same object."""
    best = progress.best()
    trials = [[getattr(trial, name) for name in trial.__slots__] for trial in progress.trials]
    return (
        None if best is None else (best[0].number, best[1]), trials, progress.closed, progress.counts,
        list(progress.running),
    )  # fmt: skip


@given(seed=st.integers(0, 10_000), cut=st.integers(0, 60))
def test_a_replay_of_the_journal_knows_what_the_first_one_knew(seed: int, cut: int) -> None:
    rng = random.Random(seed)
    limits: dict[str, Any] = {"max_total_runs": 15, "max_concurrent_runs": 3, "repeats": rng.choice([1, 2])}
    learner = Learner()
    progress = make(learner, **limits)
    journal: list[dict[str, Any]] = []
    for _ in range(cut):
        line = ask(progress) if rng.random() < 0.6 or not progress.running else None
        if line is None and progress.running:
            state = rng.choice(["Completed", "Completed", "Failed", "Canceled"])
            value = rng.choice([0.1, 0.5, rng.random()]) if state != "Failed" else None
            line = tell(progress, rng.choice(list(progress.running)), value, state, reason="r")
        if line is not None:
            journal.append(line)
    again = Learner()
    replayed = make(again, **limits)
    for line in journal:
        replayed.take(line)
    assert again.heard == learner.heard
    assert facts(replayed) == facts(progress)
    assert replayed.next_ask() == progress.next_ask()
