"""Our NamedTuple is that of `typing` in all that is used of it."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from trainconf.fast.tuples import NamedTuple


class Point(NamedTuple):
    """A point."""

    x: int
    y: float = 0.5
    names: tuple[str, ...] = ()

    @property
    def sum(self) -> float:
        """Of both."""
        return self.x + self.y


def test_it_is_a_tuple_with_names_defaults_and_methods() -> None:
    point = Point(1)
    assert tuple(point) == (1, 0.5, ())
    assert (point.x, point.sum, Point.__doc__) == (1, 1.5, "A point.")
    x, y, _ = point
    assert (x, y) == (1, 0.5)
    assert point._replace(y=2.0)._asdict() == {"x": 1, "y": 2.0, "names": ()}
    assert repr(point) == "Point(x=1, y=0.5, names=())"
    assert Point._fields == ("x", "y", "names")
    assert pickle.loads(pickle.dumps(point)) == point
    assert Point.__module__ == __name__


def test_what_is_missing_or_too_much_is_refused() -> None:
    point: Any = Point
    for wrong in ((), (1, 2.0, (), 3)):
        with pytest.raises(TypeError):
            point(*wrong)
    with pytest.raises(AttributeError):
        point(1).x = 2
