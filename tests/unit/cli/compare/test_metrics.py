from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import sys

import pytest

from trainconf.cli.screen.printer import width
from trainconf.history.event_files import encode
from trainconf.job_api import Run
from trainconf.paths import RunPaths, WorkspacePaths

from ...history.build import make_run
from ..conftest import Verb

FIRST, SECOND = "digits-20261123-0532-aaaa", "digits-20261123-0533-bbbb"


@pytest.fixture
def run(workspace: WorkspacePaths) -> RunPaths:
    """A run with two metrics and a text."""
    paths = make_run(workspace, FIRST)
    log(paths, loss=[1 / (step + 1) for step in range(30)], val_accuracy=[step / 30 for step in range(30)])
    Run({"TRAINCONF_RUN_DIR": paths.run_dir}).log("phase", "warm-up")
    return paths


def log(paths: RunPaths, **series: list[float]) -> None:
    for name, values in series.items():
        for step, value in enumerate(values):
            Run({"TRAINCONF_RUN_DIR": paths.run_dir}).log(name, value, step)


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_each_series_has_a_line_with_its_course(run: RunPaths, verb: Verb, columns: None) -> None:
    said = verb("metrics", "last")
    head, loss, phase, accuracy = said.out.splitlines()
    assert head.split() == ["metric", "points", "steps", "lowest", "highest", "last", "curve"]
    assert loss.split()[:-1] == ["loss", "30", "0..29", "0.0333333", "1", "0.0333333"]
    assert loss.split()[-1][0] == "█"
    assert phase.split() == ["phase", "0"]
    assert accuracy.split()[-1][-1] == "█"


