"""The best run of a group: of a sweep it is the one that `sweep best` names, however its trials are compared."""

from __future__ import annotations

import os
import random

import pytest

from trainconf import files
from trainconf.control.compare import VALUE, compare
from trainconf.control.results.groups import groups
from trainconf.control.results.sweep import results
from trainconf.history.index.query import Asked
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps import journal
from trainconf.sweeps.journal import Entry

from ...history.build import make_run, time_text, write_json

NAN, INF = float("nan"), float("inf")
METRIC = "val_accuracy"


def sweep_of(
    workspace: WorkspacePaths, trials: list[tuple[str, list[float]]], goal: str = "maximize", rule: str = "best", repeats: int = 1
) -> RunPaths:
    """A sweep s of trials that are in these states and have logged these values, one after the other."""
    home = workspace.run("digits", "s")
    os.makedirs(home.run_dir)
    files.append_line(home.events, {"time": time_text(0), "state": "Running", "attempt": 1})
    files.append_line(home.events, {"time": time_text(1), "state": "Completed", "attempt": 1})
    search = {"settings": {"value": rule, "repeats": repeats}}
    write_json(home.sweep, {"sweep_id": "s", "metric": {"name": METRIC, "goal": goal}, "search": search})
    for number, (status, values) in enumerate(trials):
        paths = workspace.run("digits", f"s_{number}")
        journal.ask(home, [Entry(number, {"params.a": number}, [f"params.a={number}"], paths)])
        trial_of(workspace, f"s_{number}", status, values, goal, at=number)
    return home


def trial_of(workspace: WorkspacePaths, run_id: str, status: str, values: list[float], goal: str, at: int = 0) -> RunPaths:
    paths = make_run(workspace, run_id, states=("Running", status), at=at, parent="s", metric={"name": METRIC, "goal": goal})
    for step, value in enumerate(values):
        files.append_line(paths.metrics, {"time": time_text(at), "name": METRIC, "value": value, "step": step})
    return paths


def best_of(workspace: WorkspacePaths, by: str = "sweep") -> tuple[str | None, float | None]:
    (found,) = groups(workspace, Asked(group=by))
    return found.best, found.best_value


@pytest.mark.parametrize(("trials", "goal", "rule", "repeats", "best"), [
    ([("Completed", [0.9, 0.5]), ("Completed", [0.7, 0.6])], "maximize", "best", 1, ("s_0", 0.9)),
    ([("Completed", [0.9, 0.5]), ("Completed", [0.7, 0.6])], "maximize", "last", 1, ("s_1", 0.6)),
    ([("Completed", [0.9, 0.5]), ("Completed", [0.7, 0.6])], "minimize", "best", 1, ("s_0", 0.5)),
    ([("Completed", [0.5]), ("Failed", [0.9])], "maximize", "best", 1, ("s_1", 0.9)),
    ([("Completed", [0.5]), ("Canceled", [0.9])], "maximize", "last", 1, ("s_1", 0.9)),
    ([("Completed", [0.5]), ("Completed", [0.7, NAN])], "maximize", "last", 1, ("s_1", 0.7)),
    ([("Completed", [0.5]), ("Completed", [0.7, INF])], "maximize", "last", 1, ("s_1", 0.7)),
    ([("Completed", [0.5]), ("Completed", [0.1, INF])], "maximize", "best", 1, ("s_0", 0.5)),
    ([("Completed", [NAN]), ("Completed", [-INF])], "minimize", "best", 1, (None, None)),
    ([("Completed", [0.0]), ("Completed", [0.0])], "maximize", "best", 1, ("s_0", 0.0)),
    ([("Completed", [0.9]), ("Completed", [0.1]), ("Completed", [0.6]), ("Failed", [0.6])], "maximize", "best", 2, ("s_2", 0.6)),
    ([("Failed", []), ("Completed", [0.7]), ("Completed", [0.6]), ("Completed", [0.6])], "maximize", "best", 2, ("s_0", 0.7)),
])  # fmt: skip
def test_the_best_of_a_sweep_obeys_its_rule_its_repeats_and_counts_every_state(
    workspace: WorkspacePaths, trials: list[tuple[str, list[float]]], goal: str, rule: str, repeats: int,
    best: tuple[str | None, float | None],
) -> None:  # fmt: skip
    home = sweep_of(workspace, trials, goal, rule, repeats)
    assert best_of(workspace) == best
    found = results(home)
    assert (found.best and found.best.row["run_id"], found.best_value) == best


