"""What is removed is gone, what is needed stays and is named, and an interruption at any moment leaves a run or none."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from trainconf import files
from trainconf.control import remove
from trainconf.control.workspace import gc
from trainconf.errors import UserError
from trainconf.history import events, liveness
from trainconf.history.index.index import Index
from trainconf.paths import REMOVING, RunPaths, WorkspacePaths
from trainconf.snapshot import SnapshotStore

from ..history.build import make_run, write_json


def sweep_of(workspace: WorkspacePaths, *ends: str, end: str = "Completed") -> tuple[RunPaths, list[RunPaths]]:
    home = make_run(workspace, "s", states=("Running", end))
    write_json(home.sweep, {"sweep_id": "s"})
    trials = []
    for number, status in enumerate(ends):
        trials.append(make_run(workspace, f"s_{number}", states=("NotStarted", status), parent="s"))
        line = {"deed": "ask", "number": number, "values": {}, "overrides": [], "run": ["digits", f"s_{number}"]}
        files.append_line(home.journal, line)
    return home, trials


def with_input(paths: RunPaths, path: str) -> RunPaths:
    write_json(paths.spec, {"code": {"inputs": [["data", path]]}})
    return paths


def refusals(workspace: WorkspacePaths, *runs: RunPaths) -> list[str]:
    with pytest.raises(UserError) as told:
        remove.find(workspace, runs)
    return [mistake.what for mistake in told.value.mistakes]


def gone(workspace: WorkspacePaths, *runs: RunPaths) -> int:
    found = remove.find(workspace, runs)
    assert all(map(remove.remove, found))
    return sum(each.size_bytes for each in found)


def test_a_run_goes_with_its_size_and_out_of_the_index(workspace: WorkspacePaths) -> None:
    paths, other = make_run(workspace, "a"), make_run(workspace, "b")
    with open(os.path.join(paths.outputs, "model"), "wb") as stream:
        stream.write(os.urandom(1_000_000))
    with Index(workspace) as index:
        assert len(index.latest()) == 2
    assert 1_000_000 <= gone(workspace, paths) < 1_200_000
    assert os.listdir(os.path.dirname(paths.run_dir)) == ["b"]
    with Index(workspace) as index:
        assert [row.paths.run_id for row in index.latest()] == [other.run_id]


def test_a_sweep_goes_with_its_trials_and_not_with_a_run_that_it_reused(workspace: WorkspacePaths) -> None:
    home, _ = sweep_of(workspace, "Completed", "Failed")
    reused = make_run(workspace, "elsewhere")
    files.append_line(home.journal, {"deed": "ask", "number": 2, "values": {}, "overrides": [], "run": ["digits", "s_2"]})
    files.append_line(home.journal, {"deed": "reuse", "number": 2, "run": ["digits", "elsewhere"]})
    make_run(workspace, "s_0_again", states=("NotStarted", "Failed"), parent="s")
    gone(workspace, home)
    assert os.listdir(os.path.dirname(home.run_dir)) == [reused.run_id]


def test_a_sweep_and_its_trial_named_both_are_one_removal(workspace: WorkspacePaths) -> None:
    home, trials = sweep_of(workspace, "Completed", "Completed")
    (found,) = remove.find(workspace, [trials[1], home])
    assert {trial.run_id for trial in found.trials} == {"s_0", "s_1"}


def test_every_reason_to_stay_is_named_at_once(workspace: WorkspacePaths) -> None:
    running = make_run(workspace, "running", states=("NotStarted", "Running"))
    used = make_run(workspace, "used")
    with_input(make_run(workspace, "user"), "runs/digits/used/outputs/model")
    home, trials = sweep_of(workspace, "Completed", "Running", end="Running")
    with files.FileLock(running.lock), files.FileLock(home.lock):
        assert refusals(workspace, running, used, trials[0]) == [
            "running is Running", "s_0 is a trial of s, which goes on", "user needs used: it is its input data",
        ]  # fmt: skip
    assert os.path.exists(used.events)


def test_a_run_that_its_user_goes_with_may_go(workspace: WorkspacePaths) -> None:
    used = make_run(workspace, "used")
    user = with_input(make_run(workspace, "user"), os.path.join(used.outputs, "model"))
    gone(workspace, used, user)
    assert os.listdir(os.path.dirname(used.run_dir)) == []


def test_a_run_that_stands_for_a_trial_of_a_living_sweep_stays(workspace: WorkspacePaths) -> None:
    reused = make_run(workspace, "reused")
    home, _ = sweep_of(workspace, "Completed", end="Running")
    files.append_line(home.journal, {"deed": "reuse", "number": 0, "run": ["digits", "reused"]})
    assert refusals(workspace, reused) == ["reused stands for a trial of s, which goes on"]


def test_a_run_that_a_pinned_frozen_file_has_as_an_input_stays(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainconf.submission import frozen

    used = make_run(workspace, "used")
    source = os.path.join(workspace.root, "src")
    os.mkdir(source)
    store = SnapshotStore(workspace.snapshots)
    snapshot = store.take(source, max_mb=1, max_files=1).id
    path = os.path.join(workspace.root, "x.lock.yaml")
    with open(path, "w") as stream:
        stream.write(f"# trainconf frozen run\n{snapshot}\n")
    store.pin(snapshot, path, "")
    given: Any = type("File", (), {"resolved": type("R", (), {"spec": type("S", (), {"code": type("C", (), {
        "inputs": (("data", "runs/digits/used/outputs"),)})})})})  # fmt: skip
    monkeypatch.setattr(frozen, "read", lambda *_: given)
    assert refusals(workspace, used) == [f"the frozen file {path} needs used: it is its input data"]


def test_a_folder_elsewhere_and_a_link_to_one_stay(workspace: WorkspacePaths) -> None:
    elsewhere = make_run(WorkspacePaths(os.path.join(workspace.root, "other")), "far")
    os.makedirs(os.path.join(workspace.runs, "digits"))
    link = workspace.run("digits", "link")
    os.symlink(elsewhere.run_dir, link.run_dir)
    assert refusals(workspace, elsewhere, link) == [
        "far is not a folder of this workspace", "link is not a folder of this workspace",
    ]  # fmt: skip


def test_no_link_is_followed_and_closed_folders_are_opened(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, "a")
    precious = os.path.join(workspace.root, "precious")
    os.mkdir(precious)
    write_json(os.path.join(precious, "data"), 1)
    os.symlink(precious, os.path.join(paths.outputs, "link"))
    os.symlink(precious, os.path.join(paths.run_dir, "metrics"))
    os.makedirs(os.path.join(paths.outputs, "closed", "deep"))
    os.chmod(os.path.join(paths.outputs, "closed"), 0)
    gone(workspace, paths)
    assert os.listdir(precious) == ["data"]


def test_an_interrupted_removal_is_no_run_and_gc_finishes_it(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = make_run(workspace, "a")

    def killed(_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            gone(workspace, paths)
    assert os.listdir(os.path.dirname(paths.run_dir)) == ["a" + REMOVING]
    with Index(workspace) as index:
        assert index.latest() == []
    (found,) = [found for found in gc.find(workspace) if found.what == "runs whose removal was interrupted"]
    assert found.names == [paths.run_dir + REMOVING]
    assert found.remove().is_whole
    assert os.listdir(os.path.dirname(paths.run_dir)) == []


def test_a_run_that_was_begun_again_since_it_was_looked_at_stays(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, "a")
    (found,) = remove.find(workspace, [paths])
    with files.FileLock(paths.lock):
        events.append(paths, "NotStarted", 2, resumed={})
        assert not remove.remove(found)


def test_an_agent_that_is_about_to_end_is_waited_for(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, "a")
    (found,) = remove.find(workspace, [paths])
    lock = files.FileLock(paths.lock)
    lock.acquire()
    timer = threading.Timer(0.1, lock.release)
    timer.start()
    assert remove.remove(found)
    timer.join()
    assert not os.path.exists(paths.run_dir)


def test_a_lock_that_nobody_lets_go_is_left_alone(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "LETTING_GO_S", 0.1)
    paths = make_run(workspace, "a")
    (found,) = remove.find(workspace, [paths])
    with files.FileLock(paths.lock):
        assert not remove.remove(found)
    assert os.path.exists(paths.events)


def test_two_removals_at_once_do_no_harm(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, "a")
    first, second = (remove.find(workspace, [paths])[0] for _ in range(2))
    assert remove.remove(first)
    assert remove.remove(second)


@pytest.fixture
def open_folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_a_container_left_to_root_is_told_before_anything_is_removed(open_folder: str) -> None:
    os.seteuid(65534)
    try:
        workspace = WorkspacePaths(open_folder)
        paths = make_run(workspace, "a")
        os.seteuid(0)
        os.mkdir(os.path.join(paths.outputs, "cache"))
        os.seteuid(65534)
        assert refusals(workspace, paths) == ["a holds folders of root"]
    finally:
        os.seteuid(0)
    assert os.path.exists(paths.events)
