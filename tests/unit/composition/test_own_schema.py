"""A schema of the workspace's own types a group of its own: it is read and never run, and refuses as our own schemas do."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.composition.change import change
from trainconf.composition.compose import compose
from trainconf.composition.sweep.trial import TrialComposer
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed

SCHEMA = """
import a_module_that_is_not_here
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Optional
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

class Act(Enum):
    relu = 1
    gelu = 2

@dataclass
class Head:
    size: int = 10
    bias: bool = True

@dataclass
class Model:
    name: str = MISSING
    depth: int = field(default=18, metadata={"minimum": 1})  # number of layers
    act: Act = Act.relu
    kind: "Literal['a', 'b']" = "a"
    drop: Optional[float] = None
    widths: list[int] = field(default_factory=lambda: [64])
    head: Head = field(default_factory=Head)

@dataclass
class Vit(Model):
    heads: int | None = 8

ConfigStore.instance().store(name="model", node=Model)
open("ran", "w").close()
"""
WORDS = ["experiment=mine"]
KEYS = "name, depth, act, kind, drop, widths, head.size, head.bias"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkspacePaths:
    monkeypatch.chdir(tmp_path)
    files = {
        "experiment/mine.yaml": (
            "# @package _global_\ndefaults:\n  - /model: resnet\n  - override /env: current\n  - _self_\n"
            "experiment_name: mine\nscript: t.py\n"
        ),
        "model/resnet.yaml": "# @package params.model\nname: resnet\n", "model/vit.yaml": "# @package params.model\nname: vit\ndepth: 12\n",
        "model/_schema.py": SCHEMA,
    }  # fmt: skip
    for name, text in files.items():
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return WorkspacePaths(str(tmp_path))


def composed(workspace: WorkspacePaths, *words: str) -> Composed:
    return compose([*WORDS, *words], workspace)


def told(workspace: WorkspacePaths, *words: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        composed(workspace, *words)
    return [mistake.render() for mistake in caught.value.mistakes]


def test_each_choice_has_the_schema_of_its_name_or_of_its_group_and_no_code_of_the_file_runs(workspace: WorkspacePaths) -> None:
    of_resnet, of_vit = composed(workspace), composed(workspace, "model=vit")
    assert of_resnet.config["params"]["model"] == {
        "name": "resnet", "depth": 18, "act": "relu", "kind": "a", "drop": None, "widths": [64], "head": {"size": 10, "bias": True},
    }  # fmt: skip
    assert of_vit.config["params"]["model"] == {**of_resnet.config["params"]["model"], "name": "vit", "depth": 12, "heads": 8}
    assert of_vit.origin("params.model.depth") == "conf/model/vit.yaml:3"
    assert not Path("ran").exists()


WRONG = {
    "params.model.depth=abc": ("params.model.depth cannot be 'abc'", "integer >= 1", "number of layers"),
    "params.model.depth=0": ("params.model.depth cannot be 0", "integer >= 1"),
    "params.model.act=tanh": ("params.model.act cannot be 'tanh'", "relu or gelu"),
    "params.model.kind=c": ("params.model.kind cannot be 'c'", "a or b"),
    "params.model.widths=[1,a]": ("params.model.widths", "list of integer"),
    "params.model.widths=3": ("params.model.widths cannot be 3", "list of integer"),
    "params.model.head.size=x": ("params.model.head.size cannot be 'x'", "integer"),
    "params.model.dept=3": ("params.model.dept is not in the schema Model", "params.model.depth (integer >= 1)", KEYS, "_schema.py:19"),
    "+params.model.dept=3": ("params.model.dept is not in the schema Model", "params.model.depth (integer >= 1)", KEYS),
    "+params.model.head.siz=3": ("params.model.head.siz is not in the schema", "params.model.head.size (integer)"),
    "params.model={name: x, dept: 3}": ("params.model.dept is not in the schema Model", "params.model.depth"),
    "params.model.heads=4": ("params.model.heads is not in the schema Model",),
    "params.model.name=???": ("params.model.name has no value",),
}


@pytest.mark.parametrize("word", WRONG)
def test_what_a_schema_does_not_allow_is_told_with_its_place(word: str, workspace: WorkspacePaths) -> None:
    (text,) = told(workspace, word)
    for part in (*WRONG[word], word.partition("=")[0].lstrip("+")):
        assert part in text


def test_a_file_is_held_to_it_too_and_all_its_mistakes_are_told(workspace: WorkspacePaths) -> None:
    Path("conf/model/vit.yaml").write_text("# @package params.model\ndepth: deep\nact: tanh\nhaeds: 3\n")
    texts = "\n".join(told(workspace, "model=vit"))
    for part in ("params.model.depth cannot be 'deep'", "conf/model/vit.yaml:2", "vit.yaml:3", "vit.yaml:4", "params.model.heads (integer"):
        assert part in texts


def test_a_trial_and_a_changed_record_are_held_to_it(workspace: WorkspacePaths) -> None:
    composer = TrialComposer(WORDS, workspace)
    assert composer.at({"params.model.depth": 3}).config["params"]["model"]["depth"] == 3
    with pytest.raises(ConfigError, match=r"params\.model\.depth cannot be 'x'"):
        composer.at({"params.model.depth": "x"})
    record = composed(workspace)
    assert change(record, ["params.model.depth=5"], workspace).config["params"]["model"]["depth"] == 5
    with pytest.raises(ConfigError, match=r"params\.model\.dept is not in the schema Model"):
        change(record, ["+params.model.dept=5"], workspace)


def test_a_record_stands_although_the_schema_is_another_today(workspace: WorkspacePaths) -> None:
    record = composed(workspace)
    Path("conf/model/_schema.py").write_text("from dataclasses import dataclass\n@dataclass\nclass Model:\n    width: int = 1\n")
    changed = change(record, ["params.model.depth=5"], workspace)
    assert changed.config["params"]["model"] == {**record.config["params"]["model"], "depth": 5}


def test_a_group_chosen_twice_is_typed_in_both_places(workspace: WorkspacePaths) -> None:
    assert composed(workspace, "+model@params.teacher=vit").config["params"]["teacher"]["heads"] == 8
    assert "params.teacher.depth cannot be 'x'" in told(workspace, "+model@params.teacher=vit", "params.teacher.depth=x")[0]


HEAD = "from dataclasses import dataclass\n@dataclass\n"
UNREADABLE = {
    "class Model(:\n": ("not Python", "_schema.py:1"),
    HEAD + "class Other:\n    x: int = 1\n": ("no dataclass for model=resnet", "Other", "class Resnet or class Model"),
    HEAD + "class Model(Base):\n    x: int = 1\n": ("Base", "_schema.py:3"),
    HEAD + "class Model:\n    x: Tensor = 1\n": ("it cannot be a Tensor", "_schema.py:4", "dict[str, ...]"),
    HEAD + "class Model:\n    x: tuple[int, int] = (1, 2)\n": ("tuple[int, int]", "_schema.py:4"),
    HEAD + "class Model:\n    x: int = read()\n": ("read() is not written out", "_schema.py:4"),
    HEAD + "class Model:\n    x: int = 'a'\n": ("'a'", "_schema.py:4"),
    HEAD + "class Model:\n    x: 'int of' = 1\n": ("int of", "_schema.py:4"),
    HEAD + "class Model:\n    x: int = field(default=1, metadata=3)\n": ("metadata cannot be 3", "_schema.py:4"),
    HEAD + "class Model:\n    x: int = field(default=1, metadata={'minimum': 'a'})\n": ("minimum", "_schema.py:4"),
    "\0": ("a schema ", "null bytes", "_schema.py"),
}


@pytest.mark.parametrize("text", UNREADABLE)
def test_a_schema_that_cannot_be_read_is_told_with_its_line(text: str, workspace: WorkspacePaths) -> None:
    Path("conf/model/_schema.py").write_text(text)
    (found,) = told(workspace)
    for part in UNREADABLE[text]:
        assert part in found


def test_a_schema_of_values_that_are_no_params_is_told(workspace: WorkspacePaths) -> None:
    Path("conf/model/resnet.yaml").write_text("# @package _global_\nparams:\n  x: 1\n")
    (found,) = told(workspace)
    assert "types model=resnet, whose values are no mapping below params" in found
    assert "# @package params.model" in found


GROUPS = {
    "modl=vit": "nearest  model=vit", "+modl=vt": "nearest  model=vit", "++modl=vit": "nearest  model=vit", "~modl": "nearest  ~model",
    "modl@params.teacher=vit": "nearest  +model@params.teacher=vit", "modl=xyz": "nearest  model=CHOICE",
    "compue=slurm": "nearest  compute=slurm", "sweep/polcy=asha": "nearest  sweep/policy=asha", "model=vitt": "nearest  model=vit",
    "experiment_nam=x": "nearest  experiment_name", "retrie=3": "nearest  retries",
}  # fmt: skip


@pytest.mark.parametrize("word", GROUPS)
def test_a_mistyped_group_is_answered_with_the_nearest_word(word: str, workspace: WorkspacePaths) -> None:
    (found,) = told(workspace, word)
    assert GROUPS[word] in found
    assert f"command line: {word}" in found


@pytest.mark.parametrize("keyword", ["", "override "])
def test_so_is_one_in_a_defaults_list(keyword: str, workspace: WorkspacePaths) -> None:
    path = Path("conf/experiment/mine.yaml")
    path.write_text(path.read_text().replace("/model", "/modl").replace("- /modl", f"- {keyword}/modl").replace("  - _self_\n", ""))
    (found,) = told(workspace)
    assert "there is no config group modl" in found
    assert "conf/experiment/mine.yaml:3" in found
    assert f"- {keyword}/model: resnet" in found
