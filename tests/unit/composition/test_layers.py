"""Values that a program gives: what goes in comes out, and what is wrong is told with its source."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainconf.composition import cache
from trainconf.composition.compose import compose
from trainconf.composition.layers import Layer, escaped
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.origins import leaves

EXPERIMENT = """\
# @package _global_
defaults:
  - override /env: current
  - _self_
experiment_name: mine
script: train.py
params: {lr: 0.1, again: "${params.text}", around: "<${params.text}>", text: none}
"""
SOURCE = "submit.py:12"
TEXT = st.one_of(
    st.text(max_size=12),
    st.text("${}\\'\"\n.: ?a", max_size=12),
    st.sampled_from([
        "???", "${params.lr}", "${oc.env:HOME}", "\\${x}", "a\\\\${x", "${", "null", "1e-3", "true", "", "line\nline", "$\\{x}", "{a: 1}",
    ]),
)  # fmt: skip
SCALAR = st.one_of(TEXT, st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False))
VALUE = st.recursive(
    SCALAR, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3)),
    max_leaves=8,
)  # fmt: skip
NEW_KEYS = st.dictionaries(st.text(min_size=1, max_size=6).map(lambda text: f"new {text}"), VALUE, max_size=4)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> WorkspacePaths:
    root = tmp_path_factory.mktemp("layers")
    (root / "conf/experiment").mkdir(parents=True)
    (root / "conf/experiment/mine.yaml").write_text(EXPERIMENT)
    return WorkspacePaths(str(root))


def composed(workspace: WorkspacePaths, *overrides: str, **values: Any) -> Composed:
    return compose(["experiment=mine", *overrides], workspace, layers=[Layer(SOURCE, values)])


def test_what_goes_in_comes_out(workspace: WorkspacePaths) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(NEW_KEYS, st.dictionaries(st.text("abc", min_size=1), TEXT, max_size=3), TEXT, st.lists(SCALAR, max_size=3))
    def check(params: dict[str, Any], tags: dict[str, str], name: str, arguments: list[Any]) -> None:
        found = composed(workspace, params=params, tags=tags, display_name=name, arguments=arguments)
        assert {key: found.config["params"][key] for key in params} == params
        assert (found.config["tags"], found.config["display_name"], found.config["arguments"]) == (tags, name, arguments)
        assert {found.origins[key] for key, _ in leaves(params, "params") if params} <= {SOURCE}

    check()


@pytest.mark.parametrize("text", ["${params.lr}", "???", "a ${x} b", "\\${x}", "two\nlines", "\"'\""])
def test_a_file_that_refers_to_a_value_gets_it_as_it_is(text: str, workspace: WorkspacePaths) -> None:
    config = composed(workspace, params={"text": text}).config
    assert config["params"] == {"lr": 0.1, "again": text, "around": f"<{text}>", "text": text}


def test_layers_come_after_files_and_before_overrides(workspace: WorkspacePaths) -> None:
    layers = [Layer("a.py:1", {"params": {"lr": 1, "text": "a"}, "retries": 1}), Layer("b.py:2", {"params": {"text": "b"}, "retries": 2})]
    found = compose(["experiment=mine", "retries=3", "compute=docker"], workspace, layers=layers)
    assert (found.config["params"]["lr"], found.config["params"]["text"], found.config["retries"]) == (1, "b", 3)
    told = [found.origins[key] for key in ("params.lr", "params.text", "retries", "script")]
    assert told == ["a.py:1", "b.py:2", "command line: retries=3", "conf/experiment/mine.yaml:6"]
    assert (found.choices["compute"], found.overrides) == ("docker", ["experiment=mine", "retries=3", "compute=docker"])


def test_a_layer_may_set_what_only_a_group_has(workspace: WorkspacePaths) -> None:
    found = composed(workspace, "compute=slurm", compute={"partition": "${x}", "sbatch": {"gres": "shard:2"}})
    assert found.config["compute"]["partition"] == "${x}"
    assert found.origins["compute.sbatch.gres"] == SOURCE


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a type": ({"retries": "many"}, ["retries cannot be 'many'", "integer >= 0"]),
    "a text that stays as it is": ({"retries": "${x}"}, ["retries cannot be '${x}'"]),
    "a range": ({"retries": -1}, ["retries cannot be -1"]),
    "no setting": ({"retires": 1}, ["retires is not a setting", "nearest", "retries"]),
    "no setting of the target": ({"compute": {"partition": "p"}}, ["compute.partition is not a setting", "compute=slurm"]),
    "a group": ({"compute": "docker"}, ["compute is a group of settings, not a value"]),
    "not finite": ({"params": {"x": float("inf")}}, ["params.x cannot be inf"]),
    "an object": ({"params": {"x": [Path("/")]}}, ["params.x cannot be a PosixPath"]),
    "a key": ({"params": {"x": {1: 2}}}, ["params.x cannot be a mapping with the key 1"]),
    "a secret": ({"params": {"x": "${secret:A}"}}, ["params.x holds a secret"]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_told_with_its_source(wrong: str, workspace: WorkspacePaths) -> None:
    values, told = WRONG[wrong]
    with pytest.raises(ConfigError) as caught:
        composed(workspace, **values)
    message = caught.value.render()
    assert [part for part in [*told, SOURCE] if part not in message] == []


def test_all_mistakes_of_layers_and_overrides_are_told_together(workspace: WorkspacePaths) -> None:
    with pytest.raises(ConfigError) as caught:
        composed(workspace, "grace_seconds=-1", retries="many", nosuch=1)
    assert len(caught.value.mistakes) == 3


def test_a_secret_in_a_variable_stays_a_reference(workspace: WorkspacePaths) -> None:
    assert composed(workspace, env={"variables": {"A": "${secret:TOKEN}"}}).config["env"]["variables"] == {"A": "${secret:TOKEN}"}


def test_importing_layers_loads_no_hydra() -> None:
    import subprocess

    code = "import sys, trainconf.composition.layers; print({'hydra', 'omegaconf'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_layer_that_is_written_as_a_config_file_refers_to_other_values(workspace: WorkspacePaths) -> None:
    layer = Layer(SOURCE, {"command": "train --lr ${params.lr} \\${HOME}", "script": None}, is_config=True)
    found = compose(["experiment=mine", "params.lr=2"], workspace, layers=[layer])
    assert found.config["command"] == "train --lr 2 ${HOME}"
    assert found.origins["command"] == SOURCE


def test_the_cache_tells_a_layer_of_texts_from_one_that_refers(workspace: WorkspacePaths) -> None:
    values = {"params": {"text": "${params.lr}"}}
    texts = [cache.compose(["experiment=mine"], workspace, layers=[Layer(SOURCE, values, flag)]).config["params"]["text"]
             for flag in (False, True, False)]
    assert texts == ["${params.lr}", 0.1, "${params.lr}"]


def test_any_text_can_be_written_as_a_config_file_has_it(workspace: WorkspacePaths) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(TEXT.filter(lambda text: text != "???"))
    def check(text: str) -> None:
        layer = Layer(SOURCE, {"params": {"text": escaped(text)}}, is_config=True)
        assert compose(["experiment=mine"], workspace, layers=[layer]).config["params"]["text"] == text

    check()
