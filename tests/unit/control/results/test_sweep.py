"""What became of a sweep, read from its folder by any process: its trials, the best one, and its exit code."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from trainconf.control import runs
from trainconf.control.results import sweep as sweeps
from trainconf.control.words.spreadsheets import of_sweep
from trainconf.control.words.sweeps import without_a_best
from trainconf.errors import RunNotFoundError
from trainconf.files import FileLock, append_line
from trainconf.history import events
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.search.progress import OUT_OF_TIME
from trainconf.sweeps import journal
from trainconf.sweeps.journal import Entry

from ...history.build import make_run, write_json


def sweep_of(workspace: WorkspacePaths, *trials: tuple[str, float | None], goal: str = "maximize") -> RunPaths:
    """A sweep of trials that ended so, with these metrics; a trial of state NotStarted has no folder."""
    home = make_run(workspace, "s", states=("Running", "Completed"))
    write_json(home.sweep, {"sweep_id": "s", "metric": {"name": "score", "goal": goal}})
    for number, (status, value) in enumerate(trials):
        journal.ask(home, [Entry(number, {"params.a": number}, [f"params.a={number}"], workspace.run("digits", f"s_{number}"))])
        if status != "NotStarted":
            logged = {} if value is None else {"score": value}
            make_run(workspace, f"s_{number}", states=("NotStarted", "Running", status), metrics=logged)
    return home


@pytest.mark.parametrize(("is_over", "without_folder"), [(False, "NotStarted"), (True, "Removed")])
def test_every_trial_is_told_also_one_without_a_folder(workspace: WorkspacePaths, is_over: bool, without_folder: str) -> None:
    home = sweep_of(workspace, ("Completed", 0.5), ("Failed", None), ("NotStarted", None))
    if not is_over:
        os.unlink(home.events)
        events.append(home, "Running")
    found = sweeps.results(home)
    assert [(trial.number, trial.values, trial.overrides, trial.status, trial.value) for trial in found.trials] == [
        (0, {"params.a": 0}, ["params.a=0"], "Completed", 0.5),
        (1, {"params.a": 1}, ["params.a=1"], "Failed", None),
        (2, {"params.a": 2}, ["params.a=2"], without_folder, None),
    ]
    assert (found.metric, found.exit_code) == ("score", 1)


@pytest.mark.parametrize(("listed", "status"), [((0, 1), "NotStarted"), ((0, 1, 2), "Removed")])
def test_a_trial_that_was_never_made_is_not_told_as_removed(workspace: WorkspacePaths, listed: Sequence[int], status: str) -> None:
    home = sweep_of(workspace, ("Completed", 0.5), ("Completed", 0.5), ("NotStarted", None))
    for number in listed:
        append_line(home.trials, {"run_dir": workspace.run("digits", f"s_{number}").run_dir})
    assert [trial.status for trial in sweeps.results(home).trials] == ["Completed", "Completed", status]


@pytest.mark.parametrize(("goal", "best"), [("maximize", 2), ("minimize", 1)])
def test_the_best_is_by_the_goal_and_of_equal_ones_the_first(workspace: WorkspacePaths, goal: str, best: int) -> None:
    values = [0.5, 0.0, 0.9, 0.9, float("nan"), 0.0]
    found = sweeps.results(sweep_of(workspace, *[("Completed", value) for value in values], goal=goal))
    assert found.best is not None
    assert found.best.number == best


@pytest.mark.parametrize("status", ["Failed", "Canceled"])
def test_a_trial_with_a_value_may_be_the_best_however_it_ended_once_it_has(workspace: WorkspacePaths, status: str) -> None:
    home = sweep_of(workspace, ("Completed", 0.5), (status, 0.75), ("Running", 0.9))
    with FileLock(workspace.run("digits", "s_2").lock):
        found = sweeps.results(home)
    assert found.best is not None
    assert (found.best.number, found.best.status, found.best_value) == (1, status, 0.75)


@pytest.mark.parametrize(("record", "values"), [
    ({"value": "best"}, [0.9, 0.5]),
    ({"value": "last"}, [0.2, 0.5]),
    ({}, [0.2, 0.5]),  # of an earlier version
    ({"search": {"settings": {"value": "last"}}}, [0.2, 0.5]),
    ({"search": {"settings": {"value": "best"}}}, [0.9, 0.5]),
])  # fmt: skip
def test_a_trial_that_nobody_watched_is_worth_its_best_or_its_last_finite_value(
    workspace: WorkspacePaths, record: dict[str, object], values: list[float],
) -> None:  # fmt: skip
    home = sweep_of(workspace, ("Completed", None), ("Failed", 0.5))
    write_json(home.sweep, {"sweep_id": "s", "metric": {"name": "score", "goal": "maximize"}, **record})
    for value in ("0.1", "0.9", "Infinity", "0.2", "NaN"):
        with open(workspace.run("digits", "s_0").metrics, "a") as stream:
            stream.write(f'{{"time":"2026-11-23T05:00:00.000000Z","name":"score","value":{value},"step":null}}\n')
    found = sweeps.results(home)
    assert [trial.value for trial in found.trials] == values
    assert found.best is not None
    assert found.best_value == max(values)


def test_with_repeats_the_best_is_a_point_by_its_mean_also_where_nobody_watched(workspace: WorkspacePaths) -> None:
    home = sweep_of(workspace, ("Completed", 0.9), ("Completed", 0.1), ("Failed", None), ("Completed", 0.6))
    write_json(home.sweep, {"metric": {"name": "score", "goal": "maximize"}, "search": {"settings": {"repeats": 2, "value": "best"}}})
    found = sweeps.results(home)
    assert found.best is not None
    assert (found.best.number, found.best_value) == (2, 0.6)


@pytest.mark.parametrize(("value", "said"), [
    (float("nan"), "no trial of s has a finite value of score"), (float("inf"), "no trial of s has a finite value of score"),
    (None, "no trial of s has logged score"),
])  # fmt: skip
def test_why_none_is_the_best_is_told(workspace: WorkspacePaths, value: float | None, said: str) -> None:
    found = sweeps.results(sweep_of(workspace, ("Completed", value), ("Failed", None)))
    assert (found.best, without_a_best(found)) == (None, said)
    with pytest.raises(RunNotFoundError, match=said):
        runs.find(workspace, "s:best")


def test_without_a_metric_none_is_the_best(workspace: WorkspacePaths) -> None:
    found = sweeps.results(sweep_of(workspace, ("Completed", None), ("Completed", None)))
    assert (found.best, found.exit_code) == (None, 0)


def test_a_sweep_that_somebody_cancelled_says_so(workspace: WorkspacePaths) -> None:
    home = sweep_of(workspace, ("Completed", 1.0))
    os.unlink(home.events)
    events.append(home, "Running")
    events.request_cancel(home)
    assert sweeps.results(home).exit_code == 130


@pytest.mark.parametrize(("ends", "code", "reason"), [
    ([("Canceled", "cancellation was requested")], 130, ""),
    ([("Canceled", "paused; `trainconf sweep resume` goes on")], 130, ""),
    ([("Canceled", "cancellation was requested"), ("Completed", "all 2 points done")], 0, "all 2 points done"),
    ([("Completed", OUT_OF_TIME)], 1, OUT_OF_TIME),
    ([("Completed", "trial 0 has reached the target: 1")], 0, "trial 0 has reached the target: 1"),
    ([("Failed", "3 trials failed")], 1, ""),
])  # fmt: skip
def test_what_ends_a_search_decides_its_exit_code(workspace: WorkspacePaths, ends: list[tuple[str, str]], code: int, reason: str) -> None:
    home = sweep_of(workspace, ("Completed", 1.0))
    found = json.loads(Path(home.sweep).read_text())
    Path(home.sweep).write_text(json.dumps({**found, "search": {"settings": {}}}))
    if ends[0][0] == "Canceled":
        events.append(home, "CancelRequested")
    for place, (state, why) in enumerate(ends):
        with open(home.journal, "a") as stream:
            stream.write("" if place == 0 else '{"deed":"resume"}\n')
            stream.write(json.dumps({"deed": "end", "state": state, "reason": why}) + "\n")
    results = sweeps.results(home)
    assert (results.exit_code, results.reason) == (code, reason)


def test_a_search_that_shall_go_on_after_its_end_is_not_done(workspace: WorkspacePaths) -> None:
    home = sweep_of(workspace, ("Completed", 1.0))
    write_json(home.sweep, {"metric": {"name": "score", "goal": "maximize"}, "search": {"settings": {}}, "has_controller": True})
    codes = []
    for line in ({"deed": "end", "state": "Canceled", "reason": "paused"}, {"deed": "resume"}, {"deed": "end", "state": "Completed"}):
        with open(home.journal, "a") as stream:
            stream.write(json.dumps(line) + "\n")
        codes.append(sweeps.results(home).exit_code)
    assert codes == [130, 130, 0]


@pytest.mark.parametrize("record", [
    [], {}, {"search": 3, "metric": 4, "trial_count": None}, {"search": {"settings": 1}},
    {"search": {"settings": {"repeats": "x", "policy": 3}}},
])  # fmt: skip
def test_a_damaged_record_costs_what_it_held(workspace: WorkspacePaths, record: object) -> None:
    home = sweep_of(workspace, ("Completed", 0.5), ("Failed", None))
    write_json(home.sweep, record)
    found = sweeps.results(home)
    assert ([trial.status for trial in found.trials], found.total, found.policy) == (["Completed", "Failed"], 2, "none")


def test_a_spreadsheet_has_what_the_repeats_of_a_point_differ_in() -> None:
    trials = [sweeps.TrialResult(n, ["+params.a=2", f"params.seed={n}"], {"params.a": 2}, {"status": "Completed"}, None) for n in range(2)]
    header, *lines = of_sweep(sweeps.Results(RunPaths("s"), "grid", "loss", "minimize", trials, 2, None, None, False, False, "", "none", 0))
    assert header[-2:] == ("params.a", "params.seed")
    assert [line[-2:] for line in lines] == [(2, "0"), (2, "1")]


def test_a_spreadsheet_tells_null_and_texts_from_a_key_that_a_trial_lacks() -> None:
    points: list[dict[str, Any]] = [{"a": None}, {"a": True}, {"a": ""}, {"a": [1, "x"]}, {"a": 0.0}, {"b": 1}]
    trials = [sweeps.TrialResult(number, [], point, {"status": "Completed"}, None) for number, point in enumerate(points)]
    header, *lines = of_sweep(sweeps.Results(RunPaths("s"), "grid", "loss", "minimize", trials, 6, None, None, False, False, "", "none", 0))
    assert header[-2:] == ("a", "b")
    assert [line[-2:] for line in lines] == [("null", None), ("true", None), ("", None), ('[1,"x"]', None), (0.0, None), (None, 1)]
