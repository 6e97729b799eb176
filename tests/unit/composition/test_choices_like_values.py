"""A choice whose name the grammar of overrides reads as another value, and a list of texts that needs quotes: what is said, and to type."""

from __future__ import annotations

import shlex

import pytest

from tests.conftest import Shell

EXPERIMENT = """\
# @package _global_
# an experiment whose name is read as a value
defaults:
  - override /env: current
  - _self_

experiment_name: odd
script: train.py
"""


@pytest.mark.parametrize(("name", "value"), [("nan", "nan"), ("1e3", "1000.0"), ("null", "null"), ("true", "true"), ("No", "")])
def test_a_choice_that_is_read_as_a_value_is_told_with_its_quotes(workspace: Shell, name: str, value: str) -> None:
    for folder in ("conf", "conf/experiment"):
        (workspace.root / folder).mkdir(exist_ok=True)
    (workspace.root / "conf" / "experiment" / f"{name}.yaml").write_text(EXPERIMENT)
    (workspace.root / "train.py").write_text("")
    for words in (["plan"], ["plan", "-m", "+params.a=1,2"]):
        answer = workspace(*words, f"experiment={name}")
        if value:
            assert answer.code == 2, answer
            assert f"experiment={name} is read as the value {value}, and a choice is a text" in answer.err
            typed = shlex.split(answer.err.partition("hint: ")[2])[0]
            assert typed == f'experiment="{name}"'
            answer = workspace(*words, typed)
        assert answer.code == 0, answer


def test_a_value_that_is_no_choice_is_told_as_it_was_typed(workspace: Shell) -> None:
    answer = workspace("plan", *workspace.script("env=true"))
    assert answer.code == 2
    assert "'true' is not a choice of env" in answer.err


def test_texts_of_a_list_that_need_quotes_are_written_so_in_the_hint(workspace: Shell) -> None:
    words = workspace.script("+params.a=1,2", "sweep.exclude=[params.a > 1]")
    answer = workspace("plan", "-m", *words)
    assert answer.code == 2
    typed = shlex.split(answer.err.partition("hint: to give texts: ")[2])[0]
    assert typed == 'sweep.exclude=["params.a > 1"]'
    assert workspace("plan", "-m", *words[:-1], typed).code == 0
