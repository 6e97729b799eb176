"""A search space: keys with an expression each, keys that change together, keys that exist only with one value of another.

A point is a mapping of keys to values, in the order of the space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from trainconf.fast.records import Record, replace
from trainconf.search.conditions import Condition
from trainconf.search.draws import unit
from trainconf.search.expressions import Choice, Expression, Numbers, identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Point = dict[str, "Any"]


class Zip(Record):
    """Keys that change together: one row of values at a time, each row as likely as the others."""

    name: str
    rows: tuple[Point, ...]


class Exclusion(Record):
    """Points that are left out: those that have all of `values`, or for which `condition` holds."""

    values: Mapping[str, Any] = {}  # shared by all: nobody changes it
    condition: Condition | None = None

    @property
    def keys(self) -> Sequence[str]:
        """The keys that it asks about."""
        return list(self.values) if self.condition is None else self.condition.names

    def covers(self, point: Mapping[str, Any]) -> bool:
        """Whether the point is left out. Raises ConditionError."""
        if self.condition is not None:
            return self.condition.holds(point)
        return all(key in point and _is_same(point[key], value) for key, value in self.values.items())


class Axis(Record):
    """One key and its expression, or several keys zipped."""

    key: str  # of a zip, its name
    expression: Expression | Zip

    @property
    def size(self) -> int | None:
        """How many points it gives alone; None without end."""
        if isinstance(self.expression, Zip):
            return len(self.expression.rows)
        if isinstance(self.expression, Numbers):
            return self.expression.count
        if not self.expression.has_spaces:
            return len(self.expression.options)
        total = 0
        for option in self.expression.options:
            inner = _size(axes_of(option.space))
            if inner is None:
                return None
            total += inner
        return total

    def at(self, index: int) -> Point:
        """The values of this axis at that place of a grid, 0 <= index < size."""
        if isinstance(self.expression, Zip):
            return dict(self.expression.rows[index])
        if isinstance(self.expression, Numbers):
            return {self.key: self.expression.value_at(index)}
        if not self.expression.has_spaces:
            return {self.key: self.expression.options[index].value}
        for option in self.expression.options:
            axes = axes_of(option.space)
            size = _size(axes)
            assert size is not None
            if index < size:
                return {self.key: option.value, **_grid_point(axes, index)}
            index -= size
        raise IndexError(index)


class Space(Record):
    """Axes in their order, and what is left out of their product."""

    axes: tuple[Axis, ...]
    exclusions: tuple[Exclusion, ...] = ()

    @property
    def size(self) -> int | None:
        """How many points the axes give, exclusions not counted; None without end."""
        return _size(self.axes)

    @property
    def has_conditions(self) -> bool:
        """Whether some key exists only with one value of another."""
        return any(isinstance(axis.expression, Choice) and axis.expression.has_spaces for axis in self.axes)

    def expressions(self) -> Iterator[tuple[str, Expression | Zip]]:
        """Every key with its expression, under the names that `walk` gives them."""
        yield from _expressions(self.axes, "")

    def key_names(self) -> list[str]:
        """Every key that a point can have."""
        found: dict[str, None] = {}
        for name, expression in self.expressions():
            for key in expression.rows[0] if isinstance(expression, Zip) else (key_in(name),):
                found[key] = None
        return list(found)

    def samples(self, limit: int) -> Iterator[Point]:
        """What a schema must accept for every point to be accepted: each value of a list, both ends of a range, at most `limit` of a key.

        The values of a conditional key come with the choices that it hangs on.
        """
        yield from _samples(self.axes, {}, limit)

    def draw(self, seed: int, number: int, retry: int = 0) -> Point:
        """The random point of that number: a pure function of its arguments."""
        return self.at_quantiles(lambda name: unit(seed, number, name, retry))

    def at_quantiles(self, quantile: Callable[[str], float]) -> Point:
        """The point whose keys lie at these quantiles, each from 0 to 1, asked for by key."""

        def choose(name: str, expression: Expression | Zip) -> Any:
            u = quantile(key_in(name))
            if isinstance(expression, Numbers):
                return expression.at(u)
            count = len(expression.rows) if isinstance(expression, Zip) else len(expression.options)
            return min(int(u * count), count - 1)

        return self.walk(choose)

    def walk(self, choose: Callable[[str, Expression | Zip], Any]) -> Point:
        """The point that `choose` decides on, key by key: the value of a number, the index of an option or of a row.

        It is given a key's name and expression; the name of a conditional key tells what it hangs on: `momentum@opt=0`.
        """
        return _walk(self.axes, choose, "")

    def at(self, index: int) -> Point:
        """The grid's point at that place, the first axis changing slowest; for spaces that have an end."""
        return _grid_point(self.axes, index)

    def shuffled(self, seed: int) -> Space:
        """The space with the options of its shuffled choices in an order of the seed."""

        def in_order(axis: Axis) -> Axis:
            if not isinstance(axis.expression, Choice) or not axis.expression.is_shuffled:
                return axis
            options = sorted(axis.expression.options, key=lambda option: unit(seed, 0, f"{axis.key} {identity(option.value)}"))
            return replace(axis, expression=replace(axis.expression, options=tuple(options)))

        return replace(self, axes=tuple(map(in_order, self.axes)))

    def excludes(self, point: Mapping[str, Any]) -> bool:
        """Whether the point is left out. Raises ConditionError."""
        return any(exclusion.covers(point) for exclusion in self.exclusions)