@pytest.mark.parametrize("seed", range(12))
def test_a_group_and_sweep_best_name_the_same_trial(workspace: WorkspacePaths, seed: int) -> None:
    dice = random.Random(seed)
    values = [0.25, 0.5, 0.5, 0.75, NAN, INF, -INF]
    trials = [(dice.choice(("Completed", "Failed", "Canceled")), dice.choices(values, k=dice.randrange(4))) for _ in range(12)]
    home = sweep_of(workspace, trials, dice.choice(("maximize", "minimize")), dice.choice(("best", "last")), dice.choice((1, 2, 3)))
    found = results(home)
    assert best_of(workspace) == best_of(workspace, "experiment") == (found.best and found.best.row["run_id"], found.best_value)


def test_the_newest_run_of_a_trial_counts_and_a_run_of_another_sweep_stands_for_one(workspace: WorkspacePaths) -> None:
    home = sweep_of(workspace, [("Failed", [0.9]), ("Completed", [0.5]), ("Completed", [0.6])])
    journal._append(home, [{"deed": "again", "number": 0, "run": ["digits", "s_0.2"]}])
    trial_of(workspace, "s_0.2", "Completed", [0.1], "maximize", at=9)
    assert best_of(workspace) == ("s_2", 0.6)
    journal.reuse(home, {1: make_run(workspace, "t_4", "iris", metrics={METRIC: 0.8}, parent="t")})
    found = {each.name: (each.best, each.best_value) for each in groups(workspace, Asked(group="sweep"))}
    assert found["s"] == ("t_4", 0.8)
    best = results(home).best
    assert best is not None
    assert best.row["run_id"] == "t_4"


def test_a_condition_leaves_the_best_to_the_runs_that_it_finds(workspace: WorkspacePaths) -> None:
    sweep_of(workspace, [("Failed", [0.9]), ("Completed", [0.5]), ("Completed", [0.6])])
    (found,) = groups(workspace, Asked(group="sweep", status="Completed"))
    assert (found.total, found.best, found.best_value) == (2, "s_2", 0.6)


def test_runs_that_are_judged_by_another_metric_or_goal_are_not_compared(workspace: WorkspacePaths) -> None:
    make_run(workspace, "old", metrics={"loss": 9.0}, metric={"name": "loss", "goal": "maximize"})
    make_run(workspace, "one", at=1, metrics={"loss": 0.5}, metric={"name": "loss", "goal": "minimize"})
    make_run(workspace, "two", at=2, metrics={"loss": 0.7}, metric={"name": "loss", "goal": "minimize"})
    assert best_of(workspace, "experiment") == ("one", 0.5)


def test_a_comparison_marks_what_sweep_best_names(workspace: WorkspacePaths) -> None:
    home = sweep_of(workspace, [("Completed", [0.9, 0.5]), ("Completed", [0.7, INF])])
    runs = [entry.paths for entry in journal.read(home)]
    found = compare(runs)
    assert (found.best, found.facts[VALUE]) == ({VALUE: 0}, [0.9, 0.7])
    write_json(home.sweep, {"sweep_id": "s", "value": "last"})
    found = compare(runs)
    assert (found.best, found.facts[VALUE]) == ({VALUE: 1}, [0.5, 0.7])


def test_a_comparison_of_last_values_that_are_the_worth_has_no_line_more(workspace: WorkspacePaths) -> None:
    home = sweep_of(workspace, [("Completed", [0.5]), ("Completed", [0.7])])
    found = compare([entry.paths for entry in journal.read(home)])
    assert (found.best, VALUE in found.facts) == ({f"metrics.{METRIC}": 1}, False)
