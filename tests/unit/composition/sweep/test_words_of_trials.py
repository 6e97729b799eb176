"""Every expression as it is written: what it reads as, what a plan says of it, and that Hydra composes a trial's words to its values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.unit.search.test_expressions import EVERY, GOLDEN
from trainconf import schema
from trainconf.composition.hydra.expressions import read_expression
from trainconf.composition.hydra.original import compose_by_hydra
from trainconf.composition.plain.words import written
from trainconf.composition.sweep.grid import grid
from trainconf.composition.sweep.trial import TrialComposer
from trainconf.paths import WorkspacePaths
from trainconf.resolve.search import config_dirs

EXPERIMENT = """\
# @package _global_
defaults:
  - override /env: current
  - _self_
experiment_name: words
script: train.py
params: {x: 0, y: [1]}
"""
PLANNED = {
    "choice(a, b, c)": "a, b, c",
    "randint(10)": "0 … 9, whole",
    "uniform(-1, 3)": "-1 … 3",
    "quniform(1, 10, 4)": "0, 4, 8",
    "quniform(0, 1, 0.1)": "0 … 1, steps of 0.1",
    "loguniform(-7, 0)": "0.000911882 … 1, log",
    "qloguniform(0, 5, 2)": "0 … 148, whole, log, steps of 2",
    "normal(10, 2)": "4 … 16 (normal, mostly)",
    "qnormal(10, 2, 0.5)": "4 … 16 (steps of 0.5, normal, mostly)",
    "lognormal(0, 1)": "0.0497871 … 20.0855 (normal in its logarithm, mostly)",
    "qlognormal(3, 1, 5)": "0 … 405 (whole, steps of 5, normal in its logarithm, mostly)",
    "log_interval(0.0001, 1)": "0.0001 … 1, log",
    "interval(0.1, 0.9)": "0.1 … 0.9",
    "int(interval(1, 8))": "1, 2, 3, 4, 5, 6, 7, 8",
    "tag(log, int(interval(1, 1024)))": "1 … 1024, whole, log",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> WorkspacePaths:
    root: Path = tmp_path_factory.mktemp("words")
    (root / "conf/experiment").mkdir(parents=True)
    (root / "conf/experiment/mine.yaml").write_text(EXPERIMENT)
    schema.register()
    return WorkspacePaths(str(root))


@pytest.mark.parametrize("text", EVERY)
def test_a_text_is_read_as_its_expression(text: str) -> None:
    found = read_expression(text)
    assert found == EVERY[text]
    assert found.describe() == PLANNED[text]


@pytest.mark.parametrize("text", EVERY)
def test_the_words_of_a_trial_compose_to_its_values_in_hydra(workspace: WorkspacePaths, text: str) -> None:
    composer = TrialComposer(["experiment=mine"], workspace)
    for value in GOLDEN[text][:2]:
        trial: dict[str, Any] = {"params.x": value, "params.y": [value, "it's, ${so}"]}
        words = [f"{key}={written(given)}" for key, given in trial.items()]
        hydras = OmegaConf.to_container(compose_by_hydra(config_dirs(workspace), "config", ["experiment=mine", *words]), resolve=False)
        assert isinstance(hydras, dict)
        ours = composer.at(trial).config["params"]
        assert ours["x"] == hydras["params"]["x"] == value
        assert type(hydras["params"]["x"]) is type(value)
        assert composer.at(words).config == composer.at(trial).config


TEXTS = ["日本語", "it's", 'a "word"', "a b; c", "#x", "~/data", "a&b", "<none>", "x,y", "", "a:b=c", "{a}", "(b)", "new\\line", "!", "😀"]


def test_a_grid_reads_the_text_of_every_choice_again(workspace: WorkspacePaths) -> None:
    choices = ", ".join("'" + text.replace("'", "\\'") + "'" for text in TEXTS)
    asked = grid(["experiment=mine", f"params.x=choice({choices})"], workspace)
    assert [composed.config["params"]["x"] for composed in asked] == TEXTS
