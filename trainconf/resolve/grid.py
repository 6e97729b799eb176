"""Every combination of the values given with `-m`, in Hydra's order, from one composition wherever the words only set values.

The result of each trial is what Hydra's own composition of its words gives (a property test holds us to it).
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf

from trainconf.errors import ConfigError, Mistake
from trainconf.paths import WorkspacePaths
from trainconf.resolve import explain, secrets, values
from trainconf.resolve.compose import Composition, compose, finish
from trainconf.resolve.composed import Composed
from trainconf.resolve.origins import leaves


class Axis:
    """One key and the words that give it its values; a single word for a key that does not vary."""

    __slots__ = ("key", "words")

    def __init__(self, key: str, words: list[str]) -> None:
        self.key = key
        self.words = words


class Grid:
    """A product of axes. `base` is the first trial; iterating composes all trials, the first included, in Hydra's order."""

    def __init__(
        self, axes: list[Axis], composition: Composition, base: Composed, workspace: WorkspacePaths, places: dict[str, str]
    ) -> None:
        self.axes = axes
        self.base = base
        self.count = math.prod(len(axis.words) for axis in axes)
        self.varying = [axis for axis in axes if len(axis.words) > 1]
        self._composition = composition
        self._workspace = workspace
        self._places = places

    def __iter__(self) -> Iterator[Composed]:
        plain = self._values_by_word() if self._only_sets_values() else None
        for words in itertools.product(*(axis.words for axis in self.axes)):
            yield self._compose(list(words)) if plain is None else self._set(list(words), plain)

    def _only_sets_values(self) -> bool:
        """Whether trials differ in plain values alone: no group, no deletion, no mapping (they merge), no reference to another value."""
        exists = self._composition.loader.repository.group_exists
        keys = [axis.key.lstrip("+") for axis in self.axes]
        for axis in self.varying:
            key = axis.key.lstrip("+")
            overlap = any(other != key and (other.startswith(f"{key}.") or key.startswith(f"{other}.")) for other in keys)
            parsed = (self._composition.loader.parse("config", [word])[0] for word in axis.words)
            if axis.key.startswith("~") or "@" in key or exists(key) or overlap or any(isinstance(o.value(), dict) for o in parsed):
                return False
        raw = OmegaConf.to_container(self._composition.cfg, resolve=False)
        texts = [str(value) for _, value in leaves(raw)] + [word for axis in self.varying for word in axis.words]
        return not any("${" in secrets.REFERENCE.sub("", text) for text in texts)

    def _values_by_word(self) -> dict[str, Any]:
        """Each varying word's value as the schema takes it. Raises ConfigError for every word that it does not take."""
        composition, found, mistakes = self._composition, {}, []
        nodes = explain.group_types(composition.cfg)
        for axis in self.varying:
            key = axis.key.lstrip("+")
            for word in axis.words:
                override = composition.loader.parse("config", [word.lstrip("+")])[0]
                before = len(composition.mistakes)
                composition.apply([override])
                if len(composition.mistakes) > before:
                    continue
                value = OmegaConf.select(composition.cfg, key)
                value = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
                found[word] = value
                trial = _with(self.base.config, {key: value})
                mistakes += values.out_of_range(trial, nodes, composition.origins)
                mistakes += secrets.misplaced(leaves(value, key), composition.origins.of)
        mistakes = composition.mistakes + mistakes
        if mistakes:
            raise ConfigError(mistakes)
        return found

    def _set(self, words: list[str], plain: dict[str, Any]) -> Composed:
        base = self.base
        changes = {axis.key.lstrip("+"): plain[word] for axis, word in zip(self.axes, words, strict=True) if word in plain}
        config = _with(base.config, changes)
        origins = dict(base.origins)
        for axis, word in zip(self.axes, words, strict=True):
            if word in plain:
                for key, _ in leaves(plain[word], axis.key.lstrip("+")):
                    origins[key] = f"command line: {word}"
        return Composed(config, origins, base.choices, words, base.env_reads, base.derived)

    def _compose(self, words: list[str]) -> Composed:
        return compose(words, self._workspace, **self._places)


def _with(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of a config tree with values at dotted keys replaced; what is not touched is shared."""
    result = dict(config)
    for key, value in changes.items():
        node = result
        *parents, last = key.split(".")
        for part in parents:
            node[part] = dict(node.get(part) or {})
            node = node[part]
        node[last] = copy.copy(value)
    return result


def grid(
    overrides: list[str], workspace: WorkspacePaths, *, config_dir: str | None = None, config_name: str = "config"
) -> Grid:
    """Split the words into axes and compose the first trial. Raises ConfigError."""
    places: dict[str, Any] = {"config_dir": config_dir, "config_name": config_name}
    probe = Composition([], workspace, config_dir, config_name)
    axes = _axes(overrides, probe)
    composition = Composition([axis.words[0] for axis in axes], workspace, config_dir, config_name)
    composition.run()
    if any("${hydra:" in str(value) for _, value in leaves(OmegaConf.to_container(composition.cfg, resolve=False))):
        base = compose(composition.words, workspace, **places)
    else:
        base = finish(composition.cfg, composition.origins, composition.choices, composition.words, composition.mistakes)
    return Grid(axes, composition, base, workspace, places)


def _axes(overrides: list[str], probe: Composition) -> list[Axis]:
    """One axis per key, in the order of the words; a later word for the same key replaces an earlier one, as in Hydra."""
    parser = OverridesParser.create(config_loader=probe.loader)
    axes: dict[str, Axis] = {}
    mistakes: list[Mistake] = []
    for word in overrides:
        try:
            override: Override = parser.parse_overrides([word])[0]  # unlike `parse_override`, it lets glob() see the groups
            key = override.get_key_element()
            if override.is_sweep_override() and not override.is_discrete_sweep():
                mistakes.append(Mistake(
                    f"{key} is given an interval, and a grid needs values to list", ("from", f"command line: {word}"),
                    hint=f"list them: {key}=1,2,3 or {key}=range(1,4)",
                ))
                continue
            several = override.is_sweep_override()
            words = [f"{key}={value}" for value in override.sweep_string_iterator()] if several else [word]
        except (HydraException, ValueError) as error:
            mistakes.append(explain.unreadable_word(word, explain.why_unreadable(word, error)))
            continue
        if not words:
            mistakes.append(Mistake(f"{key} is given no value at all", ("from", f"command line: {word}")))
        axes[key] = Axis(key, words)
    if mistakes:
        raise ConfigError(mistakes)
    return list(axes.values())
