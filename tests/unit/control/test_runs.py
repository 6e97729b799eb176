"""Finding, waiting for and cancelling runs and sweeps, without a word on a terminal."""

from __future__ import annotations

import os
import threading
import time

import pytest

from trainconf import files
from trainconf.control import runs
from trainconf.errors import RunNotFoundError
from trainconf.history import events
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps import journal

from ..history.build import make_run, write_json


def sweep_of(workspace: WorkspacePaths, *ends: str) -> RunPaths:
    home = make_run(workspace, "s", states=("Running", "Completed"), exit_code=0)
    write_json(home.sweep, {"sweep_id": "s"})
    for number, status in enumerate(ends):
        trial = make_run(workspace, f"s_{number}", states=("NotStarted", "Running", status), exit_code=0 if status == "Completed" else 3)
        files.append_line(home.trials, {"run_dir": trial.run_dir})
    return home


def test_a_name_is_a_sweep_s_or_a_run_s(workspace: WorkspacePaths) -> None:
    home = sweep_of(workspace, "Completed")
    assert runs.find(workspace, "s").run_dir == home.run_dir
    assert runs.is_sweep(home)
    assert not runs.is_sweep(runs.find(workspace, "s_0"))
    with pytest.raises(RunNotFoundError):
        runs.find(workspace, "nothing")


@pytest.fixture
def searched(workspace: WorkspacePaths) -> WorkspacePaths:
    """A sweep s whose trial 1 is the best and ran twice, whose trial 2 has no run; and a run that came later."""
    home = make_run(workspace, "s", states=("Running", "Completed"))
    write_json(home.sweep, {"sweep_id": "s", "metric": {"name": "score", "goal": "maximize"}})
    values = {"s_0": 0.1, "s_1": 0.2, "s_1.2": 0.9}
    for number, (name, value) in enumerate(values.items()):
        make_run(workspace, name, at=number, metrics={"score": value}, parent="s")
    journal.ask(home, [journal.Entry(number, {}, [], workspace.run("digits", f"s_{number}")) for number in range(3)])
    files.append_line(home.journal, {"deed": "again", "number": 1, "run": ["digits", "s_1.2"]})
    make_run(workspace, "later", at=9_000_000)
    return workspace


@pytest.mark.parametrize(("text", "run_id"), [
    ("s", "s"), ("s:0", "s_0"), ("s:1", "s_1.2"), ("s:best", "s_1.2"), ("best", "s_1.2"), ("last:best", "s_1.2"), ("last:0", "s_0"),
    ("last", "later"), ("s_1", "s_1"), ("runs/digits/s", "s"), ("runs/digits/s:0", "s_0"), ("la", "later"),
])  # fmt: skip
def test_a_trial_is_named_by_its_sweep_and_its_number_or_as_the_best(searched: WorkspacePaths, text: str, run_id: str) -> None:
    assert runs.find(searched, text).run_id == run_id


@pytest.mark.parametrize(("text", "told"), [
    ("s:3", "s has no trial 3\n  trials +0 to 2"), ("s:2", "trial 2 of s has no run yet"), ("s:", "has no trial "),
    ("s:worst", "has no trial worst"), ("s:-1", "has no trial -1"), ("later:0", "later is a run, not a sweep"),
    ("s_0:0", "it is a trial of s"), (":0", "there is no run"),
    ("nobody:best", "there is no run 'nobody'"), ("s:00", "has no trial 00"),
])  # fmt: skip
def test_a_trial_that_is_not_there_is_a_mistake_with_what_there_is(searched: WorkspacePaths, text: str, told: str) -> None:
    with pytest.raises(RunNotFoundError, match=told):
        runs.find(searched, text)


def test_several_are_found_each_once_or_all_mistakes_are_told(searched: WorkspacePaths) -> None:
    assert [paths.run_id for paths in runs.find_all(searched, ["s:0", "later", "s_0", "last"])] == ["s_0", "later"]
    with pytest.raises(RunNotFoundError, match=r"(?s)nobody.*s has no trial 7"):
        runs.find_all(searched, ["nobody", "s", "s:7"])


def test_one_run_alone_is_no_sweep_and_a_sweep_consists_of_its_runs(searched: WorkspacePaths) -> None:
    with pytest.raises(RunNotFoundError, match=r"s is a sweep, and this takes one run(?s:.*)s:best"):
        runs.find_run(searched, "s")
    assert [paths.run_id for paths in runs.runs_of(runs.find(searched, "s"))] == ["s_0", "s_1.2"]
    assert [paths.run_id for paths in runs.runs_of(runs.find_run(searched, "later"))] == ["later"]


def test_a_workspace_without_a_sweep_has_no_best(workspace: WorkspacePaths) -> None:
    make_run(workspace, "alone", metrics={"val_accuracy": 0.5})
    for text in ("best", "last:0"):
        with pytest.raises(RunNotFoundError, match="no sweep yet"):
            runs.find(workspace, text)


def test_each_is_waited_for_with_its_exit_code(workspace: WorkspacePaths) -> None:
    good = make_run(workspace, "good", states=("NotStarted", "Completed"), exit_code=0)
    bad = make_run(workspace, "bad", states=("NotStarted", "Failed"), exit_code=7)
    assert [(each.paths.run_id, each.state.status, each.exit_code) for each in runs.wait([good, bad])] == [
        ("good", "Completed", 0), ("bad", "Failed", 7),
    ]  # fmt: skip


def test_a_sweep_that_was_waited_for_names_the_trials_that_did_not_complete(workspace: WorkspacePaths) -> None:
    (ended,) = runs.wait([sweep_of(workspace, "Completed", "Failed", "Canceled")])
    assert (ended.exit_code, [(trial.run_id, state.status) for trial, state in ended.failed]) == (
        1, [("s_1", "Failed"), ("s_2", "Canceled")],
    )  # fmt: skip


def test_the_time_is_shared_by_all(workspace: WorkspacePaths) -> None:
    waiting = [make_run(workspace, name, states=("NotStarted", "Queued")) for name in ("a", "b", "c")]
    locks = [files.FileLock(paths.lock) for paths in waiting]
    for lock in locks:
        lock.acquire()
    begun = time.monotonic()
    assert [ended.exit_code for ended in runs.wait(waiting, 0.2)] == [runs.TIMED_OUT] * 3
    assert time.monotonic() - begun < 5
    for lock in locks:
        lock.release()


def test_waiting_ends_with_the_run(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=("NotStarted", "Queued"))
    lock = files.FileLock(paths.lock)
    lock.acquire()
    timer = threading.Timer(0.1, lambda: (events.append(paths, "Failed", exit_code=7), lock.release()))
    timer.start()
    (ended,) = runs.wait([paths])
    timer.join()
    assert ended.exit_code == 7


@pytest.mark.parametrize("force", [False, True])
def test_a_run_without_an_agent_is_canceled_and_one_that_ended_stays(workspace: WorkspacePaths, force: bool) -> None:
    lost = make_run(workspace, "lost", states=("NotStarted", "Queued"))
    over = make_run(workspace, "over", states=("NotStarted", "Failed"), exit_code=3)
    for paths in (lost, over):
        runs.cancel(paths, force=force)
    assert (runs.state(lost).status, runs.state(over).status) == ("Canceled", "Failed")
    assert not os.path.exists(over.cancel_request())
