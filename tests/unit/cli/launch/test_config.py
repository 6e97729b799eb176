"""`trainconf config --groups`: which choices there are, for an editor that offers them."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Shell


def test_groups_names_the_file_of_each_choice_and_the_workspaces_own_comes_first(shell: Shell) -> None:
    own = shell.write("conf/experiment/vision/resnet.yaml", "# @package _global_\nscript: train.py\n")
    hides = shell.write("conf/compute/local.yaml", "defaults: [/schema/compute/local]\n")
    found = json.loads(shell("config", "--groups", "--json").out)
    assert found["experiment/vision"] == {"resnet": str(own)}
    assert found["compute"]["local"] == str(hides)
    assert found["compute"]["slurm"].endswith("conf/compute/slurm.yaml")


def test_groups_as_text_has_the_words_to_type(shell: Shell) -> None:
    shell.write("conf/experiment/mine.yaml", "# @package _global_\nscript: train.py\n")
    lines = [line.split(maxsplit=1) for line in shell("config", "--groups").out.splitlines()]
    assert ["experiment=mine", "conf/experiment/mine.yaml"] in lines
    assert ["compute=slurm", "shipped conf/compute/slurm.yaml"] in lines


def test_groups_lists_a_choice_whose_file_is_a_broken_link(shell: Shell) -> None:
    shell.write("conf/experiment/mine.yaml", "# @package _global_\nscript: train.py\n")
    (shell.root / "conf" / "experiment" / "lost.yaml").symlink_to("nowhere.yaml")
    assert json.loads(shell("config", "--groups", "--json").out)["experiment"]["lost"].endswith("/conf/experiment/lost.yaml")


@pytest.mark.parametrize("words", [["params.lr=1"], ["--origin"], ["--config-name", "other"], ["train.py"], ["--", "model=vit"]])
def test_groups_refuses_words_that_would_have_no_effect(shell: Shell, words: list[str]) -> None:
    answer = shell("config", "--groups", *words)
    assert answer.code == 2
    assert answer.told["--groups composes nothing"]["hint"].startswith("leave out")