def _samples(axes: Sequence[Axis], above: Point, limit: int) -> Iterator[Point]:
    for axis in axes:
        if isinstance(axis.expression, Zip):
            yield from ({**above, **row} for row in axis.expression.rows[:limit])
            continue
        yield from ({**above, axis.key: value} for value in axis.expression.ends()[:limit])
        if isinstance(axis.expression, Choice) and axis.expression.has_spaces:
            for option in axis.expression.options:
                yield from _samples(axes_of(option.space), {**above, axis.key: option.value}, limit)


def _walk(axes: Sequence[Axis], choose: Callable[[str, Expression | Zip], Any], under: str) -> Point:
    point: Point = {}
    for axis in axes:
        chosen = choose(axis.key + under, axis.expression)
        if isinstance(axis.expression, Zip):
            point.update(axis.expression.rows[chosen])
        elif isinstance(axis.expression, Numbers):
            point[axis.key] = chosen
        else:
            option = axis.expression.options[chosen]
            point[axis.key] = option.value
            point.update(_walk(axes_of(option.space), choose, below(axis, chosen, under)))
    return point


def below(axis: Axis, index: int, under: str) -> str:
    """What the name of a key ends with that hangs on the choice of an axis, and on others."""
    return f"@{axis.key.replace('@', ':')}={index}{under}"


def key_in(name: str) -> str:
    """The key in a name that `Space.walk` gives it: `momentum` of `momentum@opt=0`, `db@source` of `db@source` and of `db@source@opt=0`."""
    key, *more = name.split("@")
    return f"{key}@{more[0]}" if more and "=" not in more[0] else key


def key_of(point: Mapping[str, Any]) -> str:
    """A text that is equal for equal points only, in whatever order their keys are."""
    return identity({key: point[key] for key in sorted(point)})


def axes_of(pairs: Sequence[tuple[str, Expression]]) -> tuple[Axis, ...]:
    return tuple(Axis(key, expression) for key, expression in pairs)


def _size(axes: Sequence[Axis]) -> int | None:
    total = 1
    for axis in axes:
        size = axis.size
        if size is None:
            return None
        total *= size
    return total


def _grid_point(axes: Sequence[Axis], index: int) -> Point:
    parts: list[Point] = []
    for axis in reversed(axes):
        size = axis.size
        assert size is not None
        index, place = divmod(index, size)
        parts.append(axis.at(place))
    point: Point = {}
    for part in reversed(parts):
        point.update(part)
    return point


def _expressions(axes: Sequence[Axis], under: str) -> Iterator[tuple[str, Expression | Zip]]:
    for axis in axes:
        yield axis.key + under, axis.expression
        if isinstance(axis.expression, Choice) and axis.expression.has_spaces:
            for index, option in enumerate(axis.expression.options):
                yield from _expressions(axes_of(option.space), below(axis, index, under))


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal; 1 and 1.0 are, 1 and True are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)
