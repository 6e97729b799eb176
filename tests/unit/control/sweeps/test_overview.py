"""What is told of a sweep while it goes on, by a clock that stands still."""

from __future__ import annotations

import math
import os
import random
from types import SimpleNamespace
from typing import Any

import pytest

from trainconf.control.results.sweep import saved_share
from trainconf.control.sweeps.overview import COURSE_POINTS, Course, Overview
from trainconf.history.liveness import State
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.search.progress import Limits, Progress
from trainconf.search.samplers import PointSource


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def trial(number: int, status: str = "Running", values: list[float] | None = None, wall_s: float | None = None) -> Any:
    state = State(status, "", {"state": status, "resources": {"wall_s": wall_s}})
    return SimpleNamespace(number=number, overrides=[], paths=RunPaths(f"/r/s_{number}"), state=state, values=values or [])


def sweep_of(workspace: WorkspacePaths, total: int, goal: str = "maximize", progress: Progress | None = None) -> Any:
    return SimpleNamespace(paths=workspace.run("a", "s"), metric={"name": "m", "goal": goal}, total=total, progress=progress, live=[])


def progress_of(count: int, goal: str = "maximize", repeats: int = 1) -> Progress:
    found = Progress(PointSource(None, []), Limits(max_total_runs=count, max_concurrent_runs=9, repeats=repeats), goal)
    for number in range(count):
        point, repeat = divmod(number, repeats)
        found.take({"deed": "ask", "number": number, "point": point, "repeat": repeat, "values": {}, "run": ["a", f"s_{number}"]})
    return found


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"search": null}', '{"search": []}', '{"search": {"settings": []}}',
    '{"search": {"settings": {"policy": 3, "value": null}}}',
])  # fmt: skip
def test_a_damaged_or_foreign_record_of_the_sweep_hides_no_trial(workspace: WorkspacePaths, text: str) -> None:
    sweep = sweep_of(workspace, 2)
    os.makedirs(sweep.paths.run_dir)
    with open(sweep.paths.sweep, "w") as stream:
        stream.write(text)
    overview = Overview(sweep, Clock())
    overview.update([trial(0)])
    assert (overview.policy, list(overview.running)) == ("none", [0])


def test_counts_follow_the_trials_through_their_states(workspace: WorkspacePaths) -> None:
    overview = Overview(sweep_of(workspace, 5), Clock())
    one, two = trial(0, "Queued"), trial(1)
    overview.update([one, two])
    assert (len(overview.running), overview.waiting_count, overview.ended_count) == (1, 4, 0)
    one.state, two.state = State("Running"), State("Failed", "", {"state": "Failed"})
    assert [ended.trial.number for ended in overview.update([one, two])] == [1]
    assert (list(overview.running), overview.waiting_count, overview.counts) == ([0], 3, {"Failed": 1})
    assert overview.update([two]) == []
    two.state, two.paths = State("Queued"), RunPaths("/r/s_1.2")
    overview.update([two])
    assert (overview.ended_count, overview.waiting_count, overview.counts["Failed"]) == (0, 4, 0)


def test_the_time_that_is_left_is_that_of_trials_that_have_ended(workspace: WorkspacePaths) -> None:
    clock = Clock()
    overview = Overview(sweep_of(workspace, 10), clock)
    overview.update([trial(0), trial(1)])
    assert overview.rest_s is None
    clock.now += 10
    overview.update([trial(0, "Completed", wall_s=10.0), trial(2)])
    # trial 1 is due now, trial 2 has 10 s, seven others wait for one of the two
    assert overview.rest_s == pytest.approx((0 + 10 + 7 * 10) / 2)
    assert overview.elapsed_s == 10


@pytest.mark.parametrize(("goal", "best"), [("maximize", 1), ("minimize", 2)])
def test_the_best_is_also_one_that_still_runs(workspace: WorkspacePaths, goal: str, best: int) -> None:
    progress = progress_of(3, goal)
    overview = Overview(sweep_of(workspace, 3, goal, progress), Clock())
    progress.take({"deed": "told", "number": 0, "state": "Completed", "value": 0.5})
    (ended,) = overview.update([trial(0, "Completed", [0.5]), trial(1, values=[0.1, 0.9, 0.8]), trial(2, values=[math.nan, -1.0])])
    assert (ended.value, ended.is_best) == (0.5, True)
    found = overview.best()
    assert found is not None
    assert found.trial.number == best


@pytest.mark.parametrize("status", ["Running", "Completed"])
def test_of_equal_values_the_lower_number_is_the_best_whichever_was_first(workspace: WorkspacePaths, status: str) -> None:
    overview = Overview(sweep_of(workspace, 3), Clock())
    overview.update([trial(2, "Completed", [0.5])])
    overview.update([trial(1, status, [0.5])])
    found = overview.best()
    assert found is not None
    assert found.trial.number == 1


