"""What is said of the text of an expression that cannot be read: what is wrong, what is allowed, and what to type."""

from __future__ import annotations

import shlex

import pytest

from tests.conftest import Shell
from trainconf.composition.plain.expressions import read_expression
from trainconf.search.expressions import ExpressionError
from trainconf.search.wrong import explained

WRONG = {  # text: what is said, and what to type instead
    "choice(1,2),3": ("choice(...) is a whole list and cannot be one of its values", "1,2,3"),
    "3,choice(1,2)": ("choice(...) is a whole list", "3,1,2"),
    "range(3),7": ("range(...) is a whole list", "0,1,2,7"),
    "choice(1,2),choice(3,4)": ("choice(...) is a whole list", "1,2,3,4"),
    "choice(choice(1,2),3)": ("choice(...) is a whole list", "1,2,3"),
    "uniform(0,1),3": ("a distribution cannot be one of several values, and uniform(...) is one", "uniform(0,1)"),
    "choice(uniform(0,1),3)": ("a distribution cannot be one of several values", "uniform(0,1)"),
    "choice(1,2": ("choice( is not closed", "choice(1,2)"),
    "tag(log,interval(1,2)": ("tag( is not closed", "tag(log,interval(1,2))"),
    "uniform(0,1))": ("the ) at character 13 closes nothing", "uniform(0,1)"),
    "unifrom(0,1)": ("Unknown function 'unifrom'; did you mean uniform?", "uniform(0,1)"),
    "Uniform(0,1)": ("Unknown function 'Uniform'; did you mean uniform?", "uniform(0,1)"),
    "choice(a,foo(3))": ("Unknown function 'foo'", ""),
    "uniform(0)": ("uniform(0) lacks max", "uniform(0,1)"),
    "uniform()": ("uniform() lacks min and max", "uniform(0,1)"),
    "uniform(0,1,2)": ("uniform(0,1,2) has 3 arguments, and uniform takes 2", "uniform(0,1)"),
    "uniform(min=0,maximum=1)": ("uniform has no argument maximum", "uniform(0,1)"),
    "quniform(1,2,a)": ("q must be a number, not a", "quniform(0,10,2)"),
    "choice()": ("choice() has no value", "choice(1,2)"),
    "range()": ("range() lacks start", "range(1,10,3)"),
    "range(a)": ("start must be a number, not a", "range(1,10,3)"),
    "range(1,5,0)": ("the step of a range must not be 0", "range(1,10,3)"),
    "interval(1)": ("interval(1) lacks end", "interval(0,1)"),
    "tag(log,interval(1))": ("interval(1) lacks end", "interval(0,1)"),
}
RIGHT = [
    "1,2", "a,b", "choice(1,2)", "uniform(0,1)", "uniform(min=0,max=1)", "range(3)", "range(1,10,step=2)", "int(interval(1,8))", "glob(*)",
    "tag(log,interval(0.1,1))", "sort(3,1)", "shuffle(1,2,3)", "choice('a(',b)", "[1,2],[3]", "log_interval(1e-3,1)",
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_expression_is_told_with_what_to_type(text: str) -> None:
    said, example = WRONG[text]
    found = explained(text)
    assert found is not None
    assert said in str(found)
    assert found.example == example
    with pytest.raises(ExpressionError, match=r"cannot be read|number|several values|whole list") as error:
        read_expression(text)
    assert error.value.example == example
    if example and example != text:
        read_expression(example)


@pytest.mark.parametrize("text", RIGHT)
def test_nothing_is_said_against_a_right_one(text: str) -> None:
    assert explained(text) is None


def test_all_of_them_are_told_at_once_wherever_they_stand(workspace: Shell) -> None:
    words = [f"+params.w{place}={text}" for place, text in enumerate(WRONG)]
    answer = workspace("plan", "-m", *workspace.script(*words))
    assert answer.code == 2
    for place, (text, (said, example)) in enumerate(WRONG.items()):
        assert said in answer.err
        assert f"command line: +params.w{place}={text}" in answer.err
        assert not example or shlex.quote(f"+params.w{place}={example}") in answer.err
    lines = "".join(f"    params.y{place}: {text!r}\n" for place, text in enumerate(WRONG))
    for name, head in (("yaml", "sweep:\n  space:\n"), ("hydra", "hydra:\n  sweeper:\n    params:\n")):
        indented = lines if name == "yaml" else "".join(f"  {line}\n" for line in lines.splitlines())
        workspace.write(f"conf/experiment/{name}.yaml", f"# @package _global_\nexperiment_name: x\nscript: train.py\n{head}{indented}")
        answer = workspace("plan", "-m", f"experiment={name}")
        assert answer.code == 2
        for place, (said, example) in enumerate(WRONG.values()):
            assert said in answer.err
            assert f"params.y{place}" in answer.err
            assert not example or f"params.y{place}: {example}" in answer.err
        assert f"conf/experiment/{name}.yaml:{(len(head.splitlines()) + 3 + len(WRONG))}" in answer.err
