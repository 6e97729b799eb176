"""A sweep that is composed from the cache is what Hydra composes: its base, what varies, and each of its trials."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainconf.composition import cache
from trainconf.composition import search as plain
from trainconf.composition.layers import Layer
from trainconf.composition.plain.trials import SweepRequest
from trainconf.composition.sweep import request as by_hydra
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed

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
  layers: [8, 4]
  free: 1
  other: x
  empty: null
  made: ${experiment_name}
tags: {owner: me}
""",
    "experiment/numbered.yaml": "# @package _global_\ndefaults:\n  - mine\n  - _self_\nparams: {trial: '${hydra:job.num}'}\n",
}
FIXED = st.sampled_from([
    "retries=1", "params.other=y", "+params.seed=7", "++params.free=3", "tags.owner=you", "compute.cpus=2", "params.optim={name:adam}",
    "~params.other", "params.layers=[1,2]", "experiment=numbered", "display_name='a b'", "params.other='x,y'",
])  # fmt: skip
KEY = st.sampled_from(["params.free", "+params.new", "params.optim.name", "params.empty"]) | st.sampled_from([
    "params.lr", "params.free", "params.other", "params.empty", "+params.new", "++params.new", "++params.free",
    "params.base", "params.twice", "params.optim.name", "params.optim", "params.layers", "params.made", "+params.deep.er", "params.nosuch",
    "+params.free", "compute.cpus", "params.machine.cpus", "tags.owner", "env", "+params.optim.nesterov", "params.layers.0",
])  # fmt: skip
VARIED = st.sampled_from(["1,2", "a,b,7", "uniform(0, 1)", "choice(3, x)"]) | st.sampled_from([
    "1,2", "0.1,0.01,1e-3", "a,b", "a/b,c.d", "true,null", "uniform(0, 1)", "log_interval(0.001, 1)", "randint(4)", "choice(3, x)",
    "range(3)", "current,minimal", "int(interval(1, 8))", "1,${params.free}", "[1],[2]", "'a b',c", "7,7", "choice(5)", "uniform(1, 0)",
    "-1,2", "null,null", "choice('a',b)",
])  # fmt: skip
WORDS = st.builds(
    lambda fixed, varied: ["experiment=mine", *fixed, *varied], st.lists(FIXED, max_size=2, unique=True),
    st.lists(st.builds(lambda key, value: f"{key}={value}", KEY, VARIED), min_size=1, max_size=2, unique_by=lambda word: word[:9]),
)  # fmt: skip
VALUE = st.sampled_from([1, -0.5, "a", "a b", "it's", "${x}", "???", None, True, [1, "b"], [], "", "C:\\x", {"a": 1}, [[1]], "1"])
LAYERS = st.lists(
    st.dictionaries(st.sampled_from(["lr", "free", "other", "new", "base", "a b"]), VALUE, max_size=3).map(
        lambda params: Layer("submit.py:3", {"params": params, "tags": {"owner": "them"}})
    ), max_size=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkspacePaths]:
    root = tmp_path_factory.mktemp("plain")
    (root / "conf/experiment").mkdir(parents=True)
    (root / ".trainconf").mkdir()
    for name, text in FILES.items():
        (root / "conf" / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "is_settled", lambda *_: True)  # the files do not change any more
        yield WorkspacePaths(str(root))


def facts(found: Composed) -> list[Any]:
    names = ("config", "origins", "choices", "overrides", "derived", "notes", "layers")
    return [*(getattr(found, name) for name in names), list(found.origins)]


def trial_at(request: SweepRequest, values: dict[str, Any], number: int) -> Any:
    try:
        return facts(request.composer.at(values, number=number))
    except ConfigError as error:
        return error.render()


def grid_of(request: SweepRequest) -> Any:
    if request.grid is None:
        return None
    grid = request.grid
    words = [(axis.key, axis.path, list(axis.words)) for axis in grid.axes]
    axes = words, [axis.key for axis in grid.varying], grid.count, facts(grid.base)
    try:
        return axes, [facts(found) for found in itertools.islice(grid, 20)]
    except ConfigError as error:
        return axes, error.render()


