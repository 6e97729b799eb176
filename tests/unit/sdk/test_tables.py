"""Runs and metrics as pandas tables; without pandas a message says what to type."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from trainconf import Experiment, Workspace
from trainconf.errors import UserError


@pytest.fixture
def experiment(ws: Workspace) -> Experiment:
    """Three runs; each knows something that another does not."""
    found = Experiment(ws, "tables")
    for number, tags in enumerate(({"team": "a"}, {}, {"other tag": "x"})):
        params = {"lr": number, **({"deep": {"x": 1}} if number else {})}
        with found.start_logging(snapshot_directory=None, outputs=False, params=params, tags=tags) as run:
            for step in range(number):
                run.log("loss", 1 / (step + 1), step)
    return found


def test_a_table_has_a_line_for_each_run(experiment: Experiment) -> None:
    pandas = pytest.importorskip("pandas")
    table = experiment.to_pandas()
    assert list(table["params.lr"]) == [2, 1, 0]
    assert list(table["metrics.loss"].fillna(-1)) == [0.5, 1.0, -1]
    assert list(table["params.deep.x"].isna()) == [False, False, True]
    assert table["tags.other tag"][0] == "x"
    assert str(table["created"].dtype).startswith("datetime64[")
    assert str(table["created"].dtype).endswith("UTC]")
    assert (table["created"].diff().dropna() <= pandas.Timedelta(0)).all()
    assert set(table["status"]) == {"Completed"}
    assert list(experiment.to_pandas(where="metrics.loss < 1")["params.lr"]) == [2]
    assert list(experiment.to_pandas(sort="params.lr")["params.lr"]) == [0, 1, 2]


def test_a_table_of_no_runs_has_its_columns(ws: Workspace) -> None:
    pytest.importorskip("pandas")
    table = Experiment(ws, "nothing").to_pandas()
    assert len(table) == 0
    assert {"run_id", "status", "created", "git.commit"} <= set(table.columns)


def test_metrics_have_a_line_for_each_value(experiment: Experiment) -> None:
    pytest.importorskip("pandas")
    run = next(experiment.get_runs())
    table = run.metrics_table()
    assert table[["metric", "step", "value"]].values.tolist() == [["loss", 0, 1.0], ["loss", 1, 0.5]]
    with pytest.raises(UserError, match="lss"):
        run.metrics_table("lss")


def test_without_pandas_the_message_says_what_to_type(experiment: Experiment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for ask in (experiment.to_pandas, next(experiment.get_runs()).metrics_table):
        with pytest.raises(UserError, match="pip install pandas"):
            ask()
