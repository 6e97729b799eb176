"""Values of a program on their way into a config: which line set which, and what wins."""

from __future__ import annotations

import os

from trainconf.composition.layers import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


class PlacedValues:
    """A tree of values, each with the place that set it. What is put later wins."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, ...], tuple[str, Any]] = {}

    def put(self, place: str, tree: Mapping[str, Any]) -> None:
        """Merge a tree: a mapping is merged, anything else replaces."""
        for path, value in _leaves(plain(tree)):
            for known in [known for known in self._values if _overlap(known, path)]:
                del self._values[known]
            self._values[path] = (place, value)

    def get(self, *path: str) -> Any:
        """The value at a path; None where there is none."""
        return self._values.get(path, ("", None))[1]

    def leaves(self) -> Iterator[tuple[str, Any, str]]:
        """Dotted key, value and place of each, in the order in which they were put."""
        for path, (place, value) in self._values.items():
            yield ".".join(path), value, place

    def layers(self) -> list[Layer]:
        """One layer for each place."""
        found: dict[str, dict[str, Any]] = {}
        for path, (place, value) in self._values.items():
            node = found.setdefault(place, {})
            for part in path[:-1]:
                node = node.setdefault(part, {})
            node[path[-1]] = value
        return [Layer(place, tree) for place, tree in found.items()]


def _leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, key))
        elif not isinstance(value, dict):
            yield (*above, key), value


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def plain(value: Any) -> Any:
    """A value as a config can hold it: paths as text, tuples as lists, numpy's scalars as numbers. What it cannot hold stays as it is."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if not isinstance(value, (str, bool, int, float)) and callable(getattr(value, "item", None)):
        try:
            return value.item()
        except (TypeError, ValueError, RuntimeError):
            return value
    if isinstance(value, float) and type(value) is not float:
        return float(value)  # numpy.float64 is a float
    return value
