"""Records behave as frozen dataclasses do, and importing them loads nothing else."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from trainconf.fast.records import Record, replace


class Place(Record):
    name: str
    rank: int = 0
    tags: tuple[str, ...] = ()


class Detailed(Place):
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Same:
    name: str
    rank: int = 0
    tags: tuple[str, ...] = ()
    note: str = ""


VALUES = st.fixed_dictionaries({"name": st.text()}, optional={"rank": st.integers(), "tags": st.tuples(st.text()), "note": st.text()})


@given(VALUES, VALUES)
def test_a_record_is_what_a_frozen_dataclass_of_its_fields_is(first: dict[str, Any], second: dict[str, Any]) -> None:
    one, other = Detailed(**first), Detailed(**second)
    assert repr(one) == repr(Same(**first)).replace("Same", "Detailed")
    assert (one == other) == (Same(**first) == Same(**second))
    assert vars(one) == dataclasses.asdict(Same(**first))
    assert hash(one) == hash(Detailed(**first))
    assert replace(one, **second) == Detailed(**{**first, **second})


def test_values_may_be_given_in_order() -> None:
    assert Detailed("a", 1, ("t",), "n") == Detailed(name="a", rank=1, tags=("t",), note="n")


def test_another_class_with_the_same_values_is_another_value() -> None:
    assert Place("a") != Detailed("a")
    assert Place("a") != "a"


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), (("a", 1, (), "x"), {}), (("a",), {"name": "b"}), (("a",), {"nam": "b"})], ids=str,
)  # fmt: skip
def test_a_field_that_is_missing_unknown_or_given_twice_is_a_mistake(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="Place"):
        Place(*values, **named)


def test_a_record_cannot_change() -> None:
    place = Place("a")
    with pytest.raises(AttributeError, match="cannot be changed"):
        place.rank = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot be removed"):
        del place.rank
    with pytest.raises(AttributeError):
        place.other = 2
    assert place == Place("a")


def test_records_are_defined_without_any_other_module() -> None:
    code = "import sys; before = set(sys.modules); import trainconf.fast.records; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["__future__", "trainconf", "trainconf.fast", "trainconf.fast.records"], done.stderr
