"""The best value of the metric that a run is judged by, as the index has it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.history.build import make_run
from trainconf import files
from trainconf.history.index.best import Judge
from trainconf.history.index.index import Index
from trainconf.history.index.query import Asked
from trainconf.paths import WorkspacePaths

if TYPE_CHECKING:
    from pathlib import Path

    from trainconf.paths import RunPaths

LIVING = ("NotStarted", "Queued", "Running")
PLAIN = '{"time":"2026-11-23T05:00:00.000000Z","name":"loss","value":%s,"step":1}'


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    return WorkspacePaths(str(tmp_path))


def log(paths: RunPaths, *values: Any, name: str = "loss") -> None:
    for step, value in enumerate(values):
        files.append_line(paths.metrics, {"time": "2026-11-23T05:00:00.000000Z", "name": name, "value": value, "step": step})


def sorted_by_best(workspace: WorkspacePaths) -> list[tuple[str, float | None]]:
    with Index(workspace, series_s=0) as index:  # no time for any series: what is sorted by must be there
        rows = list(index.each(Asked(sort="-metric.best", columns=("metric.best",))))
        assert index.unread == 0
    assert [row.best for row in rows if row.goal] == [row.values["metric.best"] for row in rows if row.goal]
    return [(row.paths.run_id, row.values["metric.best"]) for row in rows]


def test_runs_are_sorted_by_their_best_value_and_nothing_is_left_to_be_read(workspace: WorkspacePaths) -> None:
    for name, values in {"falls": [3.0, 9.0, 1.0], "rises": [1.0, 2.0, 5.0], "odd": [float("nan")], "none": []}.items():
        log(make_run(workspace, name, metric={"name": "loss", "goal": "maximize"}), *values)
    log(make_run(workspace, "least", metric={"name": "loss", "goal": "minimize"}), 4.0, 2.0, float("-inf"), 8.0)
    log(make_run(workspace, "last", metric={"name": "loss", "goal": None}), 7.0, 3.0)
    found = sorted_by_best(workspace)
    assert found[:4] == [("falls", 9.0), ("rises", 5.0), ("last", 3.0), ("least", 2.0)]
    assert sorted(found[4:]) == [("none", None), ("odd", None)]


def test_the_best_of_a_run_that_goes_on_is_read_on_and_read_again_when_it_is_judged_otherwise(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, "one", states=LIVING, metric={"name": "loss", "goal": "maximize"})
    log(paths, 3.0, 9.0)
    assert sorted_by_best(workspace) == [("one", 9.0)]
    log(paths, 1.0, 2.0)
    assert sorted_by_best(workspace) == [("one", 9.0)]
    log(paths, 10.0)
    assert sorted_by_best(workspace) == [("one", 10.0)]
    with open(paths.record) as stream:
        record = json.load(stream)
    files.write_atomic(paths.record, json.dumps(record | {"metric": {"name": "loss", "goal": "minimize"}}), durable=False)
    assert sorted_by_best(workspace) == [("one", 1.0)]


@pytest.mark.parametrize("odd", [
    "", "{", "[]", '{"name": "loss", "value": 9}', '{"time":"","name":"lo\\u0073s","value":9}', PLAIN % '"9"', PLAIN % "true",
    PLAIN % "1.2.3", PLAIN % "1e999", PLAIN % ("9" * 400), PLAIN % "NaN", PLAIN % "-Infinity", PLAIN % "null",
    PLAIN.replace("loss", "other") % '"\\"name\\":\\"loss\\",\\"value\\":9"', (PLAIN % 9)[:-9], (PLAIN % 8)[:40] + PLAIN % 9,
])  # fmt: skip
def test_a_line_that_is_written_otherwise_counts_as_if_each_were_decoded(odd: str) -> None:
    lines = [PLAIN % 1, odd, PLAIN % 2.5, PLAIN.replace("loss", "lossy") % 70]
    slowly = []
    for line in lines:
        try:
            entry = json.loads(line)
            slowly += [float(entry["value"])] if entry["name"] == "loss" and isinstance(entry["value"], (int, float)) else []
        except (ValueError, TypeError, OverflowError):
            continue
    finite = [value for value in slowly if value - value == 0]
    for goal, choose in (("maximize", max), ("minimize", min)):
        assert Judge("loss", goal).of_lines("\n".join(lines).encode()) == choose(finite)
