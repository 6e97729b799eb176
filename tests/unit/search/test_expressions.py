"""Expressions: their values at quantiles, their lists and ends, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainconf.search import grammar as e
from trainconf.search.draws import unit
from trainconf.search.expressions import Choice, Expression, ExpressionError, Numbers

EVERY: dict[str, Expression] = {
    "choice(a, b, c)": e.choice("a", "b", "c"),
    "randint(10)": e.randint(10),
    "uniform(-1, 3)": e.uniform(-1, 3),
    "quniform(1, 10, 4)": e.quniform(1, 10, 4),
    "quniform(0, 1, 0.1)": e.quniform(0, 1, 0.1),
    "loguniform(-7, 0)": e.loguniform(-7, 0),
    "qloguniform(0, 5, 2)": e.qloguniform(0, 5, 2),
    "normal(10, 2)": e.normal(10, 2),
    "qnormal(10, 2, 0.5)": e.qnormal(10, 2, 0.5),
    "lognormal(0, 1)": e.lognormal(0, 1),
    "qlognormal(3, 1, 5)": e.qlognormal(3, 1, 5),
    "log_interval(0.0001, 1)": e.log_interval(0.0001, 1),
    "interval(0.1, 0.9)": e.interval(0.1, 0.9),
    "int(interval(1, 8))": e.interval(1, 8, is_int=True),
    "tag(log, int(interval(1, 1024)))": e.interval(1, 1024, is_int=True, is_log=True),
}
# five random values of each, for seed 7 and the key of that name: a change of any is a change of every user's sweeps
GOLDEN: dict[str, list[object]] = {
    "choice(a, b, c)": ["c", "c", "c", "c", "b"],
    "randint(10)": [0, 9, 5, 2, 6],
    "uniform(-1, 3)": [-0.757472771312, 0.639434350123, 1.48038451348, 2.19881351231, 1.6499811946],
    "quniform(1, 10, 4)": [8, 4, 8, 8, 4],
    "quniform(0, 1, 0.1)": [0.1, 0.5, 0.5, 0.8, 0.8],
    "loguniform(-7, 0)": [0.0227617130279, 0.644988683361, 0.393294692507, 0.0228524030539, 0.440598957532],
    "qloguniform(0, 5, 2)": [38, 4, 2, 4, 50],
    "normal(10, 2)": [8.66809366471, 7.95298513206, 11.6669507095, 10.0921917862, 10.7488848003],
    "qnormal(10, 2, 0.5)": [12.5, 10.5, 8.5, 9.5, 10.5],
    "lognormal(0, 1)": [3.00270373691, 1.94766925964, 2.67292339391, 2.03847595358, 0.096616185497],
    "qlognormal(3, 1, 5)": [15, 5, 15, 30, 35],
    "log_interval(0.0001, 1)": [0.323145367982, 0.0904163205703, 0.000106080249619, 0.360679401195, 0.00142301796923],
    "interval(0.1, 0.9)": [0.400370517079, 0.712803265191, 0.715243365874, 0.362916621227, 0.697209341103],
    "int(interval(1, 8))": [3, 2, 8, 8, 4],
    "tag(log, int(interval(1, 1024)))": [566, 1, 1, 2, 269],
}


@pytest.mark.parametrize("name", EVERY)
def test_random_values_stay_what_they_were(name: str) -> None:
    drawn = [EVERY[name].at(unit(7, number, name)) for number in range(5)]
    assert drawn == GOLDEN[name]
    assert [type(value) for value in drawn] == [type(value) for value in GOLDEN[name]]


@pytest.mark.parametrize("name", EVERY)
@given(u=st.floats(0, 1))
def test_a_value_lies_between_the_ends(name: str, u: float) -> None:
    expression = EVERY[name]
    value = expression.at(u)
    if isinstance(expression, Choice):
        assert value in expression.values()
    elif expression.is_bounded:
        low, high = expression.bounds()
        assert low <= value <= high or math.isclose(value, low) or math.isclose(value, high)
    else:
        assert math.isfinite(value)


@pytest.mark.parametrize("name", [name for name, expression in EVERY.items() if expression.values() is not None])
def test_a_list_holds_every_value_that_is_drawn(name: str) -> None:
    values = EVERY[name].values()
    assert values is not None
    drawn = {EVERY[name].at(unit(1, number, name)) for number in range(3000)}
    assert drawn <= set(values)
    if len(values) < 50:
        assert drawn == set(values)


@pytest.mark.parametrize(("expression", "values"), [
    (e.quniform(1, 10, 4), [0, 4, 8]),
    (e.quniform(0, 0.4, 0.1), [0.0, 0.1, 0.2, 0.3, 0.4]),
    (e.randint(3), [0, 1, 2]),
    (e.interval(1, 3, is_int=True), [1, 2, 3]),
    (e.choice([64, 128]), [64, 128]),
    (e.choice(1, True, 1.0, "1", 1), [1, True, 1.0, "1"]),
])
def test_values_are_listed(expression: Expression, values: list[object]) -> None:
    found = expression.values()
    assert found == values
    assert found is not None
    assert [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize(("expression", "text"), [
    (e.log_interval(1e-4, 1), "0.0001 … 1, log"),
    (e.quniform(1, 10, 4), "0, 4, 8"),
    (e.loguniform(0.0001, 1), "1.0001 … 2.71828, log"),
    (e.randint(1000), "0 … 999, whole"),
    (e.uniform(0, 1), "0 … 1"),
    (e.quniform(0, 10, 0.1), "0 … 10, steps of 0.1"),
    (e.normal(0, 1), "-3 … 3 (normal, mostly)"),
    (e.choice(*range(20)), "0, 1, 2, … 19 (20 values)"),
    (e.choice("sgd", None), "sgd, None"),
    (e.choice(1, "1", True, "true", "", "a b", "None", "none", "/data/x", "1e3"), "1, '1', True, … '1e3' (10 values)"),
    (e.choice("true", "", "a b", "None", "none", "/data/x"), "'true', '', 'a b', 'None', none, /data/x"),
])
def test_what_can_come_is_shown_as_values(expression: Expression, text: str) -> None:
    assert expression.describe() == text


@pytest.mark.parametrize(("make", "told"), [
    (e.choice, "no value at all"),
    (lambda: e.choice([]), "no value at all"),
    (lambda: e.randint(0), "at least 1"),
    (lambda: e.randint(2.5), "whole number"),
    (lambda: e.uniform(2, 1), "min must be below max"),
    (lambda: e.uniform(1, 1), "min must be below max"),
    (lambda: e.FUNCTIONS["uniform"]("a", 1), "must be a number"),
    (lambda: e.uniform(True, 2), "must be a number"),
    (lambda: e.uniform(0, math.inf), "finite"),
    (lambda: e.uniform(0, 10**400), "finite"),
    (lambda: e.quniform(0, 1, 0), "above 0"),
    (lambda: e.quniform(0, 1, -0.1), "above 0"),
    (lambda: e.normal(0, -1), "sigma"),
    (lambda: e.loguniform(0, 1000), "too large"),
    (lambda: e.lognormal(700, 10), "too large"),
    (lambda: e.log_interval(0, 1), "above 0"),
    (lambda: e.log_interval(-1, 1), "above 0"),
    (lambda: e.interval(0.2, 0.8, is_int=True), "no whole number"),
])
def test_what_describes_no_values_is_refused(make: Callable[[], object], told: str) -> None:
    with pytest.raises(ExpressionError, match=told):
        make()


@pytest.mark.parametrize(("expression", "told"), [
    (e.quniform(0.1, 0.4, 1), "quniform(0.1, 0.4, 1) gives 0 alone: q is too large for these bounds"),
    (e.qnormal(0, 1, 100), "qnormal(0, 1, 100) gives 0 alone: q is too large for these bounds"),
    (e.qloguniform(-10, -9, 1), "qloguniform(-10, -9, 1) gives 0 alone: q is too large for these bounds"),
    (e.randint(1), "randint(1) gives 0 alone"),
    (e.normal(3, 0), "normal(3, 0) gives 3 alone"),
    (e.interval(2.5, 3.5, is_int=True), "interval(2.5, 3.5) gives 3 alone"),
    (e.uniform(1, 1 + 2**-52), "uniform(1, 1) gives 1 alone"),
    (e.randint(2), ""), (e.quniform(0, 1, 0.5), ""), (e.choice(1), ""),
])  # fmt: skip
def test_a_single_value_is_warned_of(expression: Expression, told: str) -> None:
    assert e.warning_of(expression) == told


@pytest.mark.parametrize(("make", "told", "example"), [
    (lambda: e.interval(0.2, 0.8, is_int=True), "int(interval(0.2, 0.8)): there is no whole number", "int(interval(0, 1))"),
    (lambda: e.interval(0.2, 0.8, is_int=True, is_log=True), "the nearest are 0 and 1", "int(log_interval(1, 2))"),
    (lambda: e.interval(-1, -2), "interval(-1, -2): the first bound must be below the second", "interval(-2, -1)"),
    (lambda: e.interval(3, 3), "a single value is written alone", "3"),
    (lambda: e.loguniform(-7, -7), "min must be below max; a single value is written alone", "0.000911882"),
    (lambda: e.quniform(2, 1, 0.5), "quniform(2, 1, 0.5): min must be below max", "quniform(1, 2, 0.5)"),
    (lambda: e.log_interval(1, 0), "a logarithmic bound must be above 0", "log_interval(0.001, 1)"),
    (lambda: e.log_interval(-2, -1), "a logarithmic bound must be above 0", "log_interval(0.001,1)"),
    (lambda: e.loguniform(1, 1000), "e^1000 is too large for a number", "log_interval(1, 1000)"),
    (lambda: e.loguniform(-800, -750), "e^-800 is too small for a number", ""),
    (lambda: e.lognormal(-1000, 1), "e^-1000 is too small for a number", ""),
    (lambda: e.uniform(-1.7e308, 1.7e308), "the bounds are too far apart", ""),
    (lambda: e.interval(-1.7e308, 1.7e308), "the bounds are too far apart", ""),
    (lambda: e.normal(1e308, 1e308), "nine sigma from mu are too large", ""),
    (lambda: e.quniform(0, 1e300, 1e-300), "q is too small: 1e+300 / 1e-300 is too large for a number", ""),
    (lambda: e.qlognormal(0, 50, 1e-200), "q is too small", ""),
    (lambda: e.randint(1e3), "randint(1000.0): upper must be a whole number of at least 1", "randint(1000)"),
    (lambda: e.randint(math.nan), "upper must be a whole number", "randint(10)"),
])  # fmt: skip
def test_what_is_refused_is_told_as_it_was_written_with_what_to_type(make: Callable[[], object], told: str, example: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        make()
    assert told in str(raised.value)
    assert raised.value.example == example


@given(st.floats(-1e308, 1e308), st.floats(-1e308, 1e308), st.floats(0, 1))
def test_bounds_of_any_size_are_refused_or_give_values_between_them(low: float, high: float, u: float) -> None:
    for make in (e.uniform, e.log_interval, lambda a, b: e.interval(a, b, is_int=True), lambda a, b: e.quniform(a, b, 1e-3)):
        try:
            expression = make(low, high)
        except ExpressionError:
            continue
        first, last = expression.bounds()
        assert math.isfinite(expression.at(u))
        assert first <= last
        assert expression.describe()


def test_logarithmic_bounds_that_look_like_values_are_warned_of() -> None:
    assert "gives 1.0001 … 2.71828" in e.warning_of(e.loguniform(0.0001, 1))
    assert "log_interval(0.0001, 1)" in e.warning_of(e.loguniform(0.0001, 1))
    assert e.warning_of(e.loguniform(-4, 0)) == ""
    assert e.warning_of(e.log_interval(0.0001, 1)) == ""


def test_a_distribution_is_the_one_its_name_says() -> None:
    drawn = [e.normal(5, 2).at(unit(3, number, "x")) for number in range(4000)]
    mean = sum(drawn) / len(drawn)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in drawn) / len(drawn))
    assert mean == pytest.approx(5, abs=0.15)
    assert deviation == pytest.approx(2, abs=0.1)
    logs = [math.log10(e.log_interval(1e-4, 1).at(unit(3, number, "x"))) for number in range(4000)]
    assert sum(logs) / len(logs) == pytest.approx(-2, abs=0.1)


def test_a_spread_of_nothing_is_its_mean() -> None:
    assert e.normal(4, 0).at(0.9) == 4
    assert isinstance(e.normal(4, 0), Numbers)


def test_a_long_range_is_the_choice_of_its_numbers() -> None:
    numbers = range(10, 25_010, 5)
    lazily, listed = Choice.of(numbers), Choice.of(list(numbers))
    assert list(lazily.options) == list(listed.options)
    assert list(lazily.values()) == listed.values()
    assert lazily.describe() == listed.describe()
    assert [lazily.at(u / 7) for u in range(7)] == [listed.at(u / 7) for u in range(7)]
    assert lazily == Choice.of(range(10, 25_010, 5)) != Choice.of(range(5000))
    assert Choice.of(range(3)) == Choice.of([0, 1, 2])
