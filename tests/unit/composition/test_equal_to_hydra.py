"""Our composition is Hydra's: the same words, the same container, or both refuse; and each trial of a grid is what its words compose to."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import __version__ as HYDRA_VERSION
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainconf import schema
from trainconf.composition.compose import Composition, compose
from trainconf.composition.hydra.loader import ConfigLoader, register_resolver
from trainconf.composition.hydra.original import compose_by_hydra
from trainconf.composition.sweep.grid import grid
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve import secrets
from trainconf.resolve.composed import Composed
from trainconf.resolve.search import config_dirs

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
    "experiment/reads.yaml": """\
# @package _global_
defaults:
  - mine
  - /compute@params.here: [big, local]
  - optional /compute@params.none: mars
  - _self_
  - override /distributed: $KIND
""",
    "compute/nested/deep.yaml": "defaults:\n  - /compute/big@_here_\n  - _self_\nslots: 8\n",
    "local.yaml": "# @package _global_\ncompute:\n  slots: 6\ngrace_seconds: 3\n",
}
# 1.4 reads no variables in a defaults list
KIND = "${oc.env:KIND,none}" if HYDRA_VERSION.startswith("1.3") else "none"
FILES["experiment/reads.yaml"] = FILES["experiment/reads.yaml"].replace("$KIND", KIND)
PLACE: list[WorkspacePaths] = []


@pytest.fixture(scope="module", autouse=True)
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("equal")
    for name, text in FILES.items():
        path = Path(root, "conf", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    schema.register()  # Hydra's own composition looks for all of them
    PLACE.append(WorkspacePaths(str(root)))
    yield
    PLACE.clear()


CHOICES = {
    "experiment": ["mine", "later", "reads", "adhoc", "digits", "iris_stdlib", "nope"],
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
CHOICE = st.sampled_from([f"{group}={choice}" for group, choices in CHOICES.items() for choice in choices] + [
    "compute=[big,local]", "compute=[]", "compute=[big,mars]", "+compute@params.other=big", "+compute@params.other=[big,nested/deep]",
    "compute@params.here=local", "compute@params.here=[]", "~compute@params.none", "compute@params.nope=big", "compute={cpus:3}",
])  # fmt: skip
START = st.sampled_from([["experiment=mine"], ["experiment=mine"], ["experiment=reads"]])
OVERRIDES = st.builds(lambda start, words: start + words, START, st.lists(st.one_of(SETTING, SETTING, CHOICE, REMOVAL), max_size=3))


def ours(words: list[str]) -> Any:
    """The unresolved container, or None when the words are refused."""
    try:
        composition = Composition(ConfigLoader(config_dirs(PLACE[0])), PLACE[0])
        composition.read(words)
        composition.run()
    except ConfigError:
        return None
    return None if composition.mistakes else OmegaConf.to_container(composition.cfg, resolve=False)


def hydras(words: list[str]) -> Any:
    try:
        cfg = compose_by_hydra(config_dirs(PLACE[0]), "config", list(words))
    except (HydraException, OmegaConfBaseException, AssertionError, AttributeError, RecursionError):  # below an interpolation
        return None
    found = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(found, dict)
    if any(schema.group_schema(group, found.get(group)) is None for group in schema.GROUPS if "/" not in group):
        return None  # Hydra knows nothing of groups that need a choice
    return found


KNOWN_WORDS = {
    "experiment=mine env=minimal params.lr=1": True,
    "+experiment=later compute=local": False,
    "experiment=later ~params.optim +params.optim.x=1": True,
    "compute=nested/deep": True,
    "tags={} params={a:{b:1}}": False,
    "experiment=nope experiment=mine": True,
    "experiment=reads compute@params.here=[]": True,
    "experiment=mine compute=[big,local]": True,
    "experiment=mine +compute@params.other=[big,nested/deep]": True,
    "experiment=mine compute={cpus:3}": True,
    "experiment=mine compute=[big,mars]": False,
    "experiment=mine compute=[]": False,
}


def test_the_same_words_compose_to_the_same_container_or_both_refuse() -> None:
    composed: list[bool] = []

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(OVERRIDES)
    def check(words: list[str]) -> None:
        found = ours(words)
        composed.append(found is not None)
        assert found == hydras(words)

    check()
    assert sum(composed) >= len(composed) / 4, f"{sum(composed)} of {len(composed)} compose: the generator proves too little"


@pytest.mark.parametrize(("words", "composes"), KNOWN_WORDS.items())
def test_known_words_compose_to_the_same_container_or_both_refuse(words: str, composes: bool) -> None:
    found = ours(words.split())
    assert (found is not None) is composes
    assert found == hydras(words.split())


# One generator for each kind of word that Hydra's grammar has; those of a grid are made of these.
TEXT = st.sampled_from([
    "a", "sgd", "a-b", "x_1", "/data/a.b", "3x", "a@b", "'a, b'", '"it\'s"', "'1'", "a\\,b", "\\{a\\}", "''", "a b", "$\\{x}",
])  # fmt: skip
NUMBER = st.sampled_from(["0", "7", "-1", "1e-3", "0.50", "1_000", "inf", "true", "No", "null"])
REFERENCE = st.sampled_from([
    "${params.lr}", "${experiment_name}", "'${params.lr}x'", "${.momentum}", "${oc.env:PLACE,none}", "${ oc.env : PLACE , x }",
    "'${oc.select:params.lr,3}'", "\\${params.lr}", "'\\${params.lr}'", "${oc.decode:'{a: 1}'}", "${params.optim}", "???", "${nosuch}",
])  # fmt: skip
ATOM = st.one_of(NUMBER, TEXT, REFERENCE)
ITEM = st.one_of(NUMBER, NUMBER, TEXT, REFERENCE, ATOM.map(lambda v: f"[{v},1]"), ATOM.map(lambda v: f"{{name:{v}}}"), st.just("[]"))
LISTED = st.lists(ITEM, min_size=1, max_size=3).map(",".join)
FUNCTION = st.sampled_from([
    "range(3)", "range(1,3)", "range(0.5,2.5,1)", "choice(a,7,[1])", "choice(${params.lr},2)", "sort(3,1,2)", "sort(b,a,reverse=true)",
    "int(1.5,2.5)", "str(1,2)", "float(range(2))", "bool(1,0)", "tag(t,choice(1,2))", "int(3.7)", "json_str({a:1})", "glob(*)",
])  # fmt: skip
WORDS_VALUE = st.one_of(LISTED, LISTED, LISTED, FUNCTION)
OPEN_KEY = st.sampled_from([
    "params.lr", "params.lr", "params.again", "params.optim.name", "params.optim.momentum", "params.optim", "params.layers",
    "params.layers.0", "+params.new", "+params.new.deep", "++params.lr", "++params.weight-decay", "+tags.new", "tags.owner", "params.text",
])  # fmt: skip
NEW_WORD = st.builds(lambda key, value: f"{key}={value}", OPEN_KEY, WORDS_VALUE)
TYPED_WORD = st.sampled_from([
    "compute.cpus=1,2", "compute.cpus=1,two", "compute.slots=null,3", "retries=range(3)", "script=a.py,b.py", "display_name=x,null",
    "compute.gpu_devices=[0],['1','2']", "env.variables={A:1},{A:2}", "+env.variables.T=${secret:A},${secret:A}", "command=[ls],[ls,-l]",
    "arguments=[a],[b,'c d']", "metric.goal=minimize,maximize", "compute={cpus:1},{cpus:2}", "nosuch=1,2", "grace_seconds=1,-1",
])  # fmt: skip
GROUP_WORD = st.sampled_from([
    "experiment=mine,later", "compute=big,nested/deep", "env=current,minimal", "experiment=glob(*e*)", "experiment=choice(mine,later)",
    "compute=[big,local],[local]", "compute=[local,big]", "+compute@params.other=big,local", "compute=big,mars", "sweep=grid",
])  # fmt: skip
FIXED_WORD = st.sampled_from([
    "params.lr=0.5", "++params.lr=3", "+params.fixed='${experiment_name}'", "compute=local", "retries=1", "~params.optim", "~params.text",
    "~params.optim.name", "params.optim={name:fixed}", "params={lr:9}",
])  # fmt: skip
GRID_WORDS = st.builds(
    lambda words: ["experiment=mine", *words],
    st.lists(st.one_of(NEW_WORD, NEW_WORD, TYPED_WORD, GROUP_WORD, FIXED_WORD), min_size=1, max_size=3),
)
MOST_TRIALS = 6
KNOWN_GRIDS = {
    "params.lr=0.1,0.2 +params.copy=7,${params.lr}": True,
    "params.lr=0.1,0.2 params.layers.0=1,2": True,
    "params.lr=1,???": False,
    "params.lr=1,[???]": False,
    "params.lr=1,2 ++params.lr=3": True,
    "params.lr=1,2 params.lr=3,4": True,
    "params.lr=1,2 params.layers=[1],[2,3]": True,
    "params.optim={name:a},{name:b}": True,
    "params.optim=1,{name:b}": True,
    "params.lr=0.1,${params.optim.momentum}": True,
    "+params.new=a_b,'c,d'": True,
    "params.extra=1,2": False,
    "experiment=mine,later ++params.extra=1,2": True,
    "+env.variables.T=${secret:A},${secret:B}": True,
    "params.lr=7,'${oc.env:PLACE,x}'": True,
    "params.lr=[1],[1,'${params.optim.name}']": True,
    "+compute@params.other=big,local": True,
    "compute=[big,local],[local]": True,
    "params.lr=str(1,2)": True,
    "params.lr=glob(*)": False,
    "params.lr=glob(*) params.lr=1,2": True,
    "params.lr=[],{name:0}": True,
    "params.lr=range(2) +env.variables.T=${secret:A},${secret:A}": True,
    "params.lr=1,'1',1.0,1,true": True,
}


def one_by_one(trial_words: list[list[str]]) -> list[Composed] | None:
    """Each trial's words composed as a run of their own; None when any is refused."""
    try:
        return [compose(words, PLACE[0]) for words in trial_words]
    except ConfigError:
        return None


