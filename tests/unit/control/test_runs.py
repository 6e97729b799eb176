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
