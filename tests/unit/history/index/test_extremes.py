"""The least, the largest and the mean value of a whole series: what they are, and whose series are read for them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest

from trainconf.control.view import table as tables
from trainconf.control.view.table import Table
from trainconf.history.index.extremes import facts_of
from trainconf.history.index.index import Index
from trainconf.history.index.query import Asked
from trainconf.paths import RunPaths, WorkspacePaths

from ..build import make_run

COLUMNS = ("min(metrics.loss)", "max(metrics.loss)")
NAN, INF = float("nan"), float("inf")


def log(paths: RunPaths, points: Sequence[tuple[int | None, Any]], name: str = "loss") -> None:
    with open(paths.metrics, "a") as stream:
        for step, value in points:
            line = {"time": "2026-11-23T05:00:00.000000Z", "name": name, "value": value, "step": step}
            stream.write(json.dumps(line, separators=(",", ":")) + "\n")


@pytest.mark.parametrize(("points", "least", "most", "mean"), [
    ([(0, 1.0), (1, 5.0), (2, 3.0)], 1.0, 5.0, 3.0),
    ([(0, 9.0), (1, 2.0), (0, 4.0)], 2.0, 4.0, 3.0),  # the first one was logged again
    ([(None, 9.0), (None, 1.0)], 1.0, 9.0, 5.0),
    ([(0, NAN), (1, 2.0), (2, 4.0)], 2.0, 4.0, 3.0),
    ([(0, -INF), (1, 2.0)], -INF, 2.0, -INF),
])  # fmt: skip
def test_they_are_of_the_series_as_it_ended(
    workspace: WorkspacePaths, points: list[tuple[int | None, float]], least: float, most: float, mean: float
) -> None:
    paths = make_run(workspace, "one")
    log(paths, points)
    assert facts_of(paths) == {"(min)metrics.loss": least, "(max)metrics.loss": most, "(mean)metrics.loss": mean}


def test_what_has_no_number_has_none(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, "one")
    log(paths, [(0, NAN), (1, "none")])
    assert facts_of(paths) == {}


def unread(workspace: WorkspacePaths) -> int:
    """How many runs' series were not read yet."""
    with closing(sqlite3.connect(workspace.index)) as db:
        return int(db.execute("SELECT count(*) FROM runs WHERE has_series = 0").fetchone()[0])


def test_for_a_column_only_those_of_the_rows_that_are_shown_are_read(workspace: WorkspacePaths) -> None:
    for number in range(5):
        log(make_run(workspace, f"run-{number}", at=number), [(0, number), (1, number + 10)])
    table = Table(workspace)
    screen = table.screen(columns=COLUMNS, limit=2, offset=1)
    assert [[*row.values.values()] for row in screen.rows] == [[3, 13], [2, 12]]
    assert (screen.unread, unread(workspace)) == (0, 3)
    assert [row.paths.run_id for row in table.screen(sort=COLUMNS[0], limit=2).rows] == ["run-4", "run-3"]
    assert unread(workspace) == 0
    table.close()


def test_a_table_that_waits_for_long_series_says_how_many_and_goes_on(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        log(make_run(workspace, f"run-{number}", at=number), [(0, number)])
    monkeypatch.setattr(tables, "SERIES_S", 1e-9)
    table = Table(workspace)
    assert table.screen(columns=COLUMNS).unread == 5
    monkeypatch.setattr(table._index, "series_s", 0.001)
    seen = [table.screen(columns=COLUMNS)]
    while seen[-1].unread:
        seen.append(table.screen(columns=COLUMNS))
    assert [each.unread for each in seen] == sorted((each.unread for each in seen), reverse=True)
    assert [row.values[COLUMNS[0]] for row in seen[-1].rows] == [4, 3, 2, 1, 0]
    table.close()


def test_a_list_of_some_columns_is_right_however_long_it_is(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainconf.history.index.index.BATCH", 2)
    for number in range(5):
        log(make_run(workspace, f"run-{number}", "a" if number else "b", at=number), [(0, number)])
    with Index(workspace) as index:
        rows = list(index.each(Asked(experiment="a", columns=COLUMNS)))
    assert [row.values[COLUMNS[0]] for row in rows] == [4, 3, 2, 1]
    assert unread(workspace) == 1
