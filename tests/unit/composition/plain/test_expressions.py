"""What is read without Hydra is what Hydra reads."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.search.test_expressions import EVERY
from trainconf.composition.hydra import expressions as by_hydra
from trainconf.composition.hydra import written as written_by_hydra
from trainconf.composition.plain.expressions import expression_of, listed, read_expression
from trainconf.composition.plain.words import written
from trainconf.search import grammar
from trainconf.search.expressions import Choice, Expression, ExpressionError, Steps

ODD = st.sampled_from(["1e-3", "1_0", "+1", ".5", "5.", "inf"])
NUMBER = st.one_of(st.integers(-3, 20).map(str), st.floats(-8, 8, width=16).map(repr), ODD)
NAME = st.sampled_from(["a", "b", "null", "True", "false", "'x y'", '"q"', "a/b.c", "a-b", "-", "", "[1]", "${a}", "x=1", "1,2"])
ITEM = st.one_of(NUMBER, NAME)
SPACE = st.sampled_from(["", "", " ", "  "])
NAMES = [*grammar.FUNCTIONS, "range", "interval", "int", "tag", "sort", "shuffle", "zip", "nosuch"]


def joined(parts: list[str], space: str) -> str:
    return f",{space}".join(parts)


CALL = st.builds(
    lambda name, parts, one, two: f"{name}({one}{joined(parts, two)}{one})",
    st.sampled_from(NAMES), st.lists(NUMBER | ITEM, max_size=3), SPACE, SPACE,
)  # fmt: skip
NUMBERS = st.builds(
    lambda name, parts, space: f"{name}({joined(parts, space)})", st.sampled_from(NAMES), st.lists(NUMBER, min_size=1, max_size=3), SPACE,
)
TEXT = st.one_of(
    NUMBERS, NUMBERS, CALL, st.lists(ITEM, min_size=1, max_size=4).map(",".join), st.builds(joined, st.lists(ITEM, max_size=3), SPACE),
    st.builds(lambda name, inner: f"{name}({inner})", st.sampled_from(["int", "tag", "choice", "sort"]), NUMBERS),
    st.builds(lambda inner, space: f"tag(log,{space}{inner})", NUMBERS | NUMBERS.map(lambda text: f"int({text})"), SPACE),
    st.text("abz019.,()[] '\"-_=", max_size=10),
)  # fmt: skip


def said(read: object, text: str) -> object:
    try:
        found = read(text)  # type: ignore[operator]
    except ExpressionError as error:
        return str(error)
    return found, type(found), [(value, type(value)) for value in found.ends()] if isinstance(found, Expression) else None


READABLE = ("1,2", "0.1,0.01,1e-3", "a,b", "choice(1,2)", "choice(a,b)", "uniform(0,1)", "range(1,4)", "interval(0,1)", "true,false")


def test_what_is_read_is_what_hydra_reads() -> None:
    known: list[bool] = []

    @settings(max_examples=600, deadline=None)
    @given(st.one_of(TEXT, st.sampled_from(READABLE), st.sampled_from(READABLE)))
    def check(text: str) -> None:
        try:
            found = expression_of(text)
        except ExpressionError:
            found = None
        known.append(found is not None)
        assert said(read_expression, text) == said(by_hydra.read_expression, text)

    check()
    assert sum(known) > len(known) / 10, f"{sum(known)} of {len(known)} are read: the generator proves too little"


@pytest.mark.parametrize("text", [*EVERY, "1,2,3", "a,b", "range(3)", "range(2, 5)", "range(5000)", "1,null"])
def test_the_usual_ones_are_read_without_hydra(text: str) -> None:
    assert expression_of(text) == by_hydra.read_expression(text)


LONG = ["range(0,1000,0.001)", "range(0,100,0.01)", "range(5,-5,-0.003)", "range(0,0.2,0.0001)", "float(range(0,2000))"]


@pytest.mark.parametrize("text", LONG)
def test_a_long_range_of_numbers_with_a_part_has_hydras_values_and_keeps_few(text: str) -> None:
    found = by_hydra.read_expression(text)
    assert isinstance(found, Choice)
    override = by_hydra.register(OverridesParser.create()).parse_overrides([f"x={text}"])[0]
    wanted = list(override.sweep_iterator())
    assert list(found.values()) == wanted
    assert {type(value) for value in found.values()} == {float}
    assert [found.options[place].value for place in (0, 7, 999, -1)] == [wanted[place] for place in (0, 7, 999, -1)]
    assert list(found.values()[5:9]) == wanted[5:9]
    assert isinstance(found.values(), Steps) or bool(getattr(override.value(), "transformers", None))  # Hydra 1.4 casts each


@pytest.mark.parametrize("text", ["float(range(0,3))", "int(range(0.5,3.5))", "float(range(0,2,0.5))"])
def test_a_range_that_is_cast_has_the_values_that_hydra_gives(text: str) -> None:
    override = by_hydra.register(OverridesParser.create()).parse_overrides([f"x={text}"])[0]
    wanted = list(override.sweep_iterator())
    found = list(by_hydra.read_expression(text).values())
    assert [(type(value), value) for value in found] == [(type(value), value) for value in wanted]


def test_a_million_numbers_with_a_part_take_little_memory() -> None:
    tracemalloc.start()
    found = by_hydra.read_expression("range(0,1000000,1.0)")
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found, Choice)
    assert len(found.options) == 1_000_000
    assert found.at(0.9999999) == 999_999.0
    assert taken < 20e6


NO_LISTS = ["1", "adam", "'a,b'", "[1,2]", "uniform(0)", "uniform(a, b)", "choice(uniform(0, 1), 2)", "shuffle(1,2)", "choice(1, null)"]


@pytest.mark.parametrize("text", NO_LISTS)
def test_what_lists_nothing_is_not_listed(text: str) -> None:
    assert listed(text) is None


def test_a_value_is_written_as_hydra_writes_it() -> None:
    plain = st.one_of(
        st.text(max_size=8), st.text("'\\\"${}a_-9 ,=", max_size=6), st.integers(), st.floats(), st.booleans(), st.none(),
        st.sampled_from(["null", "True", "nan", "a-b", "-a", "_", "9a", "é", ""]),
    )  # fmt: skip

    @settings(max_examples=300, deadline=None)
    @given(st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2), max_leaves=4,
    ))  # fmt: skip
    def check(value: object) -> None:
        assert written(value) == written_by_hydra.written(value)

    check()


def test_reading_loads_no_hydra() -> None:
    code = (
        "import sys\nfrom trainconf.composition.plain.expressions import read_expression\nfrom trainconf.composition.plain import request\n"
        "read_expression('log_interval(0.1, 1)'), read_expression('a,b'), read_expression('7')\n"
        "print({'hydra', 'omegaconf', 'yaml', 'antlr4'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