@pytest.mark.parametrize("columns", ["40", "60", "80", "200"])
def test_nothing_is_wider_than_the_terminal(
    run: RunPaths, workspace: WorkspacePaths, verb: Verb, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("trainconf.cli.screen.tables.columns_of", lambda _: int(columns))
    log(make_run(workspace, SECOND), loss=[0.5, 0.25])
    for words in ([FIRST], [FIRST, "loss"], [FIRST, "--table"], [FIRST, SECOND, "loss", "--table"]):
        said = verb("metrics", *words)
        assert said.code == 0
        assert max(map(width, said.out.splitlines())) <= int(columns), words
    said = verb("metrics", FIRST)
    assert ("curve" in said.out.split("\n")[0]) is not ("no room for curve; a wider terminal shows it" in said.err)


def test_a_named_metric_is_drawn(run: RunPaths, verb: Verb, columns: None) -> None:
    said = verb("metrics", FIRST, "lo*")
    assert re.search("[\u2800-\u28ff]", said.out)  # braille
    assert said.out.splitlines()[0].strip() == "loss"
    assert "val_accuracy" not in said.out
    assert said.err == ""


def test_curves_of_several_runs_have_characters_of_their_own_without_colours(
    run: RunPaths, workspace: WorkspacePaths, verb: Verb, columns: None
) -> None:
    log(make_run(workspace, SECOND, at=60_000_000), loss=[0.5, 0.25, 0.125])
    lines = verb("metrics", FIRST, "loss", SECOND).out.splitlines()
    assert f"  *  {FIRST}" in lines
    assert f"  +  {SECOND}" in lines


def test_without_plotext_there_are_sparklines_and_a_word_on_what_to_install(
    run: RunPaths, verb: Verb, columns: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotext", None)
    said = verb("metrics", FIRST, "loss")
    assert said.code == 0
    assert "█" in said.out
    assert "pip install 'trainconf[plot]'" in said.err


def test_an_old_plotext_is_as_good_as_none(run: RunPaths, verb: Verb, columns: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotext", type(sys)("plotext"))
    assert "plotext 6" in verb("metrics", FIRST, "loss").err


def test_a_long_table_is_thinned_keeps_the_extremes_and_says_so(workspace: WorkspacePaths, verb: Verb, columns: None) -> None:
    paths = make_run(workspace, FIRST)
    log(paths, loss=[0.5] * 300 + [99.0] + [0.5] * 300 + [-7.0] + [0.5] * 10)
    said = verb("metrics", FIRST, "loss", "--table")
    rows = dict(line.split() for line in said.out.splitlines())
    assert len(rows) <= 21
    assert (rows["300"], rows["601"], "0" in rows, "611" in rows) == ("99", "-7", True, True)
    assert "steps of 612" in said.err
    assert len(verb("metrics", FIRST, "loss", "--table", "--points", "0").out.splitlines()) == 613


def test_csv_and_json_have_every_point(run: RunPaths, verb: Verb) -> None:
    rows = list(csv.DictReader(io.StringIO(verb("metrics", FIRST, "loss", "--csv").out)))
    assert [(row["step"], float(row["value"])) for row in rows] == [(str(step), 1 / (step + 1)) for step in range(30)]
    assert {(row["run_id"], row["metric"], row["source"], len(row["time"])) for row in rows} == {(FIRST, "loss", "log", 27)}
    (found,) = json.loads(verb("metrics", FIRST, "loss", "--json").out)
    (series,) = found["series"]
    assert (found["run_id"], series["name"], series["steps"]) == (FIRST, "loss", list(range(30)))
    assert series["values"] == [1 / (step + 1) for step in range(30)]


def test_json_stays_json_with_numbers_that_it_does_not_have_and_with_many_points(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_run(workspace, FIRST)
    with open(paths.metrics, "w") as stream:
        stream.write('{"name":"a","value":NaN}\n{"name":"a","value":Infinity}\n{"name":"a","value":1}\n')
        stream.writelines(f'{{"name":"b","value":{step},"step":{step}}}\n' for step in range(25_000))
    (found,) = json.loads(verb("metrics", FIRST, "--json").out)
    first, second = found["series"]
    assert (first["values"], first["times"]) == (["NaN", "Infinity", 1.0], ["NaN", "NaN", "NaN"])
    assert second["values"] == list(map(float, range(25_000)))


def test_a_mistaken_name_is_answered_with_the_nearest(run: RunPaths, verb: Verb) -> None:
    said = verb("metrics", FIRST, "lss", "nothing")
    assert said.code == 2
    assert "no metric 'lss' was logged" in said.err
    assert "nearest    loss" in said.err
    assert "no metric 'nothing' was logged" in said.err
    assert "there are  loss, phase, val_accuracy" in said.err


def test_a_metric_goes_before_a_run_whose_id_begins_so(workspace: WorkspacePaths, verb: Verb, columns: None) -> None:
    paths = make_run(workspace, "loss-20261123-0532-aaaa", "loss")
    log(paths, loss=[1.0, 2.0])
    assert verb("metrics", "last", "loss").out.splitlines()[0].strip() == "loss"


def test_runs_without_numbers_are_no_mistake(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_run(workspace, FIRST)
    assert "no metric was logged yet" in verb("metrics", FIRST).err
    assert "the agent measured nothing" in verb("metrics", FIRST, "--system").err
    Run({"TRAINCONF_RUN_DIR": paths.run_dir}).log("phase", "warm-up")
    assert "only texts" in verb("metrics", FIRST, "--table").err
    assert verb("metrics", FIRST, "phase").code == 0


def test_a_hostile_name_does_not_steer_the_terminal(workspace: WorkspacePaths, verb: Verb, columns: None) -> None:
    name = "lo\x1b[31mss\n\u202e"
    paths = make_run(workspace, FIRST)
    for step, value in enumerate([1.0, math.nan, 2.0, 1e300, -1e300]):
        Run({"TRAINCONF_RUN_DIR": paths.run_dir}).log(name, value, 10**12 * step)
    for words in ([], ["lo*"], ["--table"]):
        said = verb("metrics", FIRST, *words)
        assert said.code == 0
        assert "\x1b" not in said.out
        assert "\u202e" not in said.out
        assert "\\x1b[31m" in said.out


def test_a_run_being_written_and_a_damaged_one_are_shown_as_far_as_they_go(run: RunPaths, verb: Verb) -> None:
    with open(run.metrics, "ab") as stream:
        stream.write(b'{"name":"loss","va')
    os.truncate(run.record, 3)
    assert verb("metrics", FIRST, "loss").out.split()[-1] == "0.0333333"


def test_series_of_one_name_from_several_sources_are_told_apart(run: RunPaths, verb: Verb, columns: None) -> None:
    for folder in ("train", "val"):
        os.makedirs(os.path.join(run.logs, folder))
        with open(os.path.join(run.logs, folder, "events.out.tfevents.1800000000.host.1.0"), "wb") as stream:
            points = [(1.8e9 + step, step, 1 / (step + 2)) for step in range(30)]
            stream.write(encode.header(1.8e9) + encode.scalars("loss", points))
    lines = verb("metrics", FIRST, "loss").out.splitlines()
    assert [line for line in lines if line.startswith("  ")][-3:] == ["  *  log", "  +  logs/train", "  o  logs/val"]
    assert verb("metrics", FIRST, "loss", "--table").out.splitlines()[0].split("  ")[:2] == ["step", "log loss"]
    (found,) = json.loads(verb("metrics", FIRST, "train/loss", "--json").out)
    assert [series["source"] for series in found["series"]] == ["logs/train"]
