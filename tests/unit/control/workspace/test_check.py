"""Every config of a workspace is composed, every command in its comments too, and every frozen file checked."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell
from trainconf.control.workspace.check import check
from trainconf.paths import WorkspacePaths

Here = Callable[..., Answer]

GOOD = """# @package _global_
# A good one: `python -m trainconf experiment=good`
defaults:
  - override /env: current
  - _self_
experiment_name: good
# trainconf is good for you, says experiment=good
#   python -m trainconf experiment=good params.lr=0.2 retries=1
#   python -m trainconf -m experiment=good params.lr=0.1,0.2
script: train.py
params: {lr: 0.1}
"""


@pytest.fixture
def workspace(shell: Shell) -> Shell:
    shell.write("train.py", "print('hi')\n")
    return shell


@pytest.fixture
def good(workspace: Shell) -> Shell:
    workspace.write("conf/experiment/good.yaml", GOOD)
    workspace.write("conf/compute/big.yaml", "# A big one.\ndefaults:\n  - local\n  - _self_\ncpus: 2\n")
    return workspace


def wrong(here: Here, *words: str) -> dict[str, list[str]]:
    """What is wrong: sentences by what was checked."""
    found = json.loads(here("check", "--json", *words).out)
    return {each["what"]: [mistake["what"] for mistake in each["mistakes"]] for each in found if each["mistakes"]}


def test_experiments_commands_and_choices_are_checked(here: Here, good: Shell) -> None:
    said = here("check")
    assert (said.code, said.out, said.err) == (0, "", "5 checked, 0 wrong\n")
    whats = [each["what"] for each in json.loads(here("check", "--json").out)]
    assert whats == [
        "experiment=good", "trainconf experiment=good", "trainconf experiment=good params.lr=0.2 retries=1",
        "trainconf -m experiment=good params.lr=0.1,0.2", "compute=big",
    ]  # fmt: skip


def test_every_mistake_is_told_with_its_place_and_once(here: Here, good: Shell) -> None:
    good.write("conf/experiment/good.yaml", GOOD.replace("retries=1", "retriez=1") + "metricc: {name: x}\n")
    good.write("conf/experiment/sub/other.yaml", "# @package _global_\nscript: gone.py\nretries: -1\n")
    good.write("conf/compute/big.yaml", "cpus: [\n")
    said = here("check")
    assert said.code == 1
    assert said.out.count("metricc is not a setting") == 1
    assert "in experiment=good  (conf/experiment/good.yaml)\n" in said.out
    assert "conf/experiment/good.yaml:12" in said.out
    assert "(conf/experiment/good.yaml:8)" in said.out
    assert "retriez is not a setting" in said.out
    assert "conf/experiment/sub/other.yaml:3" in said.out
    assert "conf/compute/big.yaml:2" in said.out
    assert "5 wrong" in said.err or "6 wrong" in said.err


def test_what_would_not_run_is_a_mistake_and_an_absent_input_is_none(here: Here, good: Shell) -> None:
    good.write("conf/experiment/good.yaml", "# @package _global_\nexperiment_name: good\nscript: gone.py\ninputs: {data: not/here}\n")
    assert wrong(here) == {"experiment=good": ["the script 'gone.py' does not exist"]}
    good.write("gone.py", "")
    said = here("check")
    assert (said.code, said.err) == (0, "2 checked, 0 wrong; 1 inputs are not here\n")


def test_an_expression_of_a_space_is_checked_without_a_sweep(here: Here, good: Shell) -> None:
    good.write("conf/experiment/good.yaml", GOOD + "sweep: {space: {params.lr: 'uniform(1, 0)'}, exclude: [{params.other: 1}]}\n")
    sentence = "params.lr: uniform(1, 0): min must be below max"  # what a command line may complete is none
    assert wrong(here)["experiment=good"] == [sentence]


def test_a_part_of_others_is_not_checked_by_itself(here: Here, good: Shell) -> None:
    good.write("conf/experiment/_base.yaml", "# @package _global_\nparams: {lr: ???}\n")
    assert here("check").code == 0


@pytest.mark.parametrize("has_git", [True, False])
def test_frozen_files_are_found_whatever_they_are_called(here: Here, good: Shell, has_git: bool) -> None:
    if has_git:
        subprocess.run(["git", "init", "-q"], cwd=good.root, check=True)
    assert here("freeze", "experiment=good", "-o", "a frozen\nfile").code == 0
    assert here("check").code == 0
    good.write("train.py", "print('other')\n")
    assert wrong(here) == {"frozen file a frozen\nfile": ["code is not as it was frozen"]}
    assert here("check").code == 1
    assert here("check", "--may-differ").code == 0
    path = good.root / "a frozen\nfile"
    path.write_text(path.read_text().replace("0.1", "0.3"))
    (sentences,) = wrong(here, "--may-differ").values()
    assert "edited by hand" in sentences[0]


def test_git_ignored_files_and_runs_are_not_looked_at(here: Here, good: Shell) -> None:
    good.write("runs/x/y", "# trainconf frozen run\n")
    assert here("check").code == 0
    subprocess.run(["git", "init", "-q"], cwd=good.root, check=True)
    good.write(".gitignore", "scratch\nruns\n")
    good.write("scratch", "# trainconf frozen run\n")
    assert here("check").code == 0
    good.write(".gitignore", "runs\n")
    assert here("check").code == 1


def test_a_workspace_without_configs_and_one_that_is_none(tmp_path: Path) -> None:
    assert list(check(WorkspacePaths(str(tmp_path)))) == []
    assert os.listdir(tmp_path) == []


def test_a_choice_of_an_own_group_is_composed_also_where_nothing_chooses_it(good: Shell, here: Here) -> None:
    good.write("conf/model/vit.yaml", "# @package params.model\ndepth: 3\n")
    assert wrong(here) == {}
    good.write("conf/model/vit.yaml", "# @package params.model\ndepth: ${nothing}\n")
    assert wrong(here) == {"+model=vit": ["params.model.depth does not resolve"]}


def test_a_number_with_too_many_digits_is_told_with_its_file(good: Shell, here: Here) -> None:
    good.write("conf/experiment/good.yaml", GOOD + f"retries: {'9' * 5000}\n")
    assert "a config file holds a value that cannot be read" in wrong(here)["experiment=good"]