def composed_grid(words: list[str]) -> list[Composed] | None:
    try:
        found = grid(words, PLACE[0])
        trials = list(found)
    except ConfigError:
        return None
    assert len(trials) == found.count
    return trials


def hydras_trials(words: list[str]) -> list[list[str]] | None:
    """The words of each trial as Hydra's own sweeper deals them out; None when it cannot read them."""
    loader = ConfigLoader(config_dirs(PLACE[0]))
    try:
        batches = BasicSweeper.split_arguments(OverridesParser.create(config_loader=loader).parse_overrides(words), max_batch_size=None)
    except (HydraException, ValueError, ArithmeticError):
        return None
    as_typed = {f"{word}=null": word for word in words if word.startswith("~")}  # 1.4 reads its own `~key=null` as another word
    trials = [tuple(as_typed.get(word, word) for word in trial) for batch in batches for trial in batch]
    return [list(trial) for trial in dict.fromkeys(trials)]  # equal values are one here


def hydras_config(words: list[str]) -> Any:
    """What Hydra's own composition resolves to."""
    register_resolver("secret", secrets.symbolic)
    cfg = compose_by_hydra(config_dirs(PLACE[0]), "config", words)
    return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)


def check_grid(words: list[str]) -> bool:
    """Hold a grid to Hydra's own composition of each of its trials; whether it composed."""
    wanted = hydras_trials(words)
    if wanted is not None and len(wanted) > MOST_TRIALS:
        return True
    trials = composed_grid(words)
    if trials is None:
        assert not wanted or one_by_one(wanted) is None
        return False
    assert wanted is not None
    assert len(trials) == len(wanted)
    alone = one_by_one(wanted)
    assert alone is not None
    assert [trial.config for trial in trials] == [trial.config for trial in alone]
    composed = {tuple(words): found for words, found in zip(wanted, alone, strict=True)}  # a composition takes 50 ms
    own = [composed.get(tuple(trial.overrides)) or compose(trial.overrides, PLACE[0]) for trial in trials]
    assert [trial.origins for trial in trials] == [found.origins for found in own]
    for number in {0, len(trials) - 1}:
        assert trials[number].config == hydras_config(wanted[number])
    return True


def test_each_trial_of_a_grid_is_what_hydra_composes_of_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLACE", raising=False)
    composed: list[bool] = []

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(GRID_WORDS)
    def check(words: list[str]) -> None:
        composed.append(check_grid(words))

    check()
    assert sum(composed) >= len(composed) / 4, f"{sum(composed)} of {len(composed)} compose: the generator proves too little"


@pytest.mark.parametrize(("words", "composes"), KNOWN_GRIDS.items())
def test_each_trial_of_a_known_grid_is_what_hydra_composes_of_its_words(
    words: str, composes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLACE", raising=False)
    assert check_grid(["experiment=mine", *words.split()]) is composes


def test_trials_share_nothing_that_one_could_change_for_another() -> None:
    first, second = grid(["experiment=mine", "params.lr=1,2"], PLACE[0])
    before = copy.deepcopy(second.config)
    first.config["params"]["optim"] = "changed"
    first.config["params"]["lr"] = "changed"
    assert second.config == before
