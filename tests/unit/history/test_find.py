from __future__ import annotations

import os
import shutil

import pytest

from trainconf.errors import RunNotFoundError
from trainconf.history.find import find
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
    assert find(three, name).run_id == run_id


def test_a_run_answers_to_the_path_of_its_directory(three: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    run_dir = three.run("iris", "iris-1").run_dir
    assert find(WorkspacePaths("/"), run_dir + "/").run_dir == run_dir
    monkeypatch.chdir(three.root)
    assert find(three, "runs/iris/iris-1").run_dir == run_dir
    monkeypatch.chdir(run_dir)
    assert find(three, ".").run_dir == run_dir


def test_an_ambiguous_beginning_names_the_candidates(three: WorkspacePaths) -> None:
    with pytest.raises(RunNotFoundError, match=r"(?s)digits-1\n.*digits-12\n.*hint: give more") as caught:
        find(three, "digits")
    assert "iris" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_many_candidates_are_cut_short(workspace: WorkspacePaths) -> None:
    for number in range(20):
        make_run(workspace, f"run-{number:02d}")
    with pytest.raises(RunNotFoundError, match="and more") as caught:
        find(workspace, "run")
    assert str(caught.value).count("run-") == 10


def test_one_id_in_two_experiments_is_told_apart_by_path(three: WorkspacePaths) -> None:
    shutil.copytree(three.run("iris", "iris-1").run_dir, three.run("digits", "iris-1").run_dir)
    with pytest.raises(RunNotFoundError, match="give the path"):
        find(three, "iris-1")


@pytest.mark.parametrize("name", ["digits-3", "nothing like it", "", "%", "last1", "\udcff", "a\nb"])
def test_an_unknown_name_is_answered_with_a_hint(three: WorkspacePaths, name: str) -> None:
    with pytest.raises(RunNotFoundError, match="trainconf ls"):
        find(three, name)


def test_a_mistyped_last_is_told(three: WorkspacePaths) -> None:
    with pytest.raises(RunNotFoundError, match=r"`last` is the newest run: \S+; `trainconf ls` lists"):
        find(three, "lats")


def test_the_nearest_id_is_named(three: WorkspacePaths) -> None:
    with pytest.raises(RunNotFoundError, match=r"nearest +iris-1"):
        find(three, "irsi-1")


@pytest.mark.parametrize("name", ["last", "digits-1"])
def test_an_empty_workspace_says_so(workspace: WorkspacePaths, name: str) -> None:
    with pytest.raises(RunNotFoundError, match="none yet"):
        find(workspace, name)


def test_a_path_that_is_no_run_is_refused(three: WorkspacePaths) -> None:
    with pytest.raises(RunNotFoundError, match="no such folder"):
        find(three, "/does/not/exist")
    with pytest.raises(RunNotFoundError, match=r"no events\.jsonl"):
        find(three, three.root + "/")


def test_a_sweep_and_a_half_made_folder_are_not_runs(three: WorkspacePaths) -> None:
    sweep = three.run("digits", "sweep-1")
    os.mkdir(sweep.run_dir)
    with pytest.raises(RunNotFoundError, match="there is no run"):
        find(three, "sweep-1")
    write_json(sweep.sweep, {})
    assert find(three, "sweep-1").run_dir == sweep.run_dir
    assert find(three, sweep.run_dir).run_dir == sweep.run_dir


@pytest.mark.parametrize("trial_count", [0, 1, 30])
def test_a_sweep_answers_to_its_unique_beginning_though_its_trials_begin_so_too(three: WorkspacePaths, trial_count: int) -> None:
    sweep = three.run("digits", "sweep-1")
    os.makedirs(sweep.run_dir)
    write_json(sweep.sweep, {})
    for number in range(trial_count):
        make_run(three, f"sweep-1_{number}", parent="sweep-1")
    assert find(three, "swe").run_dir == sweep.run_dir
    if trial_count:
        assert find(three, "sweep-1_0").run_id == "sweep-1_0"
    make_run(three, "sweep-11")
    with pytest.raises(RunNotFoundError, match=r"(?s)several runs.*sweep-1\n.*sweep-11\n") as caught:
        find(three, "swe")
    assert "_0" not in str(caught.value)


def test_last_is_the_sweep_when_its_trials_were_submitted_last(workspace: WorkspacePaths) -> None:
    sweep = workspace.run("digits", "sweep-1")
    os.makedirs(sweep.run_dir)
    write_json(sweep.sweep, {})
    make_run(workspace, "before", at=0)
    for number in range(2):
        make_run(workspace, f"sweep-1_{number}", at=1_000_000 * (number + 1), parent="sweep-1")
    assert find(workspace, "last").run_dir == sweep.run_dir
    make_run(workspace, "after", at=9_000_000)
    assert find(workspace, "last").run_id == "after"


@pytest.mark.parametrize("parent", ["last", "nobody", 5, "../digits/before", "../digits/other", ""])
def test_a_parent_that_is_no_sweep_leaves_last_a_run(workspace: WorkspacePaths, parent: object) -> None:
    make_run(workspace, "run-1", parent=parent)
    other = workspace.run("digits", "other")
    os.makedirs(other.run_dir)
    write_json(other.sweep, {})
    assert find(workspace, "last").run_id == "run-1"
