"""Our composition is Hydra's: the same words, the same container, or both refuse; and each trial of a grid is what its words compose to."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.compose import Composition, compose
from trainconf.resolve.grid import grid
from trainconf.resolve.search import config_dirs
from trainconf.resolve.stock import compose_stock

FILES = {
    "experiment/mine.yaml": """\
# @package _global_
defaults:
  - override /env: current
  - override /compute: big
  - _self_
experiment_name: mine
script: train.py
params: {lr: 0.1, layers: [8, 4], optim: {name: sgd, momentum: 0.9}, text: "a,b", again: "${params.lr}"}
tags: {owner: me}
""",
    "experiment/later.yaml": """\
# @package _global_
defaults:
  - mine
  - _self_
params: {lr: 0.2, extra: null}
""",
    "compute/big.yaml": "defaults:\n  - local\n  - _self_\ncpus: 2\n",
    "compute/nested/deep.yaml": "defaults:\n  - /compute/big@_here_\n  - _self_\nslots: 8\n",
    "local.yaml": "# @package _global_\ncompute:\n  slots: 6\ngrace_seconds: 3\n",
}
PLACE: list[WorkspacePaths] = []


@pytest.fixture(scope="module", autouse=True)
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("equal")
    for name, text in FILES.items():
        path = Path(root, "conf", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    PLACE.append(WorkspacePaths(str(root)))
    yield
    PLACE.clear()


CHOICES = {
    "experiment": ["mine", "later", "adhoc", "digits", "iris_stdlib", "nope"],
    "compute": ["local", "big", "nested/deep", "mars"],
    "env": ["current", "minimal", "pytorch"],
    "distributed": ["none"],
    "sweep": ["grid", "bayes"],
}
KEYS = [
    "params.lr",
    "params.layers",
    "params.optim",
    "params.optim.name",
    "params.optim.extra",
    "params.new",
    "params",
    "tags.owner",
    "tags.new",
    "tags",
    "compute.cpus",
    "compute.slots",
    "compute.gpu_devices",
    "compute.cpuz",
    "env.requirements",
    "env.variables.A",
    "env.python.version",
    "metric.name",
    "metric.goal",
    "metric",
    "script",
    "command",
    "arguments",
    "retries",
    "submit.detach",
    "display_name",
    "nosuch",
    "inputs.d",
    "max_run_duration_seconds",
    "sweep.max_total_runs",
    "snapshot.max_mb",
]
WORD = st.text("abcXYZ019_-./", min_size=1, max_size=6).filter(lambda text: text.strip("./-") != "")
SCALAR = st.one_of(
    st.integers(-5, 10**12).map(str),
    st.floats(allow_nan=False, width=32).map(repr),
    st.sampled_from(["null", "true", "false", "1e-3", "???"]),
    WORD,
    WORD.map(lambda text: f"'{text}, {text}'"),
    st.sampled_from(["${params.lr}", "${experiment_name}", "${nosuch}", "'${params.lr}x'", "''"]),
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=2).map(lambda d: "{" + ",".join(f"{k}:{v}" for k, v in d.items()) + "}"),
    ),
    max_leaves=4,
)
SETTING = st.builds(lambda sign, key, value: f"{sign}{key}={value}", st.sampled_from(["", "", "+", "++"]), st.sampled_from(KEYS), VALUE)
REMOVAL = st.sampled_from(
    ["~params.lr", "~params.optim", "~params.optim.name", "~tags.owner", "~params.nosuch", "~params.lr=0.1", "~params.lr=7"]
)
CHOICE = st.sampled_from([f"{group}={choice}" for group, choices in CHOICES.items() for choice in choices])
START = st.sampled_from([[], ["experiment=mine"], ["experiment=mine"]])
OVERRIDES = st.builds(lambda start, words: start + words, START, st.lists(st.one_of(SETTING, SETTING, CHOICE, REMOVAL), max_size=3))


def ours(words: list[str]) -> Any:
    """The unresolved container, or None when the words are refused."""
    try:
        composition = Composition(words, PLACE[0], None, "config")
        composition.run()
    except ConfigError:
        return None
    return None if composition.mistakes else OmegaConf.to_container(composition.cfg, resolve=False)


def hydras(words: list[str]) -> Any:
    try:
        cfg = compose_stock(config_dirs(PLACE[0]), "config", list(words))
    except (HydraException, OmegaConfBaseException, AssertionError, AttributeError, RecursionError):  # below an interpolation
        return None
    return OmegaConf.to_container(cfg, resolve=False)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(OVERRIDES)
@example(["experiment=mine", "env=minimal", "params.lr=1"])
@example(["+experiment=later", "compute=local"])
@example(["experiment=later", "~params.optim", "+params.optim.x=1"])
@example(["compute=nested/deep"])
@example(["tags={}", "params={a:{b:1}}"])
@example(["experiment=nope", "experiment=mine"])
def test_the_same_words_compose_to_the_same_container_or_both_refuse(words: list[str]) -> None:
    assert ours(words) == hydras(words)


AXIS = st.builds(
    lambda sign, key, values: f"{sign}{key}={','.join(values)}",
    st.sampled_from(["", "+", "++"]),
    st.sampled_from(
        ["params.lr", "params.new", "params.optim.name", "params.layers", "params.optim", "compute.cpus", "retries", "tags.owner", "script"]
    ),
    st.lists(VALUE.filter(lambda value: "???" not in value), min_size=1, max_size=3),
)
CHOICE_AXIS = st.sampled_from(["experiment=mine,later", "compute=big,nested/deep", "env=current,minimal", "experiment=glob(*e*)"])
FIXED = st.sampled_from(
    ["experiment=mine", "params.lr=0.5", "+params.fixed='${experiment_name}'", "compute=local", "retries=1", "~params.optim"]
)


def one_by_one(trial_words: list[list[str]]) -> list[dict[str, Any]] | None:
    """Each trial's words composed as a run of their own; None when any is refused."""
    try:
        return [compose(words, PLACE[0]).config for words in trial_words]
    except ConfigError:
        return None


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.builds(lambda start, words: start + words, START, st.lists(st.one_of(AXIS, AXIS, CHOICE_AXIS, FIXED), min_size=1, max_size=3)))
@example(["experiment=mine", "params.lr=1,2", "params.layers=[1],[2,3]"])
@example(["experiment=mine", "params.optim={name:a},{name:b}"])
@example(["experiment=mine", "params.lr=0.1,${params.optim.momentum}"])
@example(["experiment=mine", "+params.new='a b','c,d'"])
@example(["experiment=mine,later", "++params.extra=1,2"])
@example(["experiment=mine", "params.lr=1,2", "params.lr=3,4"])
@example(["experiment=mine", "params.lr=1,1"])
def test_every_trial_of_a_grid_is_what_its_own_words_compose_to(words: list[str]) -> None:
    try:
        found = grid(words, PLACE[0])
        assume(found.count <= 30)
        trials = list(found)
    except ConfigError:
        trials = None
    if trials is None:
        assert refused_by_a_single_run(words)
        return
    assert len(trials) == found.count
    assert [trial.config for trial in trials] == one_by_one([trial.overrides for trial in trials])
    for trial in trials:
        assert trial.origins == compose(trial.overrides, PLACE[0]).origins


def refused_by_a_single_run(words: list[str]) -> bool:
    """Whether some combination of the words is refused when it is composed alone, as Hydra would, or a word cannot be read at all."""
    from itertools import product

    from hydra.core.override_parser.overrides_parser import OverridesParser

    from trainconf.resolve.lean import LeanLoader

    axes: dict[str, list[str]] = {}
    try:
        for override in OverridesParser.create(config_loader=LeanLoader(config_dirs(PLACE[0]))).parse_overrides(words):
            key = override.get_key_element()
            several = override.is_sweep_override()
            axes[key] = [f"{key}={value}" for value in override.sweep_string_iterator()] if several else [str(override.input_line)]
    except HydraException:
        return True
    return one_by_one([list(combination) for combination in product(*axes.values())]) is None


def test_trials_share_nothing_that_one_could_change_for_another() -> None:
    first, second = grid(["experiment=mine", "params.lr=1,2"], PLACE[0])
    before = copy.deepcopy(second.config)
    first.config["params"]["optim"] = "changed"
    first.config["params"]["lr"] = "changed"
    assert second.config == before
