"""Everything a verb does, from Python: nothing is printed, nothing is asked, and what went wrong is an exception."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from trainconf.control import freeze, runs
from trainconf.control.compose import ComposeRequest
from trainconf.control.follow import Changed, Ended, Logged, Written, follow
from trainconf.control.results import sweep as sweep_results
from trainconf.control.submit import plan, rerun, run_frozen, submit
from trainconf.control.sweeps import following
from trainconf.control.sweeps import steer as sweeps
from trainconf.control.workspace import environments, gc, snapshots
from trainconf.errors import ConfigError, FrozenFileError, SnapshotError, UserError
from trainconf.history.follow import Output
from trainconf.paths import WorkspacePaths
from trainconf.snapshot import SnapshotStore

SCRIPT = """\
import sys
from trainconf import Run
value = float(sys.argv[sys.argv.index("--a") + 1])
Run.get_context().log("loss", value)
print("loss", value)
"""


@pytest.fixture
def words(workspace: WorkspacePaths, capfd: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Overrides of a run of `train.py`. Whatever a test does with them, nothing may be printed."""
    with open(os.path.join(workspace.root, "train.py"), "w") as stream:
        stream.write(SCRIPT)
    leases = tmp_path_factory.mktemp("leases")
    yield ["experiment=adhoc", "script=train.py", "env=current", f"compute.lease_dir={leases}", "compute.slots=2", "+params.a=1"]
    assert capfd.readouterr() == ("", "")


def test_a_run_is_planned_submitted_followed_and_waited_for(workspace: WorkspacePaths, words: list[str]) -> None:
    planned = plan(ComposeRequest(words), workspace)
    assert planned.completed is None
    submitted = submit(ComposeRequest(words), workspace)
    assert submitted.plan is not None
    found = list(follow(submitted.paths, Output(submitted.paths.log(0)), with_metrics=True))
    assert b"".join(event.chunk for event in found if isinstance(event, Written)) == b"loss 1.0\n"
    assert [event.event["state"] for event in found if isinstance(event, Changed)][-1] == "Completed"
    assert [entry["value"] for event in found if isinstance(event, Logged) for entry in event.entries] == [1.0]
    assert isinstance(found[-1], Ended)
    assert [ended.exit_code for ended in runs.wait([submitted.paths])] == [0]
    again = plan(ComposeRequest(words), workspace)
    assert again.completed is not None
    assert again.completed.run_id == submitted.paths.run_id


def test_a_run_is_done_again_from_its_record_and_from_a_frozen_file(workspace: WorkspacePaths, words: list[str]) -> None:
    first = submit(ComposeRequest(words), workspace).paths
    list(runs.wait([first]))
    other = rerun(first, ["params.a=2"], workspace).paths
    assert [ended.exit_code for ended in runs.wait([other])] == [0]
    path = os.path.join(workspace.root, "a.lock")
    frozen = freeze.freeze(ComposeRequest(words), workspace, path, lambda _: None)
    assert frozen.only_here == "no commit holds this code"
    assert freeze.check(path, workspace).differences == {}
    with open(os.path.join(workspace.root, "train.py"), "a") as stream:
        stream.write("# more\n")
    assert freeze.check(path, workspace).differences == {"code": ["changed  train.py"]}
    third = run_frozen(path, [], workspace).paths
    assert [ended.exit_code for ended in runs.wait([third])] == [0]
    with pytest.raises(FrozenFileError):
        run_frozen(os.path.join(workspace.root, "train.py"), [], workspace)


def test_a_sweep_tells_its_best_trial(workspace: WorkspacePaths, words: list[str]) -> None:
    request = ComposeRequest([*words[:-1], "+params.a=3,1,2", "metric.name=loss", "metric.goal=minimize"])
    sweep = sweeps.prepare(request, workspace)
    sweep.start()
    for _ in following.follow(sweep):
        pass
    found = sweep_results.results(sweep.paths)
    assert found.exit_code == 0
    assert found.best is not None
    assert (found.best.number, found.best.values, found.best_value) == (1, {"params.a": 1}, 1.0)


def test_a_mistake_is_an_exception(workspace: WorkspacePaths, words: list[str]) -> None:
    with pytest.raises(ConfigError, match="nodez"):
        submit(ComposeRequest([*words, "compute.nodez=2"]), workspace)
    with pytest.raises(UserError, match="does not name a folder"):
        ComposeRequest(words, config_dir="/no/such/folder")
    assert not os.path.exists(workspace.runs)


def test_what_gc_would_remove_is_what_it_removes(workspace: WorkspacePaths, words: list[str]) -> None:
    store = SnapshotStore(workspace.snapshots)
    kept = freeze.freeze(ComposeRequest(words), workspace, os.path.join(workspace.root, "a.lock"), lambda _: None)
    with open(os.path.join(workspace.root, "train.py"), "a") as stream:
        stream.write("# more\n")
    unneeded = snapshots.take(store, workspace.root).id
    before = {found.what: list(found.names) for found in gc.find(workspace, unused_s=0.0)}
    assert before["snapshots"] == [f"snapshot {unneeded}"]
    assert store.exists(unneeded)
    assert {found.what: list(found.remove().names) for found in gc.find(workspace, unused_s=0.0)} == before
    assert not store.exists(unneeded)
    assert kept.spec_hash
    with pytest.raises(UserError, match="there is no pin 'nothing'"):
        gc.find(workspace, drop_pins=["nothing"])


def test_a_snapshot_taken_between_the_look_and_the_removal_stays(workspace: WorkspacePaths, words: list[str]) -> None:
    store = SnapshotStore(workspace.snapshots)
    first = snapshots.take(store, workspace.root).id
    (found,) = (each for each in gc.find(workspace, unused_s=0.0) if each.what == "snapshots")
    with open(os.path.join(workspace.root, "train.py"), "a") as stream:
        stream.write("# more\n")
    second = snapshots.take(store, workspace.root).id
    assert list(found.remove().names) == [f"snapshot {first}"]
    assert store.exists(second)
    with pytest.raises(SnapshotError):
        snapshots.restore(store, first, os.path.join(workspace.root, "there"))


def test_a_workspace_without_environments_has_none(workspace: WorkspacePaths, words: list[str]) -> None:
    assert environments.ls(workspace) == []
