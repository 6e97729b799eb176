from __future__ import annotations

import csv
import io
import json
import os

import pytest

from trainconf.cli.screen.printer import width
from trainconf.paths import RunPaths, WorkspacePaths

from ...history.build import make_run, write_json
from ..conftest import Verb

FIRST, SECOND, THIRD = (f"digits-20261123-053{number}-{letter * 4}" for number, letter in enumerate("abc"))


@pytest.fixture
def runs(workspace: WorkspacePaths) -> list[RunPaths]:
    """Three runs that differ in a param, a metric and, the last one, in how they ended."""
    first = make_run(workspace, FIRST, params={"lr": 0.1, "optim": {"name": "sgd"}}, metrics={"val_accuracy": 0.9})
    second = make_run(workspace, SECOND, params={"lr": 0.2, "optim": {"name": "sgd"}}, metrics={"val_accuracy": 0.95})
    states = ("NotStarted", "Queued", "Running", "Failed")
    third = make_run(workspace, THIRD, states=states, exit_code=1, params={"lr": 0.2, "optim": {"name": "sgd"}, "depth": None}, tags={})
    return [first, second, third]


def facts(verb: Verb, *words: str) -> dict[str, list[object]]:
    found: dict[str, list[object]] = json.loads(verb("compare", *words, "--json").out)["facts"]
    return found


def test_only_what_differs_is_told(runs: list[RunPaths], verb: Verb) -> None:
    assert facts(verb, FIRST, SECOND) == {"params.lr": [0.1, 0.2], "metrics.val_accuracy": [0.9, 0.95]}
    found = facts(verb, FIRST, SECOND, THIRD)
    assert found["status"] == ["Completed", "Completed", "Failed"]
    assert found["metrics.val_accuracy"] == [0.9, 0.95, None]
    assert found["tags.who"] == ["me", "me", None]
    assert "params.optim.name" not in found


def test_all_has_what_is_the_same_too(runs: list[RunPaths], verb: Verb) -> None:
    said = json.loads(verb("compare", FIRST, SECOND, "--json", "--all").out)
    assert said["runs"] == [FIRST, SECOND]
    assert said["differing"] == ["params.lr", "metrics.val_accuracy"]
    assert said["facts"]["params.optim.name"] == ["sgd", "sgd"]
    assert said["facts"]["compute"] == ["local", "local"]


def test_few_runs_are_columns_and_many_are_lines(runs: list[RunPaths], workspace: WorkspacePaths, verb: Verb) -> None:
    columns = verb("compare", FIRST, SECOND).out.splitlines()
    assert columns[0].split() == ["digits-20261123-", "0530-aaaa", "0531-bbbb"]
    assert columns[1].split() == ["params.lr", "0.1", "0.2"]
    many = [make_run(workspace, f"digits-20261123-06{number:02}-dddd", params={"lr": number}).run_id for number in range(20)]
    lines = verb("compare", *many).out.splitlines()
    assert lines[0].split() == ["run", "params.lr"]
    assert lines[1].split() == [many[0], "0"]
    assert len(lines) == 21


@pytest.mark.parametrize("columns", ["40", "60", "80", "200"])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_left_out(
    runs: list[RunPaths], verb: Verb, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    said = verb("compare", FIRST, SECOND, THIRD).out
    assert max(map(width, said.splitlines())) <= max(int(columns), 46)  # a name and one value stand side by side in any case
    assert all(name in said for name in facts(verb, FIRST, SECOND, THIRD))


def test_csv_has_a_line_for_each_run(runs: list[RunPaths], verb: Verb) -> None:
    rows = list(csv.DictReader(io.StringIO(verb("compare", FIRST, SECOND, "--csv").out)))
    assert [list(row.values()) for row in rows] == [[FIRST, "0.1", "0.9"], [SECOND, "0.2", "0.95"]]
    assert list(rows[0]) == ["run_id", "params.lr", "metrics.val_accuracy"]


def test_a_sweep_stands_for_its_trials(workspace: WorkspacePaths, verb: Verb) -> None:
    sweep = workspace.run("digits", "digits-20261123-0700-ssss")
    os.makedirs(sweep.run_dir)
    write_json(sweep.sweep, {"kind": "grid", "trial_count": 2})
    with open(sweep.journal, "w") as stream:
        for number in range(2):
            trial = make_run(workspace, f"{sweep.run_id}_{number}", params={"lr": number}, parent=sweep.run_id)
            entry = {"deed": "ask", "number": number, "overrides": [], "values": {}, "run": ["digits", trial.run_id]}
            stream.write(json.dumps(entry) + "\n")
    assert facts(verb, sweep.run_id) == {"params.lr": [0, 1]}


def test_one_run_is_a_mistake_and_so_is_an_unknown_one(runs: list[RunPaths], verb: Verb) -> None:
    assert (said := verb("compare", FIRST, FIRST)).code == 2
    assert "at least two runs" in said.err
    said = verb("compare", FIRST, "nobody", "nothing")
    assert said.code == 2
    assert "'nobody'" in said.err
    assert "'nothing'" in said.err


def test_the_same_run_twice_over_is_told_as_the_same(runs: list[RunPaths], workspace: WorkspacePaths, verb: Verb) -> None:
    twin = make_run(workspace, "digits-20261123-0800-eeee", params={"lr": 0.1, "optim": {"name": "sgd"}}, metrics={"val_accuracy": 0.9})
    said = verb("compare", FIRST, twin.run_id)
    assert (said.code, said.out) == (0, "")
    assert "nothing differs between these 2 runs" in said.err


def test_a_damaged_run_is_named_and_the_others_are_shown(runs: list[RunPaths], verb: Verb) -> None:
    with open(runs[1].record, "w") as stream:
        stream.write("{")
    write_json(runs[2].spec, {"code": {"inputs": 5, "input_digests": [1]}, "compute": 3})
    said = verb("compare", FIRST, SECOND, THIRD)
    assert said.code == 0
    assert f"{SECOND} is damaged" in said.err
    assert "params.lr" in said.out


def test_hostile_names_and_values_do_not_steer_the_terminal(
    workspace: WorkspacePaths, verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    names = {"a\x1b[31m\nb": 1, "long": "x" * 500}
    make_run(workspace, FIRST, params=names, display_name="\x1b]0;title\x07")
    make_run(workspace, SECOND, params={**names, "a\x1b[31m\nb": float("nan"), "long": "y\n" * 300}, tags={"\u202e": "\r"})
    said = verb("compare", FIRST, SECOND)
    assert said.code == 0
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(said.out)
    assert len(said.out.splitlines()) == 6
    assert facts(verb, FIRST, SECOND)["params.a\x1b[31m\nb"] == [1, "NaN"]
