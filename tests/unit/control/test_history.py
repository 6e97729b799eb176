"""What is known of runs: lists, and everything about one, without a word on a terminal."""

from __future__ import annotations

from trainconf.control import history
from trainconf.paths import WorkspacePaths

from ..history.build import make_run


def test_runs_are_listed_newest_first_by_experiment_and_state(workspace: WorkspacePaths) -> None:
    make_run(workspace, "old")
    make_run(workspace, "new", at=5_000_000, states=("NotStarted", "Failed"), exit_code=3)
    make_run(workspace, "other", "iris", at=9_000_000)
    assert [row.paths.run_id for row in history.ls(workspace)] == ["other", "new", "old"]
    assert [row.paths.run_id for row in history.ls(workspace, 1, experiment="digits")] == ["new"]
    assert [row.fields["status"] for row in history.ls(workspace, status="Failed")] == ["Failed"]
    assert history.reindex(workspace) == 3


def test_a_run_is_told_whole_with_the_origin_of_each_value(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, config={"retries": 1}, origins={"retries": "command line: retries=1"})
    assert history.details(paths)["status"] == "Completed"
    assert history.origins(paths) == ({"retries": 1}, {"retries": "command line: retries=1"})
    assert history.origins(make_run(workspace, "before")) is None
