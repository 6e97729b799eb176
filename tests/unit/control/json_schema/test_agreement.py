"""The JSON Schemas say of a config file what the composer says of it.

A schema never refuses what the composer takes. It takes what the composer refuses only where no schema can know better: a value that is
still to come (`???`, `${...}`), and the range of a number that is written as text.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from trainconf import schema
from trainconf.composition.compose import compose
from trainconf.control.json_schema.workspace import FileSchema, schemas
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths, packaged

FEW = with_settings(max_examples=40, phases=[Phase.explicit, Phase.generate], deadline=None,
                    suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
OPEN = ("???", "${oc.env:TRAINCONF_NOT_SET}", "${params}", "${env.name}")  # what it is shows when it is composed
TEXT_NUMBERS = ("3", "-3", "0.5", "1e-4", "1_000")
VALUES = [*OPEN, *TEXT_NUMBERS, -1, 0, 1, 7, 0.5, -0.5, True, False, None, "yes", "Off", "word", "", [], ["a"], [1, 0.5], [{"a": 1}],
          [None], {}, {"a": "b"}, {"a": 1, "b": None}, {"a": {"b": [1]}}, {"a": "${params}"}]  # fmt: skip
KINDS = [(group, kind) for group, known in schema.GROUPS.items() for kind in known.schemas if group != "sweep/policy"]
OWN = """
from dataclasses import dataclass, field
from typing import Literal, Optional

@dataclass
class Head:
    size: int = 10

@dataclass
class Model:
    name: str
    depth: int = field(default=18, metadata={"minimum": 1, "maximum": 200})  # number of layers
    act: Literal["relu", "gelu"] = "relu"
    width: Literal[1, 2] = 1
    drop: Optional[float] = None
    widths: list[int] = field(default_factory=lambda: [64])
    head: Head = field(default_factory=Head)
    tags: dict[str, str] = field(default_factory=dict)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "model").mkdir()
    (tmp_path / "conf" / "model" / "_schema.py").write_text(OWN)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("# @package params.model\nname: mine\n")
    (tmp_path / "conf" / "experiment" / "x.yaml").touch()
    return WorkspacePaths(str(tmp_path))


MADE: dict[str, list[FileSchema]] = {}  # by workspace: what a file holds does not change them


class Both:
    """A file, as an editor and as the composer see it."""

    def __init__(self, workspace: WorkspacePaths, name: str, first_line: str, words: list[str]) -> None:
        self._workspace, self._words, self._first_line = workspace, words, first_line
        self._path = Path(workspace.conf) / name
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()
        if workspace.root not in MADE:
            MADE[workspace.root] = schemas(workspace)
        of = next(each for each in MADE[workspace.root] if each.is_for(f"conf/{name}"))
        self._validator = jsonschema.Draft7Validator(of.content)

    def agree(self, content: dict[str, Any], *, may_be_open: bool = False) -> None:
        self._path.write_text(f"{self._first_line}\n{yaml.safe_dump(content, sort_keys=False)}")
        squiggles = [f"{error.json_path}: {error.message[:300]}" for error in self._validator.iter_errors(json.loads(json.dumps(content)))]
        try:
            compose(self._words, self._workspace)
            refusal = ""
        except ConfigError as error:
            refusal = error.render()
        assert not (squiggles and not refusal), f"only the schema refuses {content}: {squiggles}"
        assert not (refusal and not squiggles and not may_be_open), f"only the composer refuses {content}: {refusal}"


