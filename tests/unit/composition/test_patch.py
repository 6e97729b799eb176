"""Plain overrides are read as Hydra reads them, and put into a composed config as composing anew would put them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainconf.composition import cache
from trainconf.composition import compose as cold
from trainconf.composition.hydra.loader import ConfigLoader
from trainconf.composition.layers import Layer
from trainconf.composition.patch import plain_overrides, read_plain
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed

PIECE = st.sampled_from([
    *"0123456789", "00", "12", "9" * 30, ".", "-", "+", "e", "E", "_", "/", "a", "x", "inf", "nan", "true", "False", "null", "None",
    "'", '"', "\\", "$", "{", "}", "[", ",", ":", "=", " ", "\t", "\n", "?", "???", "@",
    "%", "é", "٣", "²", "~", "#", "(", "int", "1e5", "\x00",
])  # fmt: skip
VALUE = st.one_of(
    st.lists(PIECE, max_size=6).map("".join), st.from_regex(r"-?[0-9]{0,3}\.?[0-9]{0,3}([eE][+-]?[0-9]{0,3})?", fullmatch=True),
    st.text(max_size=6), st.floats().map(repr), st.integers().map(str), st.text("abcXY_-./09", max_size=8),
    st.text(max_size=6).map("'{}'".format),
    st.sampled_from([
        "True", "FALSE", "Null", "nan", "-inf", "1e999", "0x1", "1_000", "01", "-0", "-0.0", ".5", "5.", "1.e5", "-.5e-3", "'???'",
    ]),
)  # fmt: skip
KEY = st.one_of(
    st.sampled_from(["params.a", "params.a.b", "+params.a", "++params.a-b", "tags.x_1"]),
    st.sampled_from(["params.a", "params.a.b", "+params.a", "++params.a-b", "tags.x_1"]),
    st.sampled_from(["params.a.0", "params.$a", "params.", "params..a", "~params.a"]),
    st.lists(st.sampled_from(["params", ".", "a", "-", "_", "0", "+", " ", "@", "/", "é"]), max_size=5).map("".join),
)  # fmt: skip


def test_what_is_read_is_what_hydras_grammar_reads(tmp_path: Path) -> None:
    loader = ConfigLoader([str(tmp_path)])
    read: list[bool] = []

    @settings(max_examples=6000, deadline=None, suppress_health_check=list(HealthCheck))
    @given(KEY, VALUE)
    def check(key: str, value: str) -> None:
        plain = read_plain(f"{key}={value}")
        read.append(plain is not None)
        if plain is None:
            return
        override = loader.parse(plain.text)
        found = override.value()
        assert (type(found), found, str(found)) == (type(plain.value), plain.value, str(plain.value))
        assert (override.key_or_group, override.package, override.is_sweep_override()) == (plain.key, None, False)
        assert (override.is_add(), override.is_force_add(), override.is_delete()) == (plain.sign == "+", plain.sign == "++", False)

    check()
    assert sum(read) > len(read) / 8, f"{sum(read)} of {len(read)} are read: the generator proves too little"


EVERYDAY = [
    "0.1", "1e-3", "-5", "true", "null", "adam", "'a b'", '"it\'s"', "resnet50", "data/train.csv", "3.",
    "[1]", "a,b", "${x}", "???", "'???'", "007", "a:b",
]  # fmt: skip


def test_everyday_values_are_read(tmp_path: Path) -> None:
    told = {value: plain.value for value in EVERYDAY if (plain := read_plain(f"params.x={value}")) is not None}
    assert told == {
        "0.1": 0.1, "1e-3": 0.001, "-5": -5, "true": True, "null": None, "adam": "adam", "'a b'": "a b", '"it\'s"': "it's",
        "resnet50": "resnet50", "data/train.csv": "data/train.csv", "3.": 3.0,
    }  # fmt: skip


@pytest.mark.parametrize("texts", [
    ["params.a=1", "params.a=2"], ["params={}", "params.a=1"], ["~params.a", "params.a=1"], ["params.a.b=1", "+params.a=[1]"],
    ["params.a=1", "++params.a={b:1}"], ["group.name=1"],
])  # fmt: skip
def test_overrides_that_meet_are_left_to_hydra(texts: list[str], tmp_path: Path) -> None:
    assert plain_overrides(texts, [str(tmp_path)]) == {}


def test_a_config_group_with_a_dot_in_its_name_is_left_to_hydra(tmp_path: Path) -> None:
    (tmp_path / "params.a").mkdir()
    assert plain_overrides(["params.a=1"], [str(tmp_path)]) == {}


FILES = {
    "experiment/mine.yaml": """\
# @package _global_
defaults:
  - /schema/compute/local@params.machine
  - _self_
  - override /env: current
