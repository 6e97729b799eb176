"""Bayesian search: which point is worth trying next, given what the others were worth.

Optuna proposes (`tpe`, and `gp`, which needs torch), or the covariance matrix adaptation of `cmaes`. A proposal depends on the
seed, the number of the point and what was told, in order; so a search that is rebuilt from its journal proposes what an unbroken
one would have. The first STARTUP_COUNT points are those of random search. Points in flight are known to the sampler as running.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from trainconf.fast.records import replace
from trainconf.search.apart import Apart, ApartError
from trainconf.search.expressions import Numbers, identity
from trainconf.search.proposers import Proposer, library_bounds, pass_on, proposer
from trainconf.search.samplers import NothingLeftError, NotReadyError, RandomSampler, all_done
from trainconf.search.space import Axis, Point, Space, Zip, axes_of, below, key_in, key_of

STARTUP_COUNT = 10
SAMPLERS = ("tpe", "gp", "cmaes")
NEEDED = {"tpe": ("optuna",), "gp": ("optuna", "torch", "scipy"), "cmaes": ("cmaes",)}


class BayesSampler:
    """Points by Bayesian search: `ask`, `add` the point that is taken, `tell` what came of it; after a restart in the same order.

    kind: `tpe`, `gp` or `cmaes`. goal: `maximize` or `minimize`. `left_out_count` counts added points outside the space.
    Raises ImportError: a library of NEEDED[kind] is missing.
    """

    def __init__(self, space: Space, seed: int, kind: str, goal: str, *, first_count: int = 0) -> None:
        """first_count: points of `first`, before those of random search."""
        self._space = space
        self._random = RandomSampler(space, seed)
        self._given: set[str] = set()
        self._points: dict[int, Point] = {}
        self._sign = 1.0 if goal == "minimize" else -1.0  # the libraries minimise
        self._seed = seed
        self._kind = kind
        self._first_count = first_count
        self._made: Proposer | None = None
        self._apart: Apart | None = None
        self._told: list[tuple[int, Any]] = []  # all of it in order: parameters of a point, or what one was worth
        self._earlier_count = 0  # points that were known before the first one was asked for
        self.left_out_count = 0
        for name in NEEDED[kind]:
            if find_spec(name) is None:
                raise ImportError(f"No module named {name!r}", name=name)

    def warm_up(self, count: int) -> None:
        """Get ready for proposals beside the first trials, where so many points need any. May be called twice."""
        if count + self._earlier_count > STARTUP_COUNT and self._made is None and self._apart is None:
            try:
                self._apart = Apart(replace(self._space, exclusions=()), self._seed, self._kind)
            except OSError:
                return  # no process is to be had: the proposer is made here, when the first proposal is asked for

    def close(self) -> None:
        """Let go of the process that proposes. Whoever asks once more gets the same proposals from this one."""
        if self._apart is not None:
            self._apart.close()
            self._apart = None

    def _propose(self, number: int) -> Point:
        if self._apart is not None:
            try:
                point = self._apart.propose(number, self._told)
            except ApartError:
                self._apart = None
            else:
                if point is None:
                    raise NotReadyError
                return point
        if self._made is None:
            self._made = proposer(self._space, self._seed, self._kind)
            for known in self._told:
                pass_on(self._made, *known)
        return self._made.propose(number)

    def _take(self, number: int, known: Any) -> None:
        self._told.append((number, known))
        if self._made is not None:
            pass_on(self._made, number, known)

    def add(self, number: int, point: Point) -> None:
        """Take a point that was chosen already: one of `first`, or of an earlier part of this search; below 0 those of other searches."""
        known = _known_parameters(self._space, point)
        if known is None:
            self.left_out_count += 1
            return
        self._points[number] = point
        self._given.add(key_of(point))
        self._earlier_count += number < 0
        self._take(number, known)

    def tell(self, number: int, value: float | None) -> None:
        """What a point was worth; None if that will never be known."""
        self._take(number, None if value is None else self._sign * value)

    def forget(self, number: int) -> None:
        """A point runs once more: what it was worth counts no longer. The library cannot forget, so its sampler is made anew."""
        self._told = [(known, facts) for known, facts in self._told if known != number or isinstance(facts, dict)]
        self._made = None
        self.close()

    def ask(self, number: int) -> Point:
        """The point of that number, to be given to `add` when it is taken. Raises NothingLeftError, NotReadyError."""
        if number in self._points:
            return self._points[number]
        size = self._space.size
        if size is not None and len(self._given) >= size:
            raise NothingLeftError(all_done(size))
        is_startup = number + self._earlier_count < STARTUP_COUNT
        if not is_startup:
            point = self._propose(number)
            if not (key_of(point) in self._given or self._space.excludes(point)):
                return point
        return self._random.unseen(max(0, number - self._first_count), self._given)


def parameters_of(axes: tuple[Axis, ...], point: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, float | int | None]]:
    """A point as a library's parameters: an index of each choice and zip, a number of each distribution; None: outside the space."""
    for axis in axes:
        name = axis.key + under
        if isinstance(axis.expression, Zip):
            rows = [key_of(row) for row in axis.expression.rows]
            own = key_of({key: point[key] for key in axis.expression.rows[0] if key in point})
            yield name, rows.index(own) if own in rows else None
        elif axis.key not in point:
            yield name, None
        elif isinstance(axis.expression, Numbers):
            yield name, _parameter(axis.expression, point[axis.key])
        else:
            values = [identity(value) for value in axis.expression.values()]
            own = identity(point[axis.key])
            yield name, values.index(own) if own in values else None
            if own in values:
                option = axis.expression.options[values.index(own)]
                yield from parameters_of(axes_of(option.space), point, below(axis, values.index(own), under))


def _known_parameters(space: Space, point: Mapping[str, Any]) -> dict[str, float | int] | None:
    """A point as a library's parameters; None of one that is outside the space."""
    parameters = dict(parameters_of(space.axes, point))
    if any(value is None for value in parameters.values()):
        return None
    return {name: value for name, value in parameters.items() if value is not None}


def is_within(space: Space, point: Mapping[str, Any]) -> bool:
    """Whether the space holds the point: all of its keys and no others, and nothing that is excluded. Raises ConditionError."""
    parameters = _known_parameters(space, point)
    if parameters is None or space.excludes(point):
        return False
    zips = {axis.key: axis.expression for axis in space.axes if isinstance(axis.expression, Zip)}
    names = [zips[name].rows[0] if name in zips else (key_in(name),) for name in parameters]
    return {key for keys in names for key in keys} == set(point)


def _parameter(numbers: Numbers, value: Any) -> float | int | None:
    """A value as the library knows it: standard deviations of the normal shapes, the value itself of all others."""
    if type(value) not in (int, float) or not math.isfinite(value):
        return None
    if not numbers.is_bounded:
        if numbers.shape == "lognormal":
            value = math.log(value) if value > 0 else -math.inf
        z = (value - numbers.a) / numbers.b if numbers.b else 0.0
        return min(max(z, -3.0), 3.0)
    low, high = library_bounds(numbers)
    if numbers.step is None and not low <= value <= high:
        return None
    return min(max(value, low), high) if not numbers.is_int else int(value)
