"""What a scheduler says of runs that wait is told by every list: of runs, filtered, folded, on the page, and of the trials of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.unit.history.build import make_run, write_json
from trainconf.control import history
from trainconf.control.results.groups import groups
from trainconf.control.results.sweep import results
from trainconf.control.view.table import Screen, Table
from trainconf.history import events
from trainconf.history.index.query import Asked
from trainconf.history.liveness import State
from trainconf.launchers import states
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps import journal
from trainconf.sweeps.journal import Entry

COUNT = 5
WORDS = "job 7 waits in Slurm: Priority"


class Scheduler:
    """A launcher whose jobs all wait, and how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def reconcile(self, runs: Sequence[tuple[RunPaths, State]]) -> list[State]:
        self.asked.append(len(runs))
        return [State("Queued", WORDS, state.event, state.scheduler) for _, state in runs]


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    """A sweep whose trials are tasks of an array: they have written nothing by themselves yet."""
    found = WorkspacePaths(str(tmp_path))
    home = make_run(found, "s", states=("NotStarted",))
    write_json(home.sweep, {"sweep_id": "s", "experiment_name": "digits", "created": "2026-11-23T05:32:00.0Z", "trial_count": COUNT})
    Path(home.spec).unlink()
    for number in range(COUNT):
        paths = make_run(found, f"s_{number}", states=("NotStarted",), at=number, parent="s")
        events.append(paths, "NotStarted", scheduler={"kind": "far", "job_id": f"7_{number}"})
        journal.ask(home, [Entry(number, {"lr": number}, [f"lr={number}"], paths)])
    return found


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    found = Scheduler()
    monkeypatch.setattr(states, "_launcher", lambda kind: found if kind == "far" else None)
    return found


def test_lists_tell_it_find_by_it_and_ask_once_for_all(workspace: WorkspacePaths, scheduler: Scheduler) -> None:
    told = [(row.fields["status"], row.reason) for row in history.ls(workspace)]
    assert told == [("Queued", WORDS)] * COUNT
    assert scheduler.asked == [COUNT]
    assert len(history.ls(workspace, status="Queued")) == COUNT
    assert len(history.ls(workspace, where="status == 'Queued' and 'Priority' in reason")) == COUNT
    assert history.ls(workspace, status="NotStarted") == []
    (group,) = groups(workspace, Asked(group="sweep"))
    assert group.counts == {"Queued": COUNT}


def test_a_sweep_tells_it_of_its_trials_and_asks_once_for_all(workspace: WorkspacePaths, scheduler: Scheduler) -> None:
    found = results(workspace.run("digits", "s"))
    assert [(trial.status, trial.row["reason"]) for trial in found.trials] == [("Queued", WORDS)] * COUNT
    assert scheduler.asked == [COUNT]


def test_the_table_of_the_page_tells_it_and_finds_by_it_without_a_question_for_each_row(
    workspace: WorkspacePaths, scheduler: Scheduler
) -> None:
    table = Table(workspace)
    try:
        found: list[Screen] = []
        wait_for(lambda: found.append(table.screen()) or all(row.fields["status"] == "Queued" for row in found[-1].rows))
        assert [row.reason for row in found[-1].rows] == [WORDS] * COUNT
        assert table.screen("status:Queued").matching == COUNT
        assert table.screen("status:NotStarted").matching == 0
        assert set(scheduler.asked) == {COUNT}
    finally:
        table.close()


def test_what_a_run_has_recorded_since_counts_more_than_what_a_scheduler_said_before(
    workspace: WorkspacePaths, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconcile = scheduler.reconcile

    def slow(runs: Sequence[tuple[RunPaths, State]]) -> list[State]:
        found = reconcile(runs)
        events.append(runs[0][0], "Running")
        return found

    monkeypatch.setattr(scheduler, "reconcile", slow)
    assert sorted(row.fields["status"] for row in history.ls(workspace)) == ["Queued"] * (COUNT - 1) + ["Running"]
