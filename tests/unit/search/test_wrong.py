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
    "range(10,1)": ("range(10,1) has no value: a step of 1 leads from 10 away from 1", "range(10,1,-1)"),
    "range(1,10,-1)": ("range(1,10,-1) has no value: a step of -1 leads from 1 away from 10", "range(1,10)"),
    "range(0,1,-0.1)": ("a step of -0.1 leads from 0 away from 1", "range(0,1,0.1)"),
    "range(start=1,stop=0,step=+0.5)": ("a step of +0.5 leads from 1 away from 0", "range(1,0,-0.5)"),
    "range(-5)": ("a step of 1 leads from 0 away from -5", "range(0,-5,-1)"),
    "range(0)": ("range(0) has no value: the stop, 0, is not one of its values", "range(0,1)"),
    "range(1,1,0.5)": ("the stop, 1, is not one of its values", "range(1,1.5,0.5)"),
    "range(nan,1)": ("start must be a finite number, not nan", "range(1,10,3)"),
    "range(0,inf)": ("stop must be a finite number, not inf", "range(1,10,3)"),
    "range(0,10000000)": ("range(0,10000000) has 10000000 values, and a key can list 1000000", "int(interval(0,9999999))"),
    "range(0,1,1e-9)": ("has 1000000000 values, and a key can list 1000000", "interval(0,0.999999999)"),
    "uniform(nan,1)": ("uniform(nan,1): min must be a finite number, not nan", "uniform(0,1)"),
    "tag(log,5)": ("tag stands around an interval, and 5 is none", "tag(log,interval(0.001,1))"),
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
    with pytest.raises(ExpressionError, match=r"cannot be read|number|several values|whole list|has no value|can list") as error:
        read_expression(text)
    assert error.value.example == example
    if example and example != text:
        read_expression(example)


CAST = {  # text: what is said, and what to type instead
    "int(interval(0.2,0.8))": (
        "int(interval(0.2, 0.8)): there is no whole number between the bounds; the nearest are 0 and 1", "int(interval(0, 1))",
    ),
    "tag(log,int(interval(0.2,0.8)))": ("tag(log, int(interval(0.2, 0.8))): there is no whole number", "tag(log, int(interval(1, 2)))"),
    "int(tag(log,interval(0,8)))": ("a logarithmic bound must be above 0", "tag(log, int(interval(0.008, 8)))"),
    "int(uniform(0.2,0.8))": ("int(uniform(0.2, 0.8)): there is no whole number between the bounds", "int(uniform(0, 1))"),
    "int(log_interval(1.2,1.8))": ("int(log_interval(1.2, 1.8)): there is no whole number", "int(log_interval(1, 2))"),
    "int(interval(8,1))": ("int(interval(8, 1)): the first bound must be below the second", "int(interval(1, 8))"),
    "int(quniform(0,10,0.5))": ("int(quniform(0, 10, 0.5)): multiples of 0.5 are not all whole", "quniform(0, 10, 1)"),
    "int(choice(1,b))": ("int(...) cannot make a whole number of 'b'", ""),
    "int(range(0,1,0.25))": ("int(range(0,1,0.25)): as a whole number the step is 0", "range(0,1)"),
    "float(randint(3))": ("float(...) has no meaning around randint, which gives whole numbers", "float(range(0,10))"),
    "tag(log,uniform(0.1,1))": ("tag has no meaning around uniform", "log_interval(0.001,1)"),
    "tag(lag,interval(0.1,1))": ("the tag lag has no meaning here", "tag(log,interval(0.1,1))"),
}  # fmt: skip


@pytest.mark.parametrize("text", CAST)
def test_a_cast_of_what_has_no_whole_numbers_is_told_as_it_was_written(text: str) -> None:
    said, example = CAST[text]
    with pytest.raises(ExpressionError) as error:
        read_expression(text)
    assert said in str(error.value)
    assert error.value.example == example
    if example:
        read_expression(example)


@pytest.mark.parametrize(("text", "values"), [
    ("int(interval(0.2,3.8))", [1, 2, 3]), ("int(interval(-0.5,0.5))", [0]), ("int(interval(1,3))", [1, 2, 3]),
    ("int(log_interval(0.5,3.5))", [1, 2, 3]), ("tag(log,int(interval(1.5,3)))", [2, 3]), ("int(tag(log,interval(1,3)))", [1, 2, 3]),
    ("int(loguniform(0,1.1))", [1, 2, 3]), ("int(quniform(0,4,2))", [0, 2, 4]), ("int(randint(3))", [0, 1, 2]),
    ("int(uniform(0.5,2))", [1, 2]), ("int(choice(1.5,3))", [1, 3]),
])  # fmt: skip
def test_int_gives_the_whole_numbers_between_the_bounds(text: str, values: list[int]) -> None:
    found = read_expression(text)
    assert list(found.values()) == values
    assert {type(found.at(u / 10)) for u in range(10)} == {int}


@pytest.mark.parametrize(("text", "same"), [
    ("int(log_interval(1,1000))", "tag(log,int(interval(1,1000)))"), ("int(normal(0,9))", "qnormal(0,9,1)"),
    ("int(lognormal(3,1))", "qlognormal(3,1,1)"), ("float(log_interval(1,1000))", "log_interval(1,1000)"),
    ("float(normal(0,1))", "normal(0,1)"),
])  # fmt: skip
def test_a_cast_keeps_the_distribution(text: str, same: str) -> None:
    drawn = [[read_expression(each).at(place / 100) for place in range(100)] for each in (text, same)]
    assert drawn[0] == drawn[1]


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
