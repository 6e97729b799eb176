"""Every combination of the values given with `-m`, in Hydra's order, from one composition wherever the words only set values.

The result of each trial is what Hydra's own composition of its words gives (a property test holds us to it).
"""

from __future__ import annotations

import copy
import itertools
import math
import re
from collections.abc import Iterator
from typing import Any, cast

from hydra.core.override_parser.types import Override, OverrideType, Transformer, ValueType
from hydra.errors import HydraException
from omegaconf import OmegaConf

from trainconf.composition import explain
from trainconf.composition.compose import Composition, compose
from trainconf.errors import ConfigError, Mistake
from trainconf.paths import WorkspacePaths
from trainconf.resolve import secrets
from trainconf.resolve.composed import Composed
from trainconf.resolve.origins import leaves

MAX_VALUES = 1_000_000  # of one key: what memory holds; sweep.max_total_runs is the limit that people set
UNREAD = object()
_NAME = re.compile(r"(?!(?:null|true|false|nan|inf)$)[a-z_][a-z0-9_-]*", re.IGNORECASE | re.ASCII)
_INTERPOLATION = re.compile(r"\$\{[^{}]+\}")
_PLAIN_KEY = re.compile(r"\+{0,2}[\w-]+(\.[\w-]+)*")


class Axis:
    """One key and the words that give it its values; a single word for a key that does not vary.

    values: what each word gives, for words that need no parser to say it; of others, `UNREAD`.
    """

    __slots__ = ("is_value", "key", "values", "words")

    def __init__(self, key: str, words: list[str], values: list[Any], *, is_value: bool) -> None:
        self.key = key
        self.words = words
        self.values = values
        self.is_value = is_value

    @property
    def path(self) -> str:
        """The dotted key in the config; of a group, how it is chosen."""
        return self.key.lstrip("+~")

    def overrides(self, composition: Composition) -> list[Override]:
        """The words as Hydra reads them, each of which sets the value, whatever was there before."""
        return [
            composition.loader.parse(composition.config_name, [word.lstrip("+")])[0] if value is UNREAD
            else Override(OverrideType.CHANGE, self.path, ValueType.ELEMENT, value, input_line=word)
            for word, value in zip(self.words, self.values, strict=True)
        ]  # fmt: skip


class Grid:
    """A product of axes. `base` is the first trial; iterating composes all trials, the first included, in Hydra's order."""

    def __init__(self, axes: list[Axis], composition: Composition, workspace: WorkspacePaths, places: dict[str, str]) -> None:
        self.axes = axes
        self.base = composition.finish(composition.choices, composition.words)
        self.count = math.prod(len(axis.words) for axis in axes)
        self.varying = [axis for axis in axes if len(axis.words) > 1]
        self._composition = composition
        self._workspace = workspace
        self._places = places

    def __iter__(self) -> Iterator[Composed]:
        plain = self._values_by_word()
        for number, words in enumerate(itertools.product(*(axis.words for axis in self.axes))):
            yield self._compose(list(words), number) if plain is None else self._set(list(words), plain)

    def _values_by_word(self) -> dict[str, Any] | None:
        """Each varying word's value as the schema takes it; None where trials differ in more than plain values.

        Raises ConfigError for every word that the schema does not take.
        """
        if not all(map(self._only_sets, self.varying)) or _refers(OmegaConf.to_container(self._composition.cfg, resolve=False)):
            return None
        composition, found, mistakes = self._composition, {}, []
        known = explain.known_settings(composition.cfg)
        parsed = [(axis, axis.overrides(composition)) for axis in self.varying]
        if any(isinstance(override.value(), dict) or _refers(override.value()) for _, overrides in parsed for override in overrides):
            return None  # a mapping merges; `???` and an interpolation are not the value
        for axis, overrides in parsed:
            for word, override in zip(axis.words, overrides, strict=True):
                before = len(composition.mistakes)
                composition.apply([override])
                if len(composition.mistakes) > before:
                    continue
                value = OmegaConf.select(composition.cfg, axis.path)
                value = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
                found[word] = value
                mistakes += composition.wrong_values(_alone(axis.path, value), known)
        mistakes = [*composition.mistakes, *mistakes]
        if mistakes:
            raise ConfigError(mistakes)
        return found

    def _only_sets(self, axis: Axis) -> bool:
        """Whether an axis' words set one value of the config that no other word sets or holds: no group, no deletion, no item of a list."""
        if not axis.is_value or not _PLAIN_KEY.fullmatch(axis.key):
            return False
        key = axis.path
        others = [other.path for other in self.axes if other is not axis]
        if any(other == key or other.startswith(f"{key}.") or key.startswith(f"{other}.") for other in others):
            return False
        node: Any = self.base.config
        for part in key.split(".")[:-1]:
            node = node.get(part) if isinstance(node, dict) else None
        return isinstance(node, dict)

    def _set(self, words: list[str], plain: dict[str, Any]) -> Composed:
        base = self.base
        changes = {axis.path: plain[word] for axis, word in zip(self.axes, words, strict=True) if word in plain}
        origins = dict(base.origins)
        for axis, word in zip(self.axes, words, strict=True):
            if word in plain:
                for key, _ in leaves(plain[word], axis.path):
                    origins[key] = f"command line: {word}"
        return Composed(_with(base.config, changes), origins, base.choices, words, base.env_reads, base.derived)

    def _compose(self, words: list[str], number: int) -> Composed:
        return compose(words, self._workspace, number=number, **self._places)


