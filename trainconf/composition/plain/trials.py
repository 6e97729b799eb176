"""Composes the trials of a sweep on a base from the cache: puts plain values of `params` into it, and leaves all others to Hydra."""

from __future__ import annotations

import math
import os
from functools import cached_property

from trainconf.composition.patch import is_name, is_plain_value, overlap, patched
from trainconf.composition.plain.words import written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, Protocol

    from trainconf.composition.plain.words import Axis, Words
    from trainconf.resolve.composed import Composed

    class Composer(Protocol):
        """Composes trials: `base` is the composition of what all of them share."""

        base: Composed

        def at(self, trial: Mapping[str, Any], *, number: int = 0) -> Composed: ...

    class AnyAxis(Protocol):
        """One key of a grid, and the override for each of its values."""

        key: str
        words: Words
        doubled_count: int

        @property
        def path(self) -> str: ...

    class AnyGrid(Protocol):
        """A product of axes, of which `base` is the first trial; `at` composes one of them, by its number in Hydra's order.

        check: the first so many values of each key, each alone. Both raise ConfigError.
        """

        base: Composed
        count: int

        @property
        def axes(self) -> Sequence[AnyAxis]: ...
        @property
        def varying(self) -> Sequence[AnyAxis]: ...
        def __iter__(self) -> Iterator[Composed]: ...
        def check(self, most: int) -> None: ...
        def at(self, number: int) -> Composed: ...


class SweepRequest:
    """What the overrides of a sweep say.

    composer: of the trials; its base is a trial like the others. specs: the expression of each key that varies, as `sweep.space` has it.
    zips: the same of `sweep.zip`. fixed: keys that have one value. grid: all combinations, in Hydra's order, where every key that varies
    lists its values; else None.
    """

    def __init__(self, composer: Composer, specs: dict[str, Any], zips: dict[str, Any], fixed: set[str], grid: AnyGrid | None) -> None:
        self.composer = composer
        self.specs = specs
        self.zips = zips
        self.fixed = fixed
        self.grid = grid


class PatchedTrials:
    """Composes trials of one sweep, as `composition.sweep.trial.TrialComposer` does.

    base: of which nothing is read or typed at `base.bound`, and at no other key of `params`. whole: makes the composer of other trials.
    """

    def __init__(self, base: Composed, dirs: Sequence[str], whole: Callable[[], Composer]) -> None:
        self.base = base
        self._dirs = dirs
        self._make_whole = whole
        self._whole: Composer | None = None
        self._keys = [text.partition("=")[0] for text in base.overrides]
        self._plans: dict[tuple[str, ...], list[tuple[int, str]] | None] = {}

    def at(self, trial: Mapping[str, Any], *, number: int = 0) -> Composed:
        """The config of one trial, by its number in the sweep. See `TrialComposer.at`. Raises ConfigError."""
        found = self._patched(trial)
        if found is not None:
            return found
        if self._whole is None:
            self._whole = self._make_whole()
        return self._whole.at(trial, number=number)

    def at_words(self, axes: Sequence[Axis], places: Sequence[int]) -> Composed | None:
        """The config of a trial of a grid that has the values and words at those places of its axes; None where Hydra must compose."""
        trial = {axis.path: axis.values[place] for axis, place in zip(axes, places, strict=True)}
        return self._patched(trial, [axis.words[place] for axis, place in zip(axes, places, strict=True)])

    def _patched(self, trial: Mapping[str, Any], words: Sequence[str] = ()) -> Composed | None:
        keys = tuple(trial)
        if keys not in self._plans:
            self._plans[keys] = self._planned(keys)
        plan = self._plans[keys]
        if plan is None:
            return None
        texts, values, sources = self.base.overrides.copy(), {}, {}
        for at, ((key, value), (place, sign)) in enumerate(zip(trial.items(), plan, strict=True)):
            items = value if type(value) is list else [value]
            if not all(map(is_plain_value, items)) or any(_refers(item) for item in items):
                return None
            word = words[at] if words else f"{sign}{key}={written(value)}"
            texts[place:place + 1] = [word]
            values[key] = list(value) if type(value) is list else value
            sources[key] = f"command line: {word}"
        return patched(self.base, values, sources, texts)

    def _planned(self, keys: Sequence[str]) -> list[tuple[int, str]] | None:
        """The place of each key's override among the shared ones, and its sign; None where Hydra must compose."""
        plan = []
        paths = [key.lstrip("+~") for key in self._keys]
        for new, key in enumerate(keys, len(paths)):
            first, *rest = key.split(".")
            *above, last = key.split(".")
            node: Any = self.base.config
            for part in above:
                node = node.get(part) if isinstance(node, dict) else None
            others = [*paths, *(other for other in keys if other is not key)]
            meets = any(overlap(key, other) and other != key for other in others) or paths.count(key) > 1 or list(keys).count(key) > 1
            is_open = first == "params" and bool(rest) and all(map(is_name, rest)) and isinstance(node, dict)
            is_bound = self.base.bound is None or any(overlap(key, bound) for bound in self.base.bound)
            is_group = any(os.path.isdir(os.path.join(folder, key)) for folder in self._dirs)
            if meets or not is_open or is_bound or is_group or isinstance(node.get(last), dict):
                return None
            if key in paths:
                place = paths.index(key)
                sign = self._keys[place][: -len(key)]
                if "~" in sign:
                    return None
            else:
                place, sign = new, "" if last in node else "+"
            plan.append((place, sign))
        return plan


def _refers(value: Any) -> bool:
    return type(value) is str and ("${" in value or value == "???")


class PlainGrid:
    """A product of axes, of which `base` is the first trial. See `composition.sweep.grid.Grid`."""

    def __init__(self, axes: list[Axis], composer: PatchedTrials, whole: Callable[[], AnyGrid]) -> None:
        self.axes = axes
        self.base = composer.base
        self.count = math.prod(len(axis.words) for axis in axes)
        self.varying = [axis for axis in axes if len(axis.words) > 1]
        self._composer = composer
        self._make_whole = whole

    def __iter__(self) -> Iterator[Composed]:
        """All trials, the first included, in Hydra's order."""
        self.check(self.count)
        return map(self.at, range(self.count))

    def check(self, most: int) -> None:
        """Check the first so many values of each key, each alone. Raises ConfigError with all mistakes."""
        if self._first is None:
            self._by_hydra.check(most)

    def at(self, number: int) -> Composed:
        """The trial of that number, in Hydra's order. Raises ConfigError."""
        if self._first is None:
            return self._by_hydra.at(number)
        found = self._composer.at_words(self.varying, places_of(number, self.varying))
        assert found is not None  # its keys are those of the first, and its values were read as plain
        return found

    @cached_property
    def _first(self) -> Composed | None:
        return self._composer.at_words(self.varying, [0] * len(self.varying))

    @cached_property
    def _by_hydra(self) -> AnyGrid:
        return self._make_whole()


def places_of(number: int, axes: Sequence[AnyAxis]) -> list[int]:
    """The place of each axis's value in the trial of that number: the first axis changes slowest."""
    places = []
    for axis in reversed(axes):
        number, place = divmod(number, len(axis.words))
        places.append(place)
    return places[::-1]
