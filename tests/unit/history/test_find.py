from __future__ import annotations

import os
import shutil

import pytest

from trainconf.errors import RunNotFoundError
from trainconf.history.find import find_run, find_sweep
from trainconf.paths import WorkspacePaths

from .build import make_run, write_json


@pytest.fixture
def three(workspace: WorkspacePaths) -> WorkspacePaths:
    """Runs digits-1, digits-12 and iris-1, the first one the newest."""
    make_run(workspace, "digits-1", at=3)
    make_run(workspace, "digits-12", at=2)
    make_run(workspace, "iris-1", "iris", at=1)
    return workspace


@pytest.mark.parametrize(("name", "run_id"), [("digits-1", "digits-1"), ("digits-12", "digits-12"), ("i", "iris-1"), ("last", "digits-1")])
def test_a_run_answers_to_its_id_its_unique_beginning_and_last(three: WorkspacePaths, name: str, run_id: str) -> None:
    assert find_run(three, name).run_id == run_id


def test_a_run_answers_to_the_path_of_its_directory(three: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir = three.run("iris", "iris-1").run_dir
    assert find_run(WorkspacePaths("/"), run_dir + "/").run_dir == run_dir
    monkeypatch.chdir(three.root)
    assert find_run(three, "runs/iris/iris-1").run_dir == run_dir
    monkeypatch.chdir(run_dir)
    assert find_run(three, ".").run_dir == run_dir


def test_an_ambiguous_beginning_names_the_candidates(three: WorkspacePaths) -> None:
    with pytest.raises(RunNotFoundError, match=r"(?s)digits-1\n.*digits-12\n.*hint: give more") as caught:
        find_run(three, "digits")
    assert "iris" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_many_candidates_are_cut_short(workspace: WorkspacePaths) -> None:
    for number in range(20):
        make_run(workspace, f"run-{number:02d}")
    with pytest.raises(RunNotFoundError, match="and more") as caught:
        find_run(workspace, "run")
    assert str(caught.value).count("run-") == 10


def test_one_id_in_two_experiments_is_told_apart_by_path(three: WorkspacePaths) -> None:
    shutil.copytree(three.run("iris", "iris-1").run_dir, three.run("digits", "iris-1").run_dir)
    with pytest.raises(RunNotFoundError, match="give the path"):
        find_run(three, "iris-1")


@pytest.mark.parametrize("name", ["digits-3", "nothing like it", "", "%", "last1", "\udcff", "a\nb"])
def test_an_unknown_name_is_answered_with_a_hint(three: WorkspacePaths, name: str) -> None:
    with pytest.raises(RunNotFoundError, match="trainconf ls"):
        find_run(three, name)


def test_the_nearest_id_is_named(three: WorkspacePaths) -> None:
    with pytest.raises(RunNotFoundError, match=r"nearest +iris-1"):
        find_run(three, "irsi-1")


@pytest.mark.parametrize("name", ["last", "digits-1"])
def test_an_empty_workspace_says_so(workspace: WorkspacePaths, name: str) -> None:
    with pytest.raises(RunNotFoundError, match="none yet"):
        find_run(workspace, name)


def test_a_path_that_is_no_run_is_refused(three: WorkspacePaths) -> None:
    with pytest.raises(RunNotFoundError, match="no such folder"):
        find_run(three, "/does/not/exist")
    with pytest.raises(RunNotFoundError, match=r"no events\.jsonl"):
        find_run(three, three.root + "/")


def test_a_sweep_and_a_half_made_folder_are_not_runs(three: WorkspacePaths) -> None:
    sweep = three.run("digits", "sweep-1")
    os.mkdir(sweep.run_dir)
    with pytest.raises(RunNotFoundError, match="there is no run"):
        find_run(three, "sweep-1")
    write_json(sweep.sweep, {})
    with pytest.raises(RunNotFoundError, match="is a sweep"):
        find_run(three, "sweep-1")


def test_last_is_the_sweep_when_its_trials_were_submitted_last(workspace: WorkspacePaths) -> None:
    sweep = workspace.run("digits", "sweep-1")
    os.makedirs(sweep.run_dir)
    write_json(sweep.sweep, {})
    make_run(workspace, "before", at=0)
    for number in range(2):
        make_run(workspace, f"sweep-1_{number}", at=1_000_000 * (number + 1), parent="sweep-1")
    found = find_sweep(workspace, "last")
    assert found is not None
    assert found.run_dir == sweep.run_dir
    with pytest.raises(RunNotFoundError, match="last is the sweep sweep-1, not a run"):
        find_run(workspace, "last")
    make_run(workspace, "after", at=9_000_000)
    assert find_sweep(workspace, "last") is None
    assert find_run(workspace, "last").run_id == "after"


@pytest.mark.parametrize("parent", ["last", "nobody", 5, "../digits/before", ""])
def test_a_parent_that_is_no_sweep_leaves_last_a_run(workspace: WorkspacePaths, parent: object) -> None:
    make_run(workspace, "run-1", parent=parent)
    assert find_sweep(workspace, "last") is None
    assert find_run(workspace, "last").run_id == "run-1"