def paths_of(kind: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every setting of a dataclass, of its parts too, and of one that it does not have."""
    for field in dataclasses.fields(kind):
        yield (*before, field.name)
        if dataclasses.is_dataclass(field.default_factory):
            yield from paths_of(field.default_factory, (*before, field.name))
    yield (*before, "not_a_setting")


def values_of(path: tuple[str, ...]) -> st.SearchStrategy[tuple[tuple[str, ...], Any]]:
    known = [choice for group in schema.GROUPS.values() for kind in group.schemas.values() for field in dataclasses.fields(kind)
             if field.name == path[-1] for choice in field.metadata.get("choices", ())]  # fmt: skip
    return st.tuples(st.just(path), st.sampled_from([*VALUES, *known]))


def tree(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for part in reversed(path):
        value = {part: value}
    return value  # type: ignore[no-any-return]


def is_open(value: Any) -> bool:
    return value in TEXT_NUMBERS or any(later in json.dumps(value) for later in OPEN)


TOP = [path for path in paths_of(schema.Config) if path[0] not in ("compute", "env", "distributed", "sweep")]


@FEW
@given(chosen=st.sampled_from(TOP).flatmap(values_of))
@example(chosen=(("argument_style",), "hydra"))
@example(chosen=(("metric",), None))
@example(chosen=(("retries",), True))
def test_a_top_level_setting_of_an_experiment(workspace: WorkspacePaths, chosen: tuple[tuple[str, ...], Any]) -> None:
    both = Both(workspace, "experiment/x.yaml", "# @package _global_", ["experiment=x"])
    both.agree({"defaults": ["_self_"], "experiment_name": "x", **tree(*chosen)}, may_be_open=is_open(chosen[1]))


def of_kind(of: tuple[str, str]) -> st.SearchStrategy[tuple[tuple[str, str], tuple[tuple[str, ...], Any]]]:
    kind = schema.GROUPS[of[0]].schemas[of[1]]
    return st.tuples(st.just(of), st.sampled_from([path for path in paths_of(kind) if path[0] != "policy"]).flatmap(values_of))


@FEW
@given(drawn=st.sampled_from(KINDS).flatmap(of_kind))
def test_a_setting_of_a_group_that_an_experiment_chooses(workspace: WorkspacePaths, drawn: Any) -> None:
    (group, kind), (path, value) = drawn
    both = Both(workspace, "experiment/x.yaml", "# @package _global_", ["experiment=x"])
    chosen = "minimal" if group == "env" else kind
    content = {"defaults": [{f"override /{group}": chosen}, "_self_"], "experiment_name": "x", group: tree(path, value)}
    both.agree(content, may_be_open=is_open(value))


@FEW
@given(drawn=st.sampled_from([*KINDS, *(("sweep/policy", kind) for kind in schema.GROUPS["sweep/policy"].schemas)]).flatmap(of_kind))
def test_a_setting_in_a_choice_of_a_group(workspace: WorkspacePaths, drawn: Any) -> None:
    (group, kind), (path, value) = drawn
    both = Both(workspace, f"{group}/mine.yaml", "#", [f"{group}=mine", "experiment=adhoc"])
    both.agree({"defaults": [f"/schema/{group}/{kind}@_here_", "_self_"], **tree(path, value)}, may_be_open=is_open(value))


@FEW
@given(path=st.sampled_from([("depth",), ("act",), ("width",), ("drop",), ("widths",), ("head",), ("head", "size"), ("tags",), ("dept",)]),
       value=st.sampled_from([*VALUES, "relu", "gelu", 201]))  # fmt: skip
def test_a_setting_in_a_choice_of_a_group_with_a_schema_of_its_own(workspace: WorkspacePaths, path: tuple[str, ...], value: Any) -> None:
    both = Both(workspace, "model/mine.yaml", "# @package params.model", ["+model=mine", "experiment=adhoc"])
    both.agree({"name": "mine", **tree(path, value)}, may_be_open=is_open(value))


@pytest.mark.parametrize("item", [
    "digits", "/experiment/digits", "digitz", {"override /env": "current"}, {"override /env": "curent"}, {"override env": "current"},
    {"override /envv": "current"}, {"/model": "mine"}, {"/model": "yours"}, {"/model@params.teacher": "mine"}, {"optional /model": "yours"},
    {"override /sweep": "random"}, {"override /sweep/policy": "bandit"}, {"override /sweep/policy": "bandits"}, {"/model": None}, 3,
    {"override /env": 3}, {"override /env": "current", "override /sweep": "random"}, {"/model": ["mine"]},
])  # fmt: skip
def test_an_item_of_a_defaults_list(workspace: WorkspacePaths, item: Any) -> None:
    both = Both(workspace, "experiment/x.yaml", "# @package _global_", ["experiment=x"])
    both.agree({"defaults": [item, "_self_"], "experiment_name": "x"})


def test_what_is_shipped_has_no_squiggle() -> None:
    found = schemas(WorkspacePaths(packaged()))
    seen = 0
    for of in found:
        jsonschema.Draft7Validator.check_schema(of.content)
    for path in Path(packaged("conf")).rglob("*.yaml"):
        name = path.relative_to(packaged()).as_posix()
        for of in [each for each in found if each.is_for(name)]:
            seen += 1
            errors = jsonschema.Draft7Validator(of.content).iter_errors(yaml.safe_load(path.read_text()))
            assert [error.message for error in errors] == [], name
    assert seen > 30


@pytest.mark.parametrize("word", [{"timeout_min": 5}, {"slurm_partition": "gpu"}, {"mem_gb": 2}, {"slurm_partitionn": "gpu"}])
@pytest.mark.parametrize("target", ["local", "slurm"])
def test_submitits_words_under_compute(workspace: WorkspacePaths, target: str, word: dict[str, Any]) -> None:
    both = Both(workspace, "experiment/x.yaml", "# @package _global_", ["experiment=x"])
    both.agree({"defaults": [{"override /compute": target}, "_self_"], "experiment_name": "x", "compute": word})
