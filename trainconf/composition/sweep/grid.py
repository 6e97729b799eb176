"""Every combination of the values given with `-m`, in Hydra's order, each composed as a trial."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.types import Override, OverrideType, Transformer, ValueType
from hydra.errors import HydraException

from trainconf.composition import explain, overrides
from trainconf.composition.hydra.expressions import range_of
from trainconf.composition.hydra.loader import ConfigLoader
from trainconf.composition.hydra.written import NAME, written
from trainconf.composition.layers import Layer
from trainconf.composition.plain.trials import places_of
from trainconf.composition.plain.words import RangeWords, Words
from trainconf.composition.sweep.trial import TrialComposer
from trainconf.errors import ConfigError, Mistake
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.search import config_dirs
from trainconf.search.expressions import Steps, is_made_later

MAX_VALUES = 1_000_000  # of one key: what memory holds; sweep.max_total_runs is the limit that people set
_BARE = re.compile(r"[\w/\\+.$%*@?|:=,()\[\]{} \t-]*", re.ASCII)  # texts that may stand without quotes, some characters escaped
_INTERPOLATION = re.compile(r"\$\{[^{}]+\}")


class Axis:
    """One key and the overrides that give it its values; a single one for a key that does not vary. `words` are their texts.

    doubled_count: equal values that were left out.
    """

    def __init__(self, override: Override, loader: overrides.Parser, values: Sequence[Any] | None = None) -> None:
        self.key: str = override.get_key_element()
        self.words: Words
        self._values: Sequence[Any] | None
        self.doubled_count = 0
        self._override = override
        self._loader = loader
        self._made: dict[int, Override] | None = None if is_made_later(values) else {}
        if isinstance(values, range | Steps) and is_made_later(values):
            self.words, self._values = RangeWords(self.key, values), values
            return
        kept: dict[str, Any] = {}
        for value in values or ():
            kept.setdefault(f"{self.key}={_written(value)}", value)
        self.words = [overrides.text_of(override)] if values is None else list(kept)
        self.doubled_count = len(values or ()) - len(kept)
        self._values = None if values is None else list(kept.values())

    @property
    def path(self) -> str:
        """The dotted key in the config; of a group, how it is chosen."""
        return overrides.path_of(self._override)

    @property
    def first(self) -> Override:
        """The first of its overrides."""
        return self.at(0)

    def overrides(self, most: int) -> list[Override]:
        """The first so many of its overrides: made when they are needed, for a grid that is too large is refused first."""
        return [self.at(number) for number in range(min(most, len(self.words)))]

    def at(self, number: int) -> Override:
        """One override: of a value whose text gives that value again, without asking the parser."""
        if self._made is None:
            return self._made_at(number)
        if number not in self._made:
            self._made[number] = self._made_at(number)
        return self._made[number]

    def _made_at(self, number: int) -> Override:
        of, word = self._override, self.words[number]
        if self._values is None:
            return of
        value = self._values[number]
        if type(value) not in (int, float, bool) and not (type(value) is str and NAME.fullmatch(value)):
            return self._loader.parse(word)
        kind = OverrideType.ADD if of.is_add() else OverrideType.FORCE_ADD if of.is_force_add() else OverrideType.CHANGE
        return Override(kind, of.key_or_group, ValueType.ELEMENT, value, of.package, word)


class Grid:
    """A product of axes. `base` is the first trial; `at` composes one of them, by its number in Hydra's order."""

    def __init__(self, axes: list[Axis], composer: TrialComposer) -> None:
        self.axes = axes
        self.base = composer.base
        self.count = math.prod(len(axis.words) for axis in axes)
        self.varying = [axis for axis in axes if len(axis.words) > 1]
        self._composer = composer

    def __iter__(self) -> Iterator[Composed]:
        """All trials, the first included, in Hydra's order."""
        self.check(self.count)
        return map(self.at, range(self.count))

    def check(self, most: int) -> None:
        """Check the first so many values of each key, each alone. Raises ConfigError with all mistakes."""
        self._composer.check([axis.overrides(most) for axis in self.varying])

    def at(self, number: int) -> Composed:
        """The trial of that number, in Hydra's order. Raises ConfigError."""
        trial = [axis.at(place) for axis, place in zip(self.varying, places_of(number, self.varying), strict=True)]
        return self._composer.at(trial, number=number)


def grid(
    texts: Sequence[str], workspace: WorkspacePaths, *, config_dir: str | None = None, config_name: str = "config",
    layers: Sequence[Layer] = (),
) -> Grid:
    """Split overrides into axes and compose the first trial. Raises ConfigError."""
    axes = _axes(texts, ConfigLoader(config_dirs(workspace, config_dir), config_name))
    first = [axis.first for axis in axes]
    return Grid(axes, TrialComposer(first, workspace, config_dir=config_dir, config_name=config_name, layers=layers))


def _axes(texts: Sequence[str], loader: ConfigLoader) -> list[Axis]:
    """One axis per key, in the order of the overrides; a later one of the same key replaces an earlier one, as in Hydra."""
    axes: dict[str, tuple[str, Axis]] = {}
    mistakes: list[Mistake] = []
    for text in texts:
        override = overrides.read_one(text, loader, mistakes)
        if override is None:
            continue
        try:
            axes[override.get_key_element()] = text, Axis(override, loader, listed(text, override))
        except (HydraException, ValueError, ArithmeticError) as error:
            mistakes.append(explain.unreadable_override(text, explain.why_unreadable(text, error)))
        except ConfigError as error:
            mistakes += error.mistakes
    empty = [(text, axis) for text, axis in axes.values() if not axis.words]
    mistakes += [Mistake(f"{axis.key} is given no value at all", ("from", f"command line: {text}")) for text, axis in empty]
    if mistakes:
        raise ConfigError(mistakes)
    return [axis for _, axis in axes.values()]


def listed(text: str, override: Override) -> Sequence[Any] | None:
    """The values that an override lists; None for one that lists none. Raises ConfigError."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        return None
    if not override.is_discrete_sweep():
        raise ConfigError(
            f"{key} is given an interval, and a grid needs values to list", ("from", f"command line: {text}"),
            hint=f"list them: {key}=1,2,3 or {key}=range(1,4)",
        )
    found = range_of(override) or list(itertools.islice(override.sweep_iterator(), MAX_VALUES + 1))
    if found[MAX_VALUES:]:
        raise ConfigError(f"{key} is given more values than a sweep can have", ("from", f"command line: {text}"),
                          ("allowed", f"up to {MAX_VALUES}"))
    return found


def _written(value: Any) -> str:
    """A value as Hydra's own sweeper writes it; an interpolation without the backslashes that it would put into one.

    That sweeper writes texts without quotes; those that the grammar does not read so have them.
    """
    if type(value) is str and _INTERPOLATION.fullmatch(value):
        return value
    if type(value) is str and not _BARE.fullmatch(value):
        return written(value)
    return str(Transformer.str(value))
