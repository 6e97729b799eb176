"""Conditions: what they mean, and that nothing but their grammar is carried out."""

from __future__ import annotations

import pytest

from trainconf.search.conditions import Condition, ConditionError

VALUES = {"params.width": 64, "params.depth": 4, "params.opt": "sgd", "params.use": True, "params.n-estimators": 7, "params.none": None}


@pytest.mark.parametrize(("text", "expected"), [
    ("params.width * params.depth > 200", True),
    ("params.width * params.depth > 4096", False),
    ("params.opt == 'sgd' and params.depth == 4", True),
    ("params.opt != 'sgd' or not params.use", False),
    ("1 < params.depth <= 4", True),
    ("1 < params.depth < 4", False),
    ("params.opt in ['adam', 'sgd']", True),
    ("params.opt not in ('adam',)", True),
    ("params['n-estimators'] // 2 == 3 and -params.depth + 5 == 1", True),
    ("params.use", True),
    ("params.use == true and params.none == null", True),
    ("params.missing > 3", False),
    ("not params.missing > 3", True),
    ("params.missing > 3 or params.depth == 4", True),
    ("  params.depth % 3 == 1  ", True),
    ("params.missing is None and params.none is None and params.opt is not None", True),
    ("params.opt.startswith('s') and params.opt.upper().endswith('GD') and 'g' in params.opt", True),
    ("params.missing.startswith('s')", False),
    ("params.depth == 4 and\n  params.width == 64", True),
])
def test_a_condition_means_what_python_says(text: str, expected: bool) -> None:
    assert Condition(text).holds(VALUES) is expected


@pytest.mark.parametrize("text", [
    "__import__('os').system('true')", "params.width()", "[x for x in params]", "lambda: 1", "params.depth ** 99999999", "f'{params}'",
    "params[0]", "a := 1", "{1: 2}", "params.opt is 3", "params.opt.strip()",
    "params.opt.startswith()", "len(params.opt)", "1 if params.use else 2", "'a' 'b'[0]", "1j > 0", "b'a' == b'a'", "~1 == 2",
])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        Condition(text)


@pytest.mark.parametrize("text", ["", "params.depth >", "a b", "(" * 500, "a > \x00", "9" * 3000, "import os"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        Condition(text)


@pytest.mark.parametrize("text", [
    "params.opt > 3", "params.depth / 0 > 1", "params.opt + 1 > 2", "params.depth.lower() == 'x'", "3 in params.depth",
])
def test_what_has_no_answer_is_told_with_its_place(text: str) -> None:
    with pytest.raises(ConditionError, match="has no answer here"):
        Condition(f"params.use and {text}").holds(VALUES)


def test_the_names_are_known() -> None:
    assert Condition("params.a > params.b + params.a and null == params['c-d']").names == ["params.a", "params.b", "params.c-d"]


@pytest.mark.parametrize(("text", "column"), [("a=1", 2), ("b == '=' and a = 2", 16)])
def test_a_single_equals_sign_is_told_where_it_stands(text: str, column: int) -> None:
    with pytest.raises(ConditionError, match="values are compared by ==") as caught:
        Condition(text)
    assert caught.value.column == column


@pytest.mark.parametrize("text", ["a <= 1", "a >= 1", "a != 1", "a == '='"])
def test_other_signs_with_an_equals_sign_are_none(text: str) -> None:
    Condition(text)