def _refers(value: Any) -> bool:
    """Whether a tree of values holds an interpolation, `${secret:NAME}` apart, or a value still to be given."""
    texts = (str(text) for _, text in leaves(value))
    return any(text == "???" or "'???'" in text or "${" in secrets.REFERENCE.sub("", text) for text in texts)


def _with(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of a config tree with values at dotted keys replaced; what is not touched is shared."""
    result = dict(config)
    for key, value in changes.items():
        node = result
        *parents, last = key.split(".")
        for part in parents:
            node[part] = dict(node[part])
            node = node[part]
        node[last] = copy.copy(value)
    return result


def _alone(key: str, value: Any) -> dict[str, Any]:
    """A config tree that holds one value."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return cast(dict[str, Any], value)


def grid(
    overrides: list[str], workspace: WorkspacePaths, *, config_dir: str | None = None, config_name: str = "config"
) -> Grid:
    """Split the words into axes and compose the first trial. Raises ConfigError."""
    places: dict[str, Any] = {"config_dir": config_dir, "config_name": config_name}
    axes = _axes(Composition(overrides, workspace, config_dir, config_name))
    composition = Composition([axis.words[0] for axis in axes], workspace, config_dir, config_name)
    composition.run()
    return Grid(axes, composition, workspace, places)


def _axes(probe: Composition) -> list[Axis]:
    """One axis per key, in the order of the words; a later word for the same key replaces an earlier one, as in Hydra."""
    axes: dict[str, Axis] = {}
    asked: dict[str, str] = {}
    mistakes: list[Mistake] = []
    for word in probe.words:
        try:
            override = probe.loader.parse_sweep(probe.config_name, word)
            key = override.get_key_element()
            axes[key] = _axis(word, override, probe)
            asked[key] = word
        except (HydraException, ValueError, ArithmeticError) as error:
            mistakes.append(explain.unreadable_word(word, explain.why_unreadable(word, error)))
        except ConfigError as error:
            mistakes += error.mistakes
    empty = [key for key, axis in axes.items() if not axis.words]
    mistakes += [Mistake(f"{key} is given no value at all", ("from", f"command line: {asked[key]}")) for key in empty]
    if mistakes:
        raise ConfigError(mistakes)
    return list(axes.values())


def _axis(word: str, override: Override, probe: Composition) -> Axis:
    """The values of one word, written as Hydra's own sweeper writes them; of a word that lists none, itself. Raises ConfigError."""
    key = override.get_key_element()
    is_group = probe.loader.repository.group_exists(override.key_or_group)
    is_value = not is_group and not override.is_delete() and not getattr(override, "is_value_path", False)  # 1.4
    if not override.is_sweep_override():
        return Axis(key, [word], [UNREAD], is_value=is_value)
    if not override.is_discrete_sweep():
        raise ConfigError(
            f"{key} is given an interval, and a grid needs values to list", ("from", f"command line: {word}"),
            hint=f"list them: {key}=1,2,3 or {key}=range(1,4)",
        )
    values = list(itertools.islice(override.sweep_iterator(), MAX_VALUES + 1))
    if len(values) > MAX_VALUES:
        raise ConfigError(f"{key} is given more values than a sweep can have", ("from", f"command line: {word}"),
                          ("allowed", f"up to {MAX_VALUES}"))
    words = [f"{key}={value if _is_interpolation(value) else Transformer.str(value)}" for value in values]
    return Axis(key, words, [value if _is_read_as_it_is(value) else UNREAD for value in values], is_value=is_value)


def _is_interpolation(value: Any) -> bool:
    """Whether a value is one interpolation, which needs none of the backslashes that Hydra's sweeper would write."""
    return type(value) is str and _INTERPOLATION.fullmatch(value) is not None


def _is_read_as_it_is(value: Any) -> bool:
    """Whether a value's text gives that value again, so that no parser need be asked."""
    return type(value) in (int, float, bool) or (type(value) is str and _NAME.fullmatch(value) is not None)
