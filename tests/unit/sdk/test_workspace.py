"""A workspace is found from a folder upwards; where there is none, the message says how to make one."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf import ComputeTarget, Experiment, ScriptRunConfig, Workspace
from trainconf.errors import UserError


def test_it_is_found_from_a_folder_upwards(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert Workspace() == Workspace.from_config(tmp_path / "train.py") == Workspace.from_config(path=tmp_path) == ws
    assert (Workspace().root, Workspace().name) == (str(tmp_path), tmp_path.name)


def test_outside_of_any_the_message_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"Workspace\.create"):
        Workspace()
    assert list(tmp_path.iterdir()) == []
    assert Workspace.create(tmp_path / "new").root == str(tmp_path / "new")


def test_wrong_paths_are_refused(tmp_path: Path) -> None:
    for wrong in (3, "", str(tmp_path / "missing")):
        with pytest.raises(UserError):
            Workspace(wrong)  # type: ignore[arg-type]


def test_compute_targets_are_the_choices_of_compute(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "conf" / "compute" / "slurm").mkdir(parents=True)
    (tmp_path / "conf" / "compute" / "slurm" / "gpu.yaml").write_text("defaults:\n  - /schema/compute/slurm@_here_\n  - _self_\n")
    assert {"docker", "local", "slurm", "slurm/gpu"} <= set(ws.compute_targets)
    with pytest.raises(UserError, match="did you mean 'slurm'"):
        ComputeTarget(ws, "slrum")


def test_experiments_are_those_with_runs(ws: Workspace, tmp_path: Path) -> None:
    assert ws.experiments == {}
    (tmp_path / "runs" / "first").mkdir(parents=True)
    assert ws.experiments == {"first": Experiment(ws, "first")}


def test_a_current_folder_that_was_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for call in (Workspace, Workspace.create, lambda: ScriptRunConfig(".", "train.py")):
        with pytest.raises(UserError, match="the current folder was removed"):
            call()