def read(by: Any, words: list[str], workspace: WorkspacePaths, layers: list[Layer]) -> SweepRequest | str:
    try:
        found: SweepRequest = by.read_sweep(words, workspace, layers=layers)
    except ConfigError as error:
        return error.render()
    return found


def test_a_sweep_from_the_cache_is_what_hydra_composes(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    read_whole: list[bool] = []
    original = by_hydra.read_sweep
    monkeypatch.setattr(by_hydra, "read_sweep", lambda *args, **rest: (read_whole.append(True), original(*args, **rest))[1])
    asked = refused = warm = 0

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(WORDS, LAYERS, st.lists(VALUE, min_size=1, max_size=1))
    def check(words: list[str], layers: list[Layer], values: list[Any]) -> None:
        nonlocal asked, refused, warm
        wanted = read(by_hydra, words, workspace, layers)  # which keeps it
        read_whole.clear()
        found = read(plain, words, workspace, layers)
        asked += 1
        warm += not read_whole
        if isinstance(wanted, str) or isinstance(found, str):
            refused += 1
            assert found == wanted
            return
        assert (found.specs, found.zips, found.fixed) == (wanted.specs, wanted.zips, wanted.fixed)
        assert facts(found.composer.base) == facts(wanted.composer.base)
        assert grid_of(found) == grid_of(wanted)
        for number, value in enumerate(values):
            for keys in ([*wanted.specs], ["params.free", "params.extra"], ["params.optim.name", "params.lr"]):
                given_values = dict.fromkeys(keys, value)
                assert trial_at(found, given_values, number) == trial_at(wanted, given_values, number)

    check()
    assert refused < asked / 2, f"{refused} of {asked} are refused: the generator proves too little"
    assert warm > (asked - refused) / 4, f"{warm} of {asked} come from the cache: the generator proves too little"


@pytest.mark.parametrize("word", ["params.free=null,null", "params.free=range(3)", "params.free=range(2000)", "params.free=7,7,7"])
def test_a_list_from_the_cache_is_what_hydra_reads(word: str, workspace: WorkspacePaths) -> None:
    wanted = read(by_hydra, ["experiment=mine", word], workspace, [])  # which keeps it
    found = read(plain, ["experiment=mine", word], workspace, [])
    assert isinstance(wanted, SweepRequest)
    assert isinstance(found, SweepRequest)
    assert (found.specs, found.zips, found.fixed) == (wanted.specs, wanted.zips, wanted.fixed)
    assert [list(axis.words) for axis in found.grid.axes] == [list(axis.words) for axis in wanted.grid.axes]  # type: ignore[union-attr]


OTHERS = ["params.free=1,2,3", "params.free=uniform(0, 1)", "+params.new=log_interval(0.001, 1)", "params.free=a,b"]


@pytest.mark.parametrize("word", OTHERS)
def test_other_values_of_a_key_need_no_hydra(word: str, workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    plain.read_sweep(["experiment=mine", "params.free=5,6", "retries=2"], workspace)
    plain.read_sweep(["experiment=mine", "+params.new=5,6", "retries=2"], workspace)
    monkeypatch.setattr(by_hydra, "read_sweep", None)
    found = plain.read_sweep(["experiment=mine", word, "retries=2"], workspace)
    assert found.composer.at({"params.free": 9, "params.more": "it's"}).config["params"]["more"] == "it's"
    assert found.grid is None or len(list(found.grid)) == found.grid.count


def test_a_trial_that_is_not_plain_is_composed_by_hydra(workspace: WorkspacePaths) -> None:
    words = ["experiment=mine", "params.free=1,2"]
    for _ in range(2):
        found = plain.read_sweep(words, workspace)
    assert found.composer.at({"params.base": 5}).config["params"]["twice"] == 5
    assert found.composer.at({"params.free": "${x}"}).config["params"]["free"] == "${x}"
    assert found.composer.at({"env": "minimal", "params.free": 2}).choices["env"] == "minimal"
