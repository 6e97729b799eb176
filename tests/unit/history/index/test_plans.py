"""How SQLite goes about the questions that are asked most: by an index, in its order, without a look at every run."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from trainconf.control.view.table import Table
from trainconf.history.index.database import open_index
from trainconf.history.index.index import Index
from trainconf.history.index.keeping import LIVING
from trainconf.history.index.query import Asked, Query
from trainconf.paths import WorkspacePaths

from ..build import make_run

SORTS = "USE TEMP B-TREE FOR ORDER BY"


@pytest.fixture
def db(workspace: WorkspacePaths) -> Iterator[sqlite3.Connection]:
    for number in range(3):
        make_run(workspace, f"run-{number}", at=number, metrics={"loss": 1.0}, metric={"name": "loss", "goal": "minimize"})
    table = Table(workspace)
    table.screen()
    table.close()
    with closing(open_index(workspace.index, 1)) as opened:
        yield opened


def plan(db: sqlite3.Connection, statement: str, values: list[object]) -> list[str]:
    return [step for *_, step in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


@pytest.mark.parametrize(("asked", "by"), [
    (Asked(60, archived=False), "SEARCH r USING INDEX listed (archived=?)"),
    (Asked(60, archived=False, columns=("metrics.loss", "run")), "SEARCH r USING INDEX listed (archived=?)"),
    (Asked(60), "SCAN r USING INDEX by_created"),
    (Asked(60, archived=False, status="Failed"), "SEARCH r USING INDEX by_status (status=?)"),
    (Asked(60, archived=False, experiment="a"), "SEARCH r USING INDEX by_experiment (experiment=?)"),
    (Asked(60, archived=False, sort="-metric.best"), "SEARCH b0 USING COVERING INDEX by_best"),
])  # fmt: skip
def test_a_screen_is_read_in_the_order_of_an_index(db: sqlite3.Connection, asked: Asked, by: str) -> None:
    query = Query(db, asked)
    steps = plan(db, query.ids, query.values)
    assert steps[0].startswith(by)
    assert SORTS not in steps


@pytest.mark.parametrize("asked", [
    Asked(60, archived=False, sort="metrics.loss"),
    Asked(60, archived=False, sort="-created"),
    Asked(60, archived=False, parts=("metrics.loss < 2",)),
    Asked(60, archived=False, parts=("metrics.loss < 2",), sort="-metric.best"),
    Asked(60, archived=False, words=("run",)),
    Asked(60, archived=False, status="Failed", sort="metrics.loss"),
    Asked(60, archived=False, group="experiment"),
])  # fmt: skip
def test_runs_that_are_found_by_values_are_read_in_the_order_in_which_they_lie(db: sqlite3.Connection, asked: Asked) -> None:
    query = Query(db, asked)
    for statement in (query.ids, query.count):
        bound = query.values[: 0 if "?" not in statement else None]
        assert plan(db, statement, bound)[0] in ("SCAN b0", "SCAN b0 USING COVERING INDEX by_best")


def test_runs_that_go_on_are_found_without_a_look_at_those_that_have_ended(db: sqlite3.Connection) -> None:
    (step,) = plan(db, f"SELECT folder FROM runs WHERE {LIVING}", [])
    assert step.startswith("SEARCH runs USING INDEX living")


def test_the_newest_runs_have_their_columns_also_where_a_value_is_missing(workspace: WorkspacePaths) -> None:
    make_run(workspace, "with", at=1, metrics={"loss": 2.0})
    make_run(workspace, "without", at=2)
    table = Table(workspace)
    found = {row.paths.run_id: row.values for row in table.screen(columns=("metrics.loss",)).rows}
    table.close()
    assert list(found.items()) == [("without", {"metrics.loss": None}), ("with", {"metrics.loss": 2.0})]


def test_the_count_of_all_runs_is_known_until_one_comes_or_goes(workspace: WorkspacePaths) -> None:
    table = Table(workspace)
    for number in range(3):
        paths = make_run(workspace, f"run-{number}", at=number)
        assert [table.screen().total for _ in range(2)] == [number + 1] * 2
    shutil.rmtree(paths.run_dir)
    assert [table.screen().total for _ in range(2)] == [2, 2]
    with Index(workspace) as other:
        make_run(workspace, "added by another process", at=9)
        other.latest()
    assert table.screen().total == 3
    table.close()
