"""A trial is what composing its overrides whole gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainconf.composition.compose import compose
from trainconf.composition.hydra.loader import ConfigLoader
from trainconf.composition.plain.words import written
from trainconf.composition.sweep.trial import TrialComposer
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed

FILES = {
    "experiment/mine.yaml": """\
# @package _global_
defaults:
  - override /env: current
  - _self_
experiment_name: mine
script: train.py
params: {lr: 0.1, layers: [8, 4], optim: {name: sgd, momentum: 0.9}, text: "a,b", base: 2, twice: "${params.base}", empty: null}
tags: {owner: me}
""",
    "experiment/other.yaml": "# @package _global_\ndefaults:\n  - mine\n  - _self_\nparams: {lr: 0.7}\n",
    "experiment/numbered.yaml": "# @package _global_\ndefaults:\n  - mine\n  - _self_\nparams: {trial: '${hydra:job.num}'}\n",
}
SHARED = ["experiment=mine", "compute=local", "retries=1", "+params.seed=7"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> WorkspacePaths:
    root = tmp_path_factory.mktemp("trials")
    (root / "conf/experiment").mkdir(parents=True)
    for name, text in FILES.items():
        (root / "conf" / name).write_text(text)
    return WorkspacePaths(str(root))


def facts(found: Composed) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("config", "origins", "choices", "overrides", "derived", "notes")}


def whole(overrides: list[str], workspace: WorkspacePaths) -> Composed | None:
    try:
        return compose(overrides, workspace)
    except ConfigError:
        return None


def is_as_wanted(composer: TrialComposer, trial: list[str], wanted: Composed | None) -> None:
    """A trial comes to what a composition of its overrides comes to, or is refused as that is."""
    try:
        found = composer.at(trial)
    except ConfigError:
        assert wanted is None
        return
    assert wanted is not None
    assert facts(found) == facts(wanted)
    assert list(found.origins) == list(wanted.origins)


def key_of(word: str) -> str:
    return word.lstrip("+").partition("=")[0]


def in_place(shared: list[str], trial: list[str]) -> list[str]:
    """The overrides of a trial: each in the place of the shared one of its key, or behind them."""
    found = list(shared)
    for word in trial:
        same = [place for place, other in enumerate(shared) if key_of(other) == key_of(word)]
        found[same[-1] if same else len(found):(same[-1] + 1) if same else len(found)] = [word]
    return found


WORD = st.one_of(
    st.builds(
        lambda key, value: f"{key}={value}",
        st.sampled_from([
            "params.lr", "params.layers", "params.base", "params.optim.name", "params.optim", "params.base", "params.twice", "params.empty",
            "+params.new",
            "++params.lr", "++params.more", "+params.seed", "params.seed", "params.nosuch", "tags.owner", "+tags.new", "params.layers.0",
            "+params.optim.nesterov", "compute.cpus", "retries", "display_name", "env.requirements", "metric.goal", "grace_seconds",
            "nosuch",
        ]),
        st.sampled_from([
            "1", "-2", "0.5", "1e-3", "true", "null", "adam", "'a b'", "'1'", "[1,2]", "[a,[b]]", "{name:x}", "[]", "${params.base}", "???",
            "inf", "minimize", "''", "a/b.c", "'it''s'", "\\{a\\}", "'${secret:A}'",
        ]),
    ),
    st.sampled_from(["experiment=other", "compute=docker", "env=minimal", "compute=mars", "~params.text", "~tags.owner"]),
)


def test_a_trial_by_overrides_is_what_they_compose_to(workspace: WorkspacePaths) -> None:
    composer = TrialComposer(SHARED, workspace)
    composed: list[bool] = []

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(WORD, min_size=1, max_size=3, unique_by=key_of))
    def check(trial: list[str]) -> None:
        wanted = whole(in_place(SHARED, trial), workspace)
        composed.append(wanted is not None)
        is_as_wanted(composer, trial, wanted)

    check()
    assert sum(composed) >= len(composed) / 5, f"{sum(composed)} of {len(composed)} compose: the generator proves too little"


TEXT = st.one_of(st.text(max_size=8), st.sampled_from(["${params.lr}", "???", "1", "null", "it's", "a\nb", "\\${x}", "\\", "'", "a, b"]))
SCALAR = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(), TEXT)
VALUES = st.dictionaries(
    st.sampled_from(["params.lr", "params.optim.name", "params.seed", "params.new", "params.base", "params.empty"]),
    st.one_of(SCALAR, SCALAR, st.lists(SCALAR, max_size=3), st.lists(st.dictionaries(st.sampled_from("ab"), SCALAR), max_size=2)),
    min_size=1, max_size=3,
)  # fmt: skip


def at(config: dict[str, Any], key: str) -> Any:
    node: Any = config
    for part in key.split("."):
        node = node[part]
    return node


def test_a_trial_by_values_holds_them_as_they_are(workspace: WorkspacePaths) -> None:
    composer = TrialComposer(SHARED, workspace)

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(VALUES)
    def check(trial: dict[str, Any]) -> None:
        found = composer.at(trial)
        assert {key: at(found.config, key) for key in trial} == trial
        assert all(found.origins[key].startswith("command line: ") for key in trial)
        untouched = {"layers", "text"}
        assert {key: found.config["params"][key] for key in untouched} == {key: composer.base.config["params"][key] for key in untouched}

    check()


def test_the_override_of_a_plain_value_reads_as_that_value(workspace: WorkspacePaths) -> None:
    loader = ConfigLoader([workspace.conf])

    @settings(max_examples=300, deadline=None)
    @given(st.recursive(
        st.one_of(SCALAR.filter(lambda value: "${" not in str(value)), st.text("'\\\" ,=[]{}:ab", max_size=6)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b c", "x.y"]), inner, max_size=2)),
        max_leaves=4,
    ))  # fmt: skip
    def check(value: Any) -> None:
        assert loader.parse(f"params.x={written(value)}").value() == value

    check()


def test_a_mapping_may_choose_groups(workspace: WorkspacePaths) -> None:
    found = TrialComposer(SHARED, workspace).at({"compute": "docker", "params.lr": 0.5, "params.new": "x y"})
    wanted = compose(["experiment=mine", "compute=docker", "retries=1", "+params.seed=7", "params.lr=0.5", "+params.new='x y'"], workspace)
    assert facts(found) == facts(wanted)


def test_a_value_that_others_are_made_of_changes_them_too(workspace: WorkspacePaths) -> None:
    assert TrialComposer(SHARED, workspace).at({"params.base": 5}).config["params"]["twice"] == 5


def test_a_value_that_is_made_of_others_can_be_given(workspace: WorkspacePaths) -> None:
    found = TrialComposer(SHARED, workspace).at({"params.twice": 5})
    assert facts(found) == facts(compose([*SHARED, "params.twice=5"], workspace))
    assert found.derived == {}


def test_a_config_that_depends_on_the_trial_is_composed_each_time(workspace: WorkspacePaths) -> None:
    composer = TrialComposer(["experiment=numbered"], workspace)
    assert [composer.at({"params.lr": 1.0}, number=number).config["params"]["trial"] for number in (3, 4)] == [3, 4]


def test_trials_share_nothing_that_one_could_change_for_another(workspace: WorkspacePaths) -> None:
    composer = TrialComposer(SHARED, workspace)
    given: list[Any] = [1, [2]]
    first, second = composer.at({"params.layers": given}), composer.at({"params.layers": given})
    first.config["params"]["layers"][1].append("changed")
    assert (second.config["params"]["layers"], given) == ([1, [2]], [1, [2]])


WRONG: list[dict[str, Any]] = [{"params.lr": float("nan")}, {"params.lr": Path("/")}, {"compute": "mars"}, {"nosuch": 1}, {"retries": -1}]


@pytest.mark.parametrize("trial", WRONG)
def test_what_a_config_cannot_hold_is_refused(trial: dict[str, Any], workspace: WorkspacePaths) -> None:
    with pytest.raises(ConfigError, match=next(iter(trial))):
        TrialComposer(SHARED, workspace).at(trial)


def test_values_of_params_need_no_hydra(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    composer = TrialComposer(SHARED, workspace)
    composer.at({"params.lr": 0.1, "params.new": "x"})
    monkeypatch.setattr(TrialComposer, "_whole", None)
    assert composer.at({"params.lr": 0.2, "params.new": "y"}).config["params"]["lr"] == 0.2
    assert composer.at({"params.lr": 0.2, "compute.cpus": 3}).config["compute"]["cpus"] == 3


READ = {
    "experiment/read.yaml": """\
