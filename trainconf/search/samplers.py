"""Which point comes next: a grid's, a random one, or what Bayesian search proposes.

A sampler gives the point of a number. Points are asked for in ascending order, from 0; asking again for a number that was
given before gives the same point.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from trainconf.search.conditions import ConditionError
from trainconf.search.draws import unit
from trainconf.search.expressions import MAX_LISTED
from trainconf.search.space import Exclusion, Point, Space, key_in, key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object

MAX_MISSES = 1_000  # draws in a row that are excluded or were had before
NOTHING = "exclude leaves nothing: every point is excluded"
FEW_COMBINATIONS = 10_000  # of axes that exclusions name, which are all asked about before the points are
LISTED_SIZE = 100_000  # points of a space that is listed when drawing finds hardly a new one


class NothingLeftError(Exception):
    """The sampler has no further point; `reason` says why, as `sweep show` tells it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class NotReadyError(Exception):
    """The sampler has no answer yet: it shall be asked for the same point a moment later."""


class Sampler(Protocol):
    """Where the points of a sweep come from."""

    def ask(self, number: int) -> Point:
        """The point of that number. Raises NothingLeftError, NotReadyError, and ConditionError of an exclusion."""


class Sieve:
    """Which places of a grid `exclude` leaves out. An exclusion is asked once for each combination of the axes that it names."""

    def __init__(self, space: Space) -> None:
        sizes = [axis.size or 1 for axis in space.axes]
        self._space = space
        self._strides = [math.prod(sizes[place + 1 :]) for place in range(len(sizes))]
        self._sizes = sizes
        owners = {key: place for place, axis in enumerate(space.axes) for key in Space((axis,)).key_names()}
        named = [sorted({owners[key] for key in each.keys if key in owners}) for each in space.exclusions]
        self._parts = [
            (each, axes, dict[tuple[int, ...], bool]() if math.prod(sizes[axis] for axis in axes) <= LISTED_SIZE else None)
            for each, axes in zip(space.exclusions, named, strict=True)
        ]

    def past(self, place: int) -> int:
        """The first place from that one on of which it is not known that it is left out: the place itself where that is not.

        Raises ConditionError.
        """
        for exclusion, axes, known in self._parts:
            if self._is_covered(exclusion, [place // self._strides[axis] % self._sizes[axis] for axis in axes], axes, known):
                stride = self._strides[axes[-1]] if axes else math.prod(self._sizes)
                return (place // stride + 1) * stride
        return place

    def excludes(self, place: int) -> bool:
        """Whether a place is left out. Raises ConditionError."""
        return self.past(place) != place

    def leaves_nothing(self) -> bool:
        """Whether the exclusions of few axes are known to leave out all combinations of these; found where that is quick."""
        for wanted in {tuple(axes) for _, axes, _ in self._parts}:
            sizes = [self._sizes[axis] for axis in wanted]
            if math.prod(sizes) > FEW_COMBINATIONS:
                continue
            parts = [part for part in self._parts if set(part[1]) <= {*wanted}]
            with suppress(ConditionError):  # it may be of a point that another exclusion leaves out
                if all(self._covers(parts, dict(zip(wanted, places, strict=True))) for places in itertools.product(*map(range, sizes))):
                    return True
        return False

    def left(self) -> Iterator[int]:
        """The places that are left, in order. Raises ConditionError."""
        place, end = 0, math.prod(self._sizes)
        while place < end:
            following = self.past(place)
            if following == place:
                yield place
                following += 1
            place = following

    def _covers(self, parts: Sequence[Any], places: Mapping[int, int]) -> bool:
        return any(self._is_covered(exclusion, [places[axis] for axis in axes], axes, known) for exclusion, axes, known in parts)

    def _is_covered(self, exclusion: Exclusion, at: Sequence[int], axes: Sequence[int], known: dict[tuple[int, ...], bool] | None) -> bool:
        if known is None or (found := known.get(tuple(at))) is None:
            point: Point = {}
            for axis, place in zip(axes, at, strict=True):
                point.update(self._space.axes[axis].at(place))
            found = exclusion.covers(point)
            if known is not None:
                known[tuple(at)] = found
        return found


class GridSampler:
    """Every point of a space that has an end, the first axis changing slowest; in an order of the seed if asked."""

    def __init__(self, space: Space, *, seed: int = 0, is_shuffled: bool = False, had: Iterable[Point] = ()) -> None:
        """had: points that were taken before, which are not given again."""
        size = space.size
        assert size is not None, "a grid needs an end"
        self._space = space.shuffled(seed)
        self._sieve = Sieve(self._space)
        self._shuffled = _shuffled(size, seed) if is_shuffled else None
        self._size = size
        self._next = 0
        self._points: list[Point] = []
        self._had = set(map(key_of, had))

    def ask(self, number: int) -> Point:
        """The point of that number; excluded points have none."""
        if not self._points and self._sieve.leaves_nothing():
            raise NothingLeftError(NOTHING)
        misses = 0
        while len(self._points) <= number:
            place = self._next_place()
            if place is None:
                raise NothingLeftError(all_done(len(self._points) + len(self._had)) if self._points or self._had else NOTHING)
            following = self._sieve.past(place)
            if following == place and not (self._had and key_of(self._space.at(place)) in self._had):
                self._points.append(self._space.at(place))
                misses = 0
                continue
            self._next = max(following, self._next)
            misses += 1
            if misses == MAX_LISTED:
                raise NothingLeftError(f"exclude leaves (almost) nothing: {MAX_LISTED} points in a row were excluded")
        return self._points[number]

    def _next_place(self) -> int | None:
        if self._shuffled is not None:
            return next(self._shuffled, None)
        if self._next >= self._size:
            return None
        self._next += 1
        return self._next - 1


def _shuffled(size: int, seed: int) -> Iterator[int]:
    """The places of a grid in an order of the seed; of one that is too large to list, drawn one by one."""
    if size <= MAX_LISTED:
        yield from sorted(range(size), key=lambda place: unit(seed, place, "shuffle"))
        return
    given: set[int] = set()
    for number in itertools.count():
        place = min(int(unit(seed, number, "shuffle") * size), size - 1)
        if place not in given:
            given.add(place)
            yield place


class Drawn:
    """Draws points that are not excluded; of a space with an end each is given once, and all of them are."""

    def __init__(self, space: Space, seed: int, had: Iterable[Point]) -> None:
        """had: points that were taken before, which a space with an end does not give again."""
        self._space = space
        self._seed = seed
        self._size = space.size
        self._given: set[str] = set()
        self._had = set(map(key_of, had))

    def _draw(self, number: int, point_of: Callable[[int], Point]) -> Point:
        """The first point of `point_of`, by the count of retries, that may be given; raises NothingLeftError."""
        if self._size is not None and len(self._given) >= self._size:
            raise NothingLeftError(all_done(self._size))
        for retry in range(MAX_MISSES):
            point = point_of(retry)
            if not self._space.excludes(point) and (self._size is None or not self._is_given(point)):
                return point
        return self._from_the_list(number)

    def _is_given(self, point: Point) -> bool:
        key = key_of(point)
        return key in self._given or key in self._had

    def _from_the_list(self, number: int) -> Point:
        """One of the points that are left, when drawing has found none of them."""
        if self._size is None or self._size > LISTED_SIZE:
            raise NothingLeftError(f"exclude leaves (almost) nothing: {MAX_MISSES} points in a row were excluded")
        left = [point for point in map(self._space.at, Sieve(self._space).left()) if not self._is_given(point)]
        if not left:
            given_count = len(self._given) + len(self._had)
            raise NothingLeftError(all_done(given_count) if given_count else NOTHING)
        return left[min(int(unit(self._seed, number, "", MAX_MISSES) * len(left)), len(left) - 1)]


class RandomSampler(Drawn):
    """Random points, each a pure function of the seed and its number; a point of a space with an end is given once."""

    def __init__(self, space: Space, seed: int, *, had: Iterable[Point] = ()) -> None:
        super().__init__(space, seed, had)
        self._points: dict[int, Point] = {}

    def ask(self, number: int) -> Point:
        """The point of that number."""
        if self._size is None:
            return self._random(number)
        for earlier in range(len(self._points), number + 1):
            point = self._random(earlier)
            self._points[earlier] = point
            self._given.add(key_of(point))
        return self._points[number]

    def _random(self, number: int) -> Point:
        return self._draw(number, lambda retry: self._space.draw(self._seed, number, retry))

    def unseen(self, number: int, given: set[str]) -> Point:
        """The first random point from that number on that is not among `given`; of a space with an end then one from before it."""
        reason = f"{MAX_MISSES} random points in a row had been tried before"
        try:
            for later in range(number, number + MAX_MISSES):
                point = self.ask(later)
                if key_of(point) not in given:
                    return point
        except NothingLeftError as error:
            reason = all_done(len(given)) if given and self._size is not None else error.reason
        for point in itertools.islice(self._points.values(), number):
            if key_of(point) not in given:
                return point
        raise NothingLeftError(reason)


def all_done(count: int) -> str:
    return f"all {count} points done" if count != 1 else "the only point is done"


class SobolSampler(Drawn):
    """scipy's scrambled Sobol sequence, which fills a space more evenly than random points. Raises ImportError: scipy is missing."""

    def __init__(self, space: Space, seed: int, *, had: Iterable[Point] = ()) -> None:
        from scipy.stats import qmc

        super().__init__(space, seed, had)
        self._names = list(dict.fromkeys(key_in(name) for name, _ in space.expressions()))
        self._sequence = qmc.Sobol(max(1, len(self._names)), scramble=True, rng=seed % 2**32)
        self._points: list[Point] = []

    def ask(self, number: int) -> Point:
        """The point of that number; excluded points, and those of a finite space that were given before, have none."""
        while len(self._points) <= number:
            point = self._draw(len(self._points), self._next)
            self._points.append(point)
            self._given.add(key_of(point))
        return self._points[number]

    def _next(self, _: int) -> Point:
        place = dict(zip(self._names, map(float, self._sequence.random(1)[0]), strict=False))
        return self._space.at_quantiles(place.__getitem__)


class PointSource:
    """The points of `first`, then those of a sampler. A sampler that learns is told what the points were worth."""

    def __init__(self, sampler: Any, first: list[Point]) -> None:
        self._sampler = sampler
        self._first = first
        self._learns = hasattr(sampler, "tell")

    def ask(self, point: int) -> Point:
        """The values of a point. Raises NothingLeftError, NotReadyError."""
        if point < len(self._first):
            return self._first[point]
        values: Point = self._sampler.ask(point if self._learns else point - len(self._first))
        return values

    def add(self, point: int, values: Point) -> None:
        """A point that is taken: it is in flight, or was in flight before this process began."""
        if self._learns:
            self._sampler.add(point, values)

    def forget(self, point: int) -> None:
        """What a point was worth counts no longer: it runs once more."""
        if self._learns:
            self._sampler.forget(point)

    def warm_up(self, count: int) -> None:
        """Get ready beside the first trials of so many points."""
        if self._learns:
            self._sampler.warm_up(count)

    def close(self) -> None:
        """Nobody asks any more."""
        if self._learns:
            self._sampler.close()

    def tell(self, point: int, value: float | None) -> None:
        """What a point was worth; None if that will never be known."""
        if self._learns:
            self._sampler.tell(point, value)
