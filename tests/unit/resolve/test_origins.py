"""Every value knows who wrote it last: the schema, a line of a file, or a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainconf.composition.change import change
from trainconf.composition.compose import compose
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.origins import DEFAULT, Origins, leaves

EXPERIMENT = """\
# @package _global_
defaults:
  - override /env: current
  - _self_
experiment_name: mine
script: train.py
params:
  lr: 0.1
  optim: {name: sgd, momentum: 0.9}
  layers:
    - 8
    - 4
"""


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(EXPERIMENT)
    (folder / "later.yaml").write_text("# @package _global_\ndefaults:\n  - mine\n  - _self_\nparams:\n  optim:\n    name: adam\n")
    (tmp_path / "conf" / "local.yaml").write_text("# @package _global_\ngrace_seconds: 3\n")
    return WorkspacePaths(str(tmp_path))


def test_a_value_of_a_file_names_its_line(workspace: WorkspacePaths) -> None:
    composed = compose(["experiment=mine"], workspace)
    assert composed.origins["params.lr"] == "conf/experiment/mine.yaml:8"
    assert composed.origins["params.optim.momentum"] == "conf/experiment/mine.yaml:9"
    assert composed.origins["params.layers"] == "conf/experiment/mine.yaml:10"
    assert composed.origins["grace_seconds"] == "conf/local.yaml:2"
    assert composed.origins["retries"] == DEFAULT
    assert composed.origins["env.name"] == "shipped conf/env/current.yaml:6"


def test_the_later_file_wins_and_what_it_does_not_set_keeps_its_origin(workspace: WorkspacePaths) -> None:
    composed = compose(["experiment=later"], workspace)
    assert composed.origins["params.optim.name"] == "conf/experiment/later.yaml:7"
    assert composed.origins["params.optim.momentum"] == "conf/experiment/mine.yaml:9"


LATER = {
    "null over a mapping": ("optim: null", {"optim": 5}),
    "a text over a mapping": ("optim: adam", {"optim": 5}),
    "an empty mapping over a mapping": ("optim: {}", {"optim.name": 9, "optim.momentum": 9}),
    "a value still to be given": ("lr: ???", {"lr": 8}),
    "a value within": ("optim: {name: adam}", {"optim.name": 5, "optim.momentum": 9}),
    "a list over a list": ("layers: [1]", {"layers": 5}),
    "by a merge": ("<<: {lr: 7}", {"lr": 5}),
}


@pytest.mark.parametrize("case", LATER)
def test_a_file_that_comes_later_is_told_where_it_sets_a_value_and_only_there(case: str, workspace: WorkspacePaths) -> None:
    text, lines = LATER[case]
    (Path(workspace.conf) / "experiment/again.yaml").write_text(f"# @package _global_\ndefaults:\n- mine\nparams:\n  {text}\n")
    found = compose(["experiment=again"], workspace)
    for key, line in lines.items():
        name = "again" if line == 5 else "mine"
        assert found.origins[f"params.{key}"] == f"conf/experiment/{name}.yaml:{line}"
    assert {key for key in found.origins if key.startswith("params.")} == {f"params.{key}" for key, _ in leaves(found.config["params"])}


def test_a_value_still_to_be_given_is_told_from_where_it_stands(workspace: WorkspacePaths) -> None:
    (Path(workspace.conf) / "experiment/open.yaml").write_text("# @package _global_\ndefaults:\n- mine\nparams:\n  new: ???\n")
    with pytest.raises(ConfigError, match=r"params\.new has no value") as caught:
        compose(["experiment=open"], workspace)
    assert "conf/experiment/open.yaml:5" in caught.value.render()
    assert compose(["experiment=open", "params.new=1"], workspace).origins["params.new"] == "command line: params.new=1"


def test_the_last_word_wins_with_all_that_it_sets(workspace: WorkspacePaths) -> None:
    words = ["experiment=mine", "params.lr=0.2", "params.lr=0.3", "params.optim={name:adam}", "+params.new={a:{b:1}}"]
    composed = compose(words, workspace)
    assert composed.origins["params.lr"] == "command line: params.lr=0.3"
    assert composed.origins["params.optim.name"] == "command line: params.optim={name:adam}"
    assert composed.origins["params.optim.momentum"] == "conf/experiment/mine.yaml:9"  # Hydra merges mappings
    assert composed.origins["params.new.a.b"] == "command line: +params.new={a:{b:1}}"


def test_a_rerun_keeps_the_origins_of_then_and_adds_its_own(workspace: WorkspacePaths) -> None:
    then = compose(["experiment=mine", "params.lr=0.2"], workspace)
    now = change(then, ["params.optim.name=adam"], workspace)
    assert now.origins["params.lr"] == "command line: params.lr=0.2"
    assert now.origins["params.optim.name"] == "command line: params.optim.name=adam"
    assert now.origins["params.optim.momentum"] == "conf/experiment/mine.yaml:9"
    assert now.overrides == ["experiment=mine", "params.lr=0.2", "params.optim.name=adam"]


def test_changing_nothing_changes_nothing(workspace: WorkspacePaths) -> None:
    then = compose(["experiment=mine", "+params.text='$\\{a} \\\\'", "+env.variables.T=${secret:A}"], workspace)
    now = change(then, [], workspace)
    assert (now.config, now.origins) == (then.config, then.origins)


KEY = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join)


@given(st.lists(st.tuples(KEY, st.integers(0, 9)), max_size=8))
def test_of_all_writers_the_last_one_is_told(writes: list[tuple[str, int]]) -> None:
    origins = Origins()
    tree: dict[str, tuple[int, str]] = {}
    for number, (key, value) in enumerate(writes):
        word = f"{key}={value}#{number}"
        origins.add_value(key, f"command line: {word}", value)
        tree = {other: seen for other, seen in tree.items() if not other.startswith(f"{key}.")}
        tree[key] = (number, word)
    for key, (_, word) in tree.items():
        assert origins.of(key) == f"command line: {word}"
        below = f"{key}.z.z"
        assert origins.of(below) == f"command line: {word}"


@given(st.recursive(st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3), max_leaves=6))
def test_the_leaves_of_a_tree_are_all_its_values(tree: object) -> None:
    found = dict(leaves({"root": tree}))
    for key, value in found.items():
        node: object = {"root": tree}
        for part in key.split("."):
            assert isinstance(node, dict)
            node = node[part]
        assert node == value
