"""`trainconf init --group`: a config group of a workspace's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.composition.compose import compose
from trainconf.control.workspace.init import Group, add_group
from trainconf.errors import StorageError, UserError
from trainconf.paths import WorkspacePaths


def test_its_choices_land_in_params(tmp_path: Path) -> None:
    assert add_group(str(tmp_path), Group("model", ["resnet", "vit"])).made == ["conf/model/resnet.yaml", "conf/model/vit.yaml"]
    (tmp_path / "conf" / "experiment").mkdir()
    text = "# @package _global_\ndefaults:\n  - /model: resnet\n  - _self_\nexperiment_name: mine\ncommand: 'true'\n"
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(text)
    found = compose(["experiment=mine", "model=vit"], WorkspacePaths(str(tmp_path)))
    assert found.config["params"] == {"model": {"name": "vit"}}


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    add_group(str(tmp_path), Group("model", ["resnet"]))
    (tmp_path / "conf/model/resnet.yaml").write_text("mine")
    assert add_group(str(tmp_path), Group("model", ["resnet", "vit"])).kept == ["conf/model/resnet.yaml"]
    assert (tmp_path / "conf/model/resnet.yaml").read_text() == "mine"


def test_all_names_that_cannot_be_are_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        Group("../up", ["a b", "good"])
    assert len(caught.value.mistakes) == 2


def test_trainconfs_own_groups_are_not_added_to() -> None:
    with pytest.raises(UserError, match="compute is a group of trainconf's own"):
        Group("compute", ["mine"])


def test_a_folder_that_cannot_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("a file")
    with pytest.raises(StorageError):
        add_group(str(tmp_path), Group("model", ["resnet"]))
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]
