"""Every file name once, and the workspace found from wherever one stands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainconf.paths import RunPaths, WorkspacePaths, find_workspace, is_inside, packaged


def test_all_files_of_a_run_are_in_its_folder_and_differ() -> None:
    paths = RunPaths("/w/runs/e/e-1")
    properties = {name for name in dir(RunPaths) if isinstance(getattr(RunPaths, name), property)} - {"run_id", "workspace", "is_sweep"}
    names = [getattr(paths, name) for name in properties]
    assert all(name.startswith("/w/runs/e/e-1/") for name in names)
    assert len(set(names)) == len(names)
    assert paths.run_id == "e-1"
    assert [os.path.basename(paths.log(rank)) for rank in (0, 1, 12)] == ["std_log.txt", "std_log_rank_1.txt", "std_log_rank_12.txt"]


@pytest.mark.parametrize("mark", [".trainconf", "conf/experiment", "conf/config.yaml", "conf/local.yaml", "conf/trainconf"])
def test_a_workspace_is_found_from_below(mark: str, tmp_path: Path) -> None:
    (tmp_path / mark).mkdir(parents=True)
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_workspace(str(deep)).root == str(tmp_path)
    assert find_workspace(str(tmp_path)).root == str(tmp_path)


def test_the_nearest_workspace_wins_and_a_foreign_conf_is_none(tmp_path: Path) -> None:
    (tmp_path / ".trainconf").mkdir()
    (tmp_path / "a" / "conf" / "nginx").mkdir(parents=True)
    assert find_workspace(str(tmp_path / "a")).root == str(tmp_path)
    (tmp_path / "a" / ".trainconf").mkdir()
    assert find_workspace(str(tmp_path / "a" / "conf")).root == str(tmp_path / "a")


def test_a_folder_trainconf_in_conf_has_the_config_files_and_the_rest_is_an_apps(tmp_path: Path) -> None:
    assert WorkspacePaths(str(tmp_path)).conf == str(tmp_path / "conf")
    (tmp_path / "conf" / "trainconf").mkdir(parents=True)
    assert WorkspacePaths(str(tmp_path)).conf == str(tmp_path / "conf" / "trainconf")


def test_a_folder_in_no_workspace_is_one_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_workspace(".").root == str(tmp_path)


def test_bytes_that_are_no_text_survive(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    os.mkdir(name)
    assert os.fsencode(WorkspacePaths(find_workspace(name).root).run("e", "r").spec).endswith(b"/\xff/runs/e/r/spec.json")


@pytest.mark.parametrize(
    ("path", "inside"), [("/a/b", True), ("/a", True), ("/a/..b", True), ("/ab", False), ("/", False), ("/b/a", False)]
)
def test_what_lies_in_a_folder_is_told_by_whole_names(path: str, inside: bool) -> None:
    assert is_inside(path, "/a") is inside


def test_what_ships_is_found_beside_the_package() -> None:
    assert os.path.isfile(packaged("conf", "config.yaml"))
    assert os.path.isdir(packaged("projects", "digits"))


def test_a_run_knows_the_workspace_it_belongs_to() -> None:
    assert WorkspacePaths("/w").run("e", "e-1").workspace.root == "/w"