# @package _global_
defaults:
  - mine
  - _self_
params:
  {lr: 0.5, size: 2, area: "${params.size}x${params.size}", sizes: ["${params.size}", 1], deep: {of: "${params.lr}"},
   cpus: "${compute.cpus}"}
display_name: "lr ${params.lr} of ${hydra:job.num}"
arguments: [--size, "${params.size}"]
""",
}
READ_WORD = st.builds(
    lambda key, value: f"{key}={value}",
    st.sampled_from([
        "params.lr", "params.size", "params.base", "params.sizes", "params.deep.of", "params.deep", "params.area", "+params.new",
        "compute.cpus", "++params.lr", "+params.seed", "params.seed", "retries", "display_name", "tags.owner", "params.layers",
    ]),
    st.sampled_from([
        "1", "-2", "0.5", "true", "null", "adam", "'a b'", "[1,2]", "[a,[b]]", "{name:x}", "[]", "${params.base}", "${params.lr}", "???",
        "inf", "''", "a/b.c", "'${secret:A}'", "[${params.size}]", "${params.nosuch}", "${oc.env:HOME}", "999999999999",
    ]),
)  # fmt: skip


def test_a_trial_of_values_that_others_refer_to_is_what_its_overrides_compose_to(
    workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in READ.items():
        Path(workspace.conf, name).write_text(text)
    shared = ["experiment=read", "compute=local", "retries=1", "+params.seed=7"]
    composer = TrialComposer(shared, workspace)
    resolved: list[bool] = []
    by_values = TrialComposer._resolved

    def counted(self: TrialComposer, *args: Any) -> Composed:
        resolved[-1] = True
        return by_values(self, *args)

    monkeypatch.setattr(TrialComposer, "_resolved", counted)

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(READ_WORD, min_size=1, max_size=3, unique_by=key_of))
    def check(trial: list[str]) -> None:
        wanted = whole(in_place(shared, trial), workspace)
        resolved.append(False)
        is_as_wanted(composer, trial, wanted)

    check()
    assert sum(resolved) >= len(resolved) / 5, f"{sum(resolved)} of {len(resolved)} go on from the merged files: too few"


def test_values_that_others_refer_to_are_set_in_the_merged_files(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in READ.items():
        Path(workspace.conf, name).write_text(text)
    composer = TrialComposer(["experiment=read"], workspace)
    monkeypatch.setattr(TrialComposer, "_whole", None)
    for number, size in ((3, 5), (4, 6)):
        config = composer.at({"params.size": size, "params.lr": size / 2, "retries": number}, number=number).config
        assert (config["params"]["area"], config["params"]["deep"]["of"], config["retries"]) == (f"{size}x{size}", size / 2, number)
        assert (config["display_name"], config["arguments"]) == (f"lr {size / 2} of {number}", ["--size", size])
    assert composer.base.config["params"]["area"] == "2x2"
