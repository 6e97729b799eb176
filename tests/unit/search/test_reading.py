"""A space as it is written: one meaning in every form, and all of its mistakes at once, each with its place."""

from __future__ import annotations

from typing import Any

import pytest

from trainconf.composition.plain.expressions import read_expression
from trainconf.search import grammar as e
from trainconf.search.expressions import Choice, Expression
from trainconf.search.reading import SpaceReader
from trainconf.search.space import Space

AZURE = {
    "uniform(0, 1)": {"type": "uniform", "min_value": 0, "max_value": 1},
    "quniform(1, 10, 0.5)": {"type": "quniform", "min_value": 1, "max_value": 10, "q": 0.5},
    "loguniform(-7, 0)": {"type": "loguniform", "min_value": -7, "max_value": 0},
    "qloguniform(0, 3, 2)": {"type": "qloguniform", "min_value": 0, "max_value": 3, "q": 2},
    "normal(0, 1)": {"type": "normal", "mu": 0, "sigma": 1},
    "qnormal(0, 1, 0.1)": {"type": "qnormal", "mu": 0, "sigma": 1, "q": 0.1},
    "lognormal(0, 1)": {"type": "lognormal", "mu": 0, "sigma": 1},
    "qlognormal(0, 1, 2)": {"type": "qlognormal", "mu": 0, "sigma": 1, "q": 2},
    "randint(10)": {"type": "randint", "upper": 10},
    "choice(1, 2)": {"type": "choice", "values": [1, 2]},
}


def read(space: dict[str, Any], *, zips: dict[str, Any] | None = None, exclude: list[Any] | None = None) -> tuple[Space, SpaceReader]:
    reader = SpaceReader(read_expression, lambda key: f"file: {key}")
    return reader.space(space, zips or {}, exclude or []), reader


def one(spec: Any) -> Any:
    space, reader = read({"a": spec})
    assert not reader.mistakes
    return space.axes[0].expression


@pytest.mark.parametrize("text", AZURE)
def test_the_words_of_azure_mean_what_the_text_means(text: str) -> None:
    assert one(AZURE[text]) == one(text)


@pytest.mark.parametrize(("text", "written"), [
    ("1,2", [1, 2]), ("choice(a,b)", ["a", "b"]), ("range(1,10,3)", [1, 4, 7]), ("1,true,'1',null", [1, True, "1", None]),
    ("sort(3,1,2)", [1, 2, 3]), ("[1,2],[3]", [[1, 2], [3]]), ("{a:1},{a:2}", [{"a": 1}, {"a": 2}]), ("range(0.5,2)", [0.5, 1.5]),
])  # fmt: skip
def test_a_list_means_what_its_text_means(text: str, written: list[Any]) -> None:
    assert one(text) == one(written) == one({"choice": written})


@pytest.mark.parametrize(("text", "expression"), [
    ("log_interval(0.1, 1)", e.log_interval(0.1, 1)), ("tag(log, interval(0.1, 1))", e.interval(0.1, 1, is_log=True)),
    ("int(interval(1, 8))", e.interval(1, 8, is_int=True)), ("interval(1, 8)", e.interval(1, 8)),
    ("shuffle(1,2)", Choice(e.choice(1, 2).options, is_shuffled=True)),
])  # fmt: skip
def test_an_expression_means_the_same_below_an_option(text: str, expression: Expression) -> None:
    assert one(text) == expression
    ((key, inner),) = one({"choice": [{"value": 1, "space": {"b": text}}]}).options[0].space
    assert (key, inner) == ("b", expression)


def test_every_mistake_is_told_with_its_place_and_a_wrong_key_is_known_elsewhere() -> None:
    options = {"choice": [{"value": 1, "space": {"inner": "uniform(2, 1)"}}, {"value": 2, "space": 3}]}
    _, reader = read(
        {"a": "uniform(1, 0)", "b": {"type": "quniform", "min_value": 1}, "c": [], "d": options, "e": {"type": "none"}, "f": [1, 2]},
        zips={"z": {"g": [1, 2], "h": "uniform(1, 0)", "i": "uniform(0, 1)"}, "y": {"j": [1], "k": [1, 2]}, "x": []},
        exclude=[{"a": 1}, "inner > 3 and h < 1", {"m": 1}, "f >", 3],
    )  # fmt: skip
    names = "choice, randint, uniform, quniform, loguniform, qloguniform, normal, qnormal, lognormal, qlognormal"
    told = {mistake.what: dict(mistake.facts)["from"] for mistake in reader.mistakes}
    assert told == {
        "a: uniform(1, 0): min must be below max": "file: sweep.space.a",
        "b: type quniform needs min_value, max_value, q, and nothing besides": "file: sweep.space.b",
        "c is given no value at all": "file: sweep.space.c",
        "inner: uniform(2, 1): min must be below max": "file: sweep.space.d",
        "d: the space of 2 is a mapping of keys to expressions": "file: sweep.space.d",
        f"e: a mapping needs `choice`, or `type` with one of {names}": "file: sweep.space.e",
        "h: uniform(1, 0): min must be below max": "file: sweep.zip.z.h",
        "sweep.zip.z: i has no list of values": "file: sweep.zip.z",
        "sweep.zip.y: its keys have j 1, k 2 values": "file: sweep.zip.y",
        "sweep.zip.x is no zip": "file: sweep.zip.x",
        "sweep.exclude[2]: the space has no m": "file: sweep.exclude",
        "sweep.exclude[3]: invalid syntax": "file: sweep.exclude",
        "sweep.exclude[4] is 3": "file: sweep.exclude",
    }


@pytest.mark.parametrize("spec", [[1, 2, 1], "1,2,1", "choice(1,2,1)", {"type": "choice", "values": [1, 2, 1]}, "1,2,1,1", [1, True, 2, 1]])
def test_equal_values_are_one_and_told_but_in_a_zip(spec: Any) -> None:
    _, reader = read({"a": spec})
    assert ["there twice, and taken once" in warning for warning in reader.warnings] == [True]
    space, reader = read({}, zips={"z": {"a": [1, 1], "b": [1, 2]}})
    assert (reader.warnings, space.size) == ([], 2)
