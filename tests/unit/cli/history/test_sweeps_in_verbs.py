"""A sweep in show and wait: its table at any time, the best, what failed."""

from __future__ import annotations

import json

from trainconf.cli.screen.sweep import that_matter
from trainconf.control.results.sweep import results
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps import journal

from ...history.build import make_run, write_json
from ..conftest import Verb


def sweep_of(workspace: WorkspacePaths, *trials: tuple[str, float | None], status: str = "Completed") -> RunPaths:
    home = make_run(workspace, "s", states=("Running", status))
    write_json(home.sweep, {
        "sweep_id": "s", "experiment_name": "digits", "created": "2026-11-23T05:32:07.123456Z",
        "metric": {"name": "score", "goal": "maximize"}, "trial_count": 9, "overrides": ["params.lr=0.1,0.2", "params.opt=a"],
    })  # fmt: skip
    for number, (end, value) in enumerate(trials):
        log = b"Traceback\nValueError: too large\n" if end == "Failed" else b""
        logged = {} if value is None else {"score": value}
        trial = make_run(workspace, f"s_{number}", at=number, states=("NotStarted", "Running", end), parent="s", log=log, metrics=logged)
        journal.ask(home, [journal.Entry(number, {"params.lr": number}, [f"params.lr={number}"], trial)])
    return home


def test_show_tells_a_sweep_with_its_trials_and_the_best_one(workspace: WorkspacePaths, verb: Verb) -> None:
    sweep_of(workspace, ("Completed", 0.5), ("Completed", 0.75), ("Failed", None))
    for words in (("show", "s"), ("sweep", "show", "s"), ("show", "last")):
        said = verb(*words)
        assert said.code == 0
        lines = [" ".join(line.split()) for line in said.out.splitlines()]
        assert lines[0] == "s grid Completed"
        for line in (
            "trials 3 of 9: 2 Completed, 1 Failed", "metric maximize score", "best 0.75, trial 1, s_1", "words params.lr=1",
            "overrides params.lr=0.1,0.2 params.opt=a", "created 2026-11-23 05:32:07 UTC", "trial params.lr status duration score",
            "1 1 Completed 1.0s 0.75",
        ):  # fmt: skip
            assert line in lines
        assert "1 failed: `trainconf logs s --failed` shows their last lines" in said.err
    found = json.loads(verb("show", "s", "--json").out)
    assert found["best"] == {"number": 1, "value": 0.75, "run_id": "s_1", "overrides": ["params.lr=1"]}
    assert found == json.loads(verb("sweep", "show", "last", "--json").out)
    assert verb("show", "best").out.startswith("s_1  Completed")
    assert verb("show", "s", "--origin").code == 2


def test_a_value_that_is_not_finite_is_shown_as_it_was_logged(workspace: WorkspacePaths, verb: Verb) -> None:
    sweep_of(workspace, ("Completed", float("nan")), ("Completed", float("inf")), ("Completed", 0.5), ("Completed", None))
    said = verb("show", "s")
    assert [line.split()[4:] for line in said.out.splitlines() if line[:1].isdigit()] == [["nan"], ["inf"], ["0.5"], []]
    assert "best: trial 2" in said.err


def test_waiting_for_a_sweep_names_each_failure_with_its_last_lines(workspace: WorkspacePaths, verb: Verb) -> None:
    sweep_of(workspace, ("Completed", 0.5), ("Failed", None), ("Failed", None))
    said = verb("wait", "s")
    assert said.code == 1
    assert said.err.splitlines() == [
        "s Completed", "s_1 Failed", "  Traceback", "  ValueError: too large", "  more: trainconf logs s_1",
        "s_2 Failed", "  (the same last lines as s_1)", "  more: trainconf logs s_2",
    ]  # fmt: skip


def test_waiting_for_a_run_that_failed_shows_why(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, "bad", states=("NotStarted", "Running", "Failed"), exit_code=3, log=b"one\nValueError: two\n")
    make_run(workspace, "silent", states=("NotStarted", "Failed"), exit_code=3)
    assert verb("wait", "bad", "silent").err.splitlines() == [
        "bad Failed", "  one", "  ValueError: two", "  more: trainconf logs bad", "silent Failed",
        "  (it has written nothing)", "  more: trainconf logs silent",
    ]  # fmt: skip


def test_a_canceled_sweep_does_not_name_every_trial_that_went_with_it(workspace: WorkspacePaths, verb: Verb) -> None:
    sweep_of(workspace, ("Canceled", 0.5), ("Failed", None), ("Canceled", None), status="Canceled")
    said = verb("wait", "s")
    assert said.code == 130
    assert [line for line in said.err.splitlines() if line[0] == "s"] == ["s Canceled", "s_1 Failed"]


def test_of_very_many_trials_a_terminal_has_the_best_and_some_that_failed(workspace: WorkspacePaths) -> None:
    found = results(sweep_of(workspace, ("Completed", 0.5), ("Failed", None), ("Completed", 0.75)))
    many = found._replace(trials=[each._replace(number=number) for number, each in enumerate(found.trials * 40)])
    shown = that_matter(many)
    assert [trial.value for trial in shown[:20]] == [0.75] * 20
    assert [trial.status for trial in shown[20:]] == ["Failed"] * 10
    assert that_matter(found) == found.trials
