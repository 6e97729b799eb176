"""The mean of runs that differ in their seeds: of each step, before buckets, with a band, and smoothed as one curve is."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from tests.unit.history.build import make_run
from trainconf import files
from trainconf.control.curves.groups import RANGE, STD, Group, groups_of, read_groups
from trainconf.control.curves.read import Asked
from trainconf.control.curves.store import PointStore
from trainconf.errors import UserError
from trainconf.paths import RunPaths, WorkspacePaths


def run_of(workspace: WorkspacePaths, name: str, values: dict[int, float], **params: object) -> RunPaths:
    paths = make_run(workspace, name, params=params)
    for step, value in values.items():
        files.append_line(paths.metrics, {"time": None, "name": "loss", "value": value, "step": step})
    return paths


def test_runs_are_together_that_differ_in_seeds_alone_and_are_named_by_what_differs(tmp_path: Path) -> None:
    workspace = WorkspacePaths(str(tmp_path))
    facts = [(0.1, 1, "a"), (0.5, 1, "a"), (0.1, 2, "b"), (0.5, 2, "b")]
    runs = [run_of(workspace, f"r{place}", {}, lr=lr, data={"seed": seed}, fold=fold) for place, (lr, seed, fold) in enumerate(facts)]
    assert groups_of(runs, ["fold"]) == [Group("lr=0.1", [runs[0], runs[2]]), Group("lr=0.5", [runs[1], runs[3]])]
    assert [group.label for group in groups_of(runs)] == ["lr=0.1, fold=a", "lr=0.5, fold=a", "lr=0.1, fold=b", "lr=0.5, fold=b"]
    assert groups_of(runs, ["fold", "lr"]) == [Group("all", runs)]


def test_the_mean_and_its_band_are_of_the_runs_that_have_a_finite_value_at_a_step(tmp_path: Path) -> None:
    workspace = WorkspacePaths(str(tmp_path))
    nan = float("nan")
    parts = [{0: 1.0, 1: 2.0, 2: nan, 4: 8.0}, {0: 3.0, 1: 5.0, 2: 4.0}, {0: 8.0, 2: 2.0}]
    group = Group("all", [run_of(workspace, f"r{place}", values) for place, values in enumerate(parts)])
    store = PointStore(workspace)
    (curve,), cursors = read_groups(store, [group], ["loss", "gone"], Asked(), RANGE)
    assert list(curve.drawn.x) == [0, 1, 2, 4]
    assert curve.drawn.last == [4.0, 3.5, 3.0, 8.0]
    assert (curve.drawn.lowest, curve.drawn.highest) == ([1.0, 2.0, 2.0, 8.0], [8.0, 5.0, 4.0, 8.0])
    assert cursors.keys() == {"r0", "r1", "r2"}
    (curve,), _ = read_groups(store, [group], ["loss"], Asked(), STD)
    deviation = statistics.stdev([1.0, 3.0, 8.0])
    assert curve.drawn.lowest[0] == pytest.approx(4 - deviation)
    assert curve.drawn.highest[0] == pytest.approx(4 + deviation)
    assert (curve.drawn.lowest[3], curve.drawn.highest[3]) == (8.0, 8.0)


def test_the_mean_of_equal_runs_is_drawn_as_each_of_them_in_buckets_and_smoothed(tmp_path: Path) -> None:
    workspace = WorkspacePaths(str(tmp_path))
    values = {step: (step % 7) / (1 + step) for step in range(500)}
    one, two = (run_of(workspace, name, values) for name in ("one", "two"))
    store, asked = PointStore(workspace), Asked(buckets=20, smooth=0.6)
    (alone,), _ = read_groups(store, [Group("a", [one])], ["loss"], asked, RANGE)
    (both,), _ = read_groups(store, [Group("a", [one, two])], ["loss"], asked, RANGE)
    from trainconf.control.curves.read import read

    (single,), _ = read(store, [one], ["loss"], asked)
    assert both.to_dict() == alone.to_dict()
    assert list(alone.drawn.x) == list(single.drawn.x)
    for ours, theirs in ((alone.drawn.last, single.drawn.last), (alone.drawn.highest, single.drawn.highest)):
        assert ours == theirs
    assert alone.drawn.smooth == single.drawn.smooth


def test_a_mean_over_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no mean by time"):
        read_groups(PointStore(WorkspacePaths(str(tmp_path))), [], ["loss"], Asked(x="time"), STD)