experiment_name: mine
script: train.py
params:
  lr: 0.1
  base: 2
  twice: ${params.base}
  optim: {name: sgd, lr: "${..lr}", momentum: 0.9}
  place: ${oc.env:PLACE,none}
  chosen: ${oc.select:params.optim.nosuch,7}
  layers: [8, 4]
  listed: ["${params.first}"]
  first: 1
  free: 1
  other: x
tags: {owner: me, team: "${params.free}"}
""",
    "experiment/whole.yaml": "# @package _global_\ndefaults:\n  - mine\n  - _self_\nparams: {all: '${oc.dict.values:params.optim}'}\n",
    "experiment/bare.yaml": """\
# @package _global_
defaults:
  - override /env: current
  - _self_
experiment_name: bare
script: train.py
""",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkspacePaths]:
    root = tmp_path_factory.mktemp("plain")
    (root / "conf/experiment").mkdir(parents=True)
    (root / ".trainconf").mkdir()
    for name, text in FILES.items():
        (root / "conf" / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "is_settled", lambda *_: True)  # the files do not change any more
        patch.delenv("PLACE", raising=False)
        yield WorkspacePaths(str(root))


REST = st.sampled_from([
    ["experiment=mine"], ["experiment=mine"], ["experiment=mine", "retries=1"], ["experiment=bare"], ["experiment=whole"],
    ["experiment=mine", "params.optim={name:adam}"], ["experiment=mine", "~params.other"],
])  # fmt: skip
PLAIN = st.builds(
    lambda key, value: f"{key}={value}",
    st.sampled_from(["params.other", "+params.new", "tags.owner"]) | st.sampled_from([
        "params.lr", "params.base", "params.twice", "params.optim.name", "params.optim.lr", "params.optim", "params.place",
        "params.chosen", "params.layers", "params.first", "params.free", "params.other", "+params.new", "++params.other",
        "+params.optim.nosuch", "+params.nosuch",
        "+params.other", "params.absent", "+params.deep.er", "tags.owner", "tags.team", "+tags.new", "params.machine.cpus",
        "+params.machine.x",
    ]),
    st.sampled_from(["1", "0.5", "adam", "'a b'", "true", "null", "-3", "'1'", "many"]),
)


def facts(by: Any, texts: list[str], workspace: WorkspacePaths, layers: list[Layer] | None = None) -> Any:
    try:
        found: Composed = by.compose(texts, workspace, layers=layers or [])
    except ConfigError as error:
        return error.render()
    return [getattr(found, name) for name in ("config", "origins", "choices", "overrides", "derived", "notes")], list(found.origins)


def test_what_the_cache_says_of_plain_overrides_is_what_composing_says(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    composed: list[object] = []
    original = cold.compose
    monkeypatch.setattr(cold, "compose", lambda *args, **rest: (composed.append(1), original(*args, **rest))[1])
    asked = refused = 0

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(REST, st.lists(PLAIN, max_size=2))
    def check(rest: list[str], plain: list[str]) -> None:
        nonlocal asked, refused
        texts = [*rest, *plain]
        asked += 1
        said = facts(cache, texts, workspace)
        refused += isinstance(said, str)
        before = len(composed)
        assert said == facts(cold, texts, workspace)
        del composed[before:]

    check()
    assert refused < asked / 2, f"{refused} of {asked} are refused: the generator proves too little"
    assert len(composed) - refused < (asked - refused) * 0.8, f"{len(composed)} were composed: the cache proves too little"


TEXT = st.sampled_from(["a", "${params.lr}", "???", "it's", "", "${secret:A}", "a\nb", "C:\\x", "null"])
GIVEN = st.one_of(TEXT, st.integers(-9, 9), st.floats(-1, 1), st.booleans(), st.none(), st.lists(TEXT | st.integers(), max_size=2))
TREE = st.dictionaries(
    st.sampled_from(["lr", "base", "other", "free", "new", "a b", "optim", "layers", "x.y"]),
    st.one_of(GIVEN, GIVEN, st.dictionaries(st.sampled_from(["name", "lr", "deep"]), GIVEN, max_size=2)), max_size=3,
)  # fmt: skip
VALUES = st.fixed_dictionaries({}, optional={
    "params": TREE, "tags": st.dictionaries(st.sampled_from(["owner", "team", "new"]), GIVEN, max_size=2), "display_name": GIVEN,
    "arguments": st.lists(GIVEN, max_size=3), "retries": st.sampled_from([0, 1, "many"]), "script": st.sampled_from(["train.py", "b.py"]),
    "metric": st.just({"name": "loss"}), "inputs": st.just({}),
})  # fmt: skip
SOURCES = st.sampled_from(["submit.py:1", "submit.py:2", "default", "conf/experiment/mine.yaml:9", "command line: params.lr=1"])
LAYERS = st.lists(st.builds(Layer, SOURCES, VALUES, st.sampled_from([False, False, True])), min_size=1, max_size=2)
ABOVE = st.lists(
    st.sampled_from(["params.free=3", "+params.new=4", "params.other=y", "~params.optim", "tags.owner=me", "experiment=whole"]),
    max_size=2, unique_by=lambda word: word.lstrip("~+").partition("=")[0],
)  # fmt: skip


def test_what_the_cache_says_of_layers_is_what_composing_says(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    composed = counting(monkeypatch)
    asked = refused = 0

    def said(by: Any, texts: list[str], layers: list[Layer]) -> Any:
        return facts(by, texts, workspace, layers)

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ABOVE, LAYERS, LAYERS)
    def check(above: list[str], layers: list[Layer], others: list[Layer]) -> None:
        nonlocal asked, refused
        for given_layers in (layers, [layer._replace(source=f"{layer.source}0") for layer in layers], others, merged(layers, others)):
            asked += 1
            found = said(cache, ["experiment=mine", *above], given_layers)
            refused += isinstance(found, str)
            before = len(composed)
            assert found == said(cold, ["experiment=mine", *above], given_layers)
            del composed[before:]

    check()
    assert refused < asked * 0.7, f"{refused} of {asked} are refused: the generator proves too little"
    assert len(composed) - refused < (asked - refused) * 0.6, f"{len(composed)} were composed: the cache proves too little"


def merged(layers: list[Layer], others: list[Layer]) -> list[Layer]:
    """The same keys as `layers`, with values of `others` where those have the key."""
    return [Layer(other.source, _same_keys(layer.values, other.values), layer.is_config)
            for layer, other in zip(layers, others, strict=False)]


def _same_keys(values: Any, others: Any) -> Any:
    if not isinstance(values, dict) or not isinstance(others, dict):
        return others
    return {key: _same_keys(value, others[key]) if key in others else value for key, value in values.items()}


def test_other_values_of_a_layer_are_not_composed(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(source: str, free: object, argument: object, *texts: str) -> Composed:
        values = {"params": {"free2": free}, "arguments": ["--lr", argument], "display_name": f"run {free}", "tags": {"by": str(free)}}
        return cache.compose(["experiment=bare", *texts], workspace, layers=[Layer(source, values)])

    ask("submit.py:1", 1, 0.1)
    composed = counting(monkeypatch)
    found = ask("submit.py:9", "${x}", "???", "+params.more=2")
    assert composed == []
    assert (found.config["params"], found.config["arguments"]) == ({"free2": "${x}", "more": 2}, ["--lr", "???"])
    assert (found.config["display_name"], found.config["tags"]) == ("run ${x}", {"by": "${x}"})
    assert {found.origins[key] for key in ("params.free2", "arguments", "display_name", "tags.by")} == {"submit.py:9"}
    assert found.origins["params.more"] == "command line: +params.more=2"


def counting(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    composed: list[object] = []
    original = cold.compose
    monkeypatch.setattr(cold, "compose", lambda *args, **rest: (composed.append(1), original(*args, **rest))[1])
    return composed


def test_a_changed_param_is_not_composed(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.compose(["experiment=mine", "params.other=2", "+params.seed=1"], workspace)
    cache.compose(["experiment=mine"], workspace)
    composed = counting(monkeypatch)
    found = cache.compose(["experiment=mine", "params.other=2", "+params.seed=9"], workspace)
    assert (found.config["params"]["seed"], found.origins["params.seed"]) == (9, "command line: +params.seed=9")
    assert cache.compose(["experiment=mine", "params.other=y"], workspace).config["params"]["other"] == "y"
    assert composed == []


def test_a_param_that_others_are_made_of_is_composed_for_each_value(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    composed = counting(monkeypatch)
    told = [cache.compose(["experiment=mine", f"params.base={value}"], workspace).config["params"]["twice"] for value in (31, 32, 31, 32)]
    assert (told, len(composed)) == ([31, 32, 31, 32], 2)


def test_layers_are_part_of_what_names_an_entry(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def lr(value: object, *texts: str) -> object:
        layer = Layer("submit.py:1", {"params": {"lr": value}})
        return cache.compose(["experiment=mine", *texts], workspace, layers=[layer]).config["params"]["lr"]

    composed = counting(monkeypatch)
    told = [lr("${a}"), lr("${b}"), lr("${a}"), lr("${a}", "params.other=3"), lr("${b}", "params.other=4")]
    assert told == ["${a}", "${b}", "${a}", "${a}", "${b}"]
    assert len(composed) == 2
    assert cache.compose(["experiment=mine"], workspace).config["params"]["lr"] == 0.1
    with pytest.raises(ConfigError, match=r"submit\.py:1"):
        lr({1: 2})
