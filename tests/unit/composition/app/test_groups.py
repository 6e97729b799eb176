"""Groups of a Hydra app in groups and by package: a param, a word and a trial all mean the same choice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from trainconf.control.compose import ComposeRequest, compose
from trainconf.control.sweeps.asked import read
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed

PROJECT = Path(__file__).parents[3] / "projects" / "scripts" / "hydra_nested"
DECODER = "model/head@model.decoder"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkspacePaths:
    shutil.copytree(PROJECT, tmp_path, dirs_exist_ok=True)
    experiment = tmp_path / "conf" / "trainconf" / "experiment" / "app.yaml"
    experiment.parent.mkdir(parents=True)
    experiment.write_text("# @package _global_\nexperiment_name: app\nhydra_app: {script: main.py}\n")
    monkeypatch.chdir(tmp_path)
    return WorkspacePaths(str(tmp_path))


def composed(workspace: WorkspacePaths, *texts: str) -> Composed:
    return compose(ComposeRequest(["experiment=app", *texts]), workspace)


def words(workspace: WorkspacePaths, *texts: str) -> list[str]:
    found: list[str] = composed(workspace, *texts).config["hydra_app"]["words"]
    return found


def test_a_choice_stands_beside_what_it_brings(workspace: WorkspacePaths) -> None:
    found = composed(workspace, "--", "model/encoder=vit", "db@source=pg", f"{DECODER}=mlp")
    params = found.config["params"]
    assert params["model"] == {
        "size": 1, "encoder": {"width": 3, "block": "vit"}, "encoder_choice": "vit", "decoder": {"kind": "mlp"}, "decoder_choice": "mlp",
    }  # fmt: skip
    assert [params["source_choice"], params["target"]["sink_choice"], params["model_choice"]] == ["pg", "mysql", "base"]
    assert [found.origins[f"params.{key}"] for key in ("model.encoder.width", "model.decoder.kind", "source.host")] == [
        "conf/model/encoder/vit.yaml:1", "conf/model/head/mlp.yaml:1", "conf/db/pg.yaml:1",
    ]  # fmt: skip


@pytest.mark.parametrize(("param", "word"), [
    ("params.model.encoder=vit", "model/encoder=vit"), ("params.model.decoder=mlp", f"{DECODER}=mlp"), ("params.source=pg", "db@source=pg"),
    ("params.target.sink=pg", "db@target.sink=pg"), ("params.model=base", "model=base"), ("params.extra=one", "extra=one"),
    ("++params.model.encoder=vit", "model/encoder=vit"), ("params.model.encoder.width=5", "model.encoder.width=5"),
    ("+params.db=pg", "+db=pg"), ("~params.source", "~db@source"), ("params.source.host=pg", "source.host=pg"),
    ("+params.model.note=vit", "+model.note=vit"),
])  # fmt: skip
def test_a_param_is_the_word_of_the_group_that_lands_there(workspace: WorkspacePaths, param: str, word: str) -> None:
    assert words(workspace, param) == [word]
    assert composed(workspace, param).config["params"] == composed(workspace, "--", word).config["params"]


def test_params_of_the_experiment_choose_groups_too(workspace: WorkspacePaths) -> None:
    path = Path(workspace.root, "conf", "trainconf", "experiment", "app.yaml")
    path.write_text(path.read_text() + "params: {source: pg, model: {encoder: vit, size: 4}}\n")
    assert words(workspace) == ["db@source=pg", "model/encoder=vit", "model.size=4"]


def test_a_key_that_only_a_chosen_group_has_needs_no_sign(workspace: WorkspacePaths) -> None:
    path = Path(workspace.root, "conf", "trainconf", "experiment", "app.yaml")
    path.write_text(path.read_text() + "params: {extra: one, only_of_one: 2}\n")
    assert words(workspace) == ["extra=one", "only_of_one=2"]


def trials(workspace: WorkspacePaths, *texts: str) -> list[list[str]]:
    """The values and the app's words of each trial of a grid."""
    asked = read(ComposeRequest(["experiment=app", *texts]), workspace)
    first, *rest = asked.specs
    assert not rest
    values = [int(text) if text.isdigit() else text for text in asked.specs[first].split(",")]
    return [asked.composer.at({first: value}).config["hydra_app"]["words"] for value in values]


@pytest.mark.parametrize("word", [
    "model/encoder=resnet,vit", f"{DECODER}=linear,mlp", "db@source=mysql,pg", "+db=mysql,pg", "+db@third=mysql,pg", "+new=1,2",
    "model.encoder.width=1,2", "++model.size=1,2", "extra=one,two",
])  # fmt: skip
def test_a_trial_has_the_word_as_it_was_typed(workspace: WorkspacePaths, word: str) -> None:
    key, _, values = word.partition("=")
    assert trials(workspace, "--", word) == [[f"{key}={value}"] for value in values.split(",")]


def test_a_searched_param_chooses_the_group(workspace: WorkspacePaths) -> None:
    assert trials(workspace, "params.source=mysql,pg") == [["db@source=mysql"], ["db@source=pg"]]


def test_two_packages_of_a_group_are_two_keys_of_a_sweep(workspace: WorkspacePaths) -> None:
    asked = read(ComposeRequest(["experiment=app", "--", "db@source=mysql,pg", "db@target.sink=mysql,pg"]), workspace)
    assert asked.specs == {"params.source": "mysql,pg", "params.target.sink": "mysql,pg"}


def test_a_typo_of_a_searched_key_is_told(workspace: WorkspacePaths) -> None:
    asked = read(ComposeRequest(["experiment=app", "--", "model/encodr=resnet,vit"]), workspace)
    with pytest.raises(ConfigError) as refused:
        asked.composer.at({"params.model.encodr": "resnet"})
    assert dict(refused.value.mistakes[0].facts)["nearest"] == "model/encoder"