def test_with_repeats_a_point_is_compared_when_its_trials_are_told(workspace: WorkspacePaths) -> None:
    progress = progress_of(4, repeats=2)
    sweep = sweep_of(workspace, 4, progress=progress)
    sweep.live = [trial(number) for number in range(4)]
    overview = Overview(sweep, Clock())
    for number, value in enumerate((0.1, 0.5, 0.4)):
        progress.take({"deed": "told", "number": number, "state": "Completed", "value": value})
    found = overview.best()
    assert found is not None
    assert found.trial.number == 2
    assert found.value == pytest.approx(0.4)


@pytest.mark.parametrize(("rule", "value"), [("best", 0.9), ("last", 0.3)])
def test_a_trial_of_a_grid_that_nobody_controls_is_worth_what_the_record_says(workspace: WorkspacePaths, rule: str, value: float) -> None:
    sweep = sweep_of(workspace, 2)
    os.makedirs(sweep.paths.run_dir)
    with open(sweep.paths.sweep, "w") as stream:
        stream.write(f'{{"value": "{rule}"}}')
    overview = Overview(sweep, Clock())
    overview.update([trial(0, values=[0.9, 0.3, math.nan])])
    for status in ("Running", "Failed"):
        overview.update([trial(0, status, values=[0.9, 0.3, math.nan])])
        found = overview.best()
        assert found is not None
        assert found.value == value


def test_with_repeats_a_point_of_a_sweep_that_nobody_controls_is_worth_its_mean(workspace: WorkspacePaths) -> None:
    sweep = sweep_of(workspace, 4)
    os.makedirs(sweep.paths.run_dir)
    with open(sweep.paths.sweep, "w") as stream:
        stream.write('{"search": {"settings": {"repeats": 2, "value": "best"}}}')
    sweep.live = [trial(0, "Completed", [0.9]), trial(1, "Completed", [0.1]), trial(2), trial(3, "Failed", [0.6])]
    overview = Overview(sweep, Clock())
    overview.update(sweep.live)
    found = overview.best()
    assert found is not None
    assert (found.trial.number, found.value) == (2, 0.6)


def test_a_trial_that_runs_again_is_the_best_no_longer(workspace: WorkspacePaths) -> None:
    progress = progress_of(2)
    sweep = sweep_of(workspace, 2, progress=progress)
    for number, value in enumerate((0.5, 0.9)):
        progress.take({"deed": "told", "number": number, "state": "Failed", "value": value})
    sweep.live = [trial(0, "Failed", [0.5]), trial(1, "Failed", [0.9])]
    overview = Overview(sweep, Clock())
    overview.update(sweep.live)
    progress.take({"deed": "again", "number": 1, "run": ["a", "s_1.2"]})
    again = trial(1, "Queued")
    again.paths = RunPaths("/r/s_1.2")
    overview.update([again])
    found = overview.best()
    assert found is not None
    assert (found.trial.number, found.value) == (0, 0.5)


def test_a_trial_that_a_policy_stopped_counts_as_stopped_and_its_logs_as_saved(workspace: WorkspacePaths) -> None:
    progress = progress_of(3)
    overview = Overview(sweep_of(workspace, 3, progress=progress), Clock())
    for line in (
        {"deed": "judged", "intervals": {"0": 10, "1": 2}, "count": 12}, {"deed": "told", "number": 0, "state": "Completed", "value": 0.5},
        {"deed": "stop", "number": 1, "interval": 2, "own": 0.1, "bound": 0.2, "compared": 1},
        {"deed": "told", "number": 1, "state": "Canceled", "value": 0.1},
    ):  # fmt: skip
        progress.take(line)
    ended = overview.update([trial(0, "Completed", [0.5]), trial(1, "Canceled", [0.1])])
    assert overview.counts == {"Completed": 1, "Stopped": 1}
    assert ended[1].stop is not None
    assert saved_share(progress) == overview.saved == pytest.approx(8 / 20)
    assert saved_share(progress_of(3)) is None


def test_a_course_of_any_length_is_few_points_and_the_whole_truth_about_its_ends() -> None:
    draw = random.Random(1)
    values = [draw.uniform(-1, 1) + number / 1000 for number in range(5000)]
    values[70] = math.nan
    course = Course()
    for start in range(0, 5000, 7):
        course.add(values[start : start + 7])
    known = [value for value in values if not math.isnan(value)]
    assert (course.count, course.last) == (5000, values[-1])
    assert (course.best("maximize"), course.best("minimize")) == (max(known), min(known))
    points = course.points()
    assert COURSE_POINTS // 2 <= len(points) <= COURSE_POINTS
    assert abs(sum(points) / len(points) - sum(known) / len(known)) < 0.05
    assert points[0] < points[len(points) // 2] < points[-1]
    only_nan = Course()
    only_nan.add([math.nan, math.inf])
    assert (only_nan.last, only_nan.best("maximize")) == (None, None)
