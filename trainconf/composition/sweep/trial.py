"""Composes the trials of a sweep one at a time, on a base that is composed once.

A trial is exactly what composing its overrides whole gives (a property test compares the two). Where they only set values, and no
interpolation reads those, the values are put into the base. Where interpolations read them that stand for values, Hydra goes on from the
merged files: these are resolved anew. Everything else is composed by Hydra.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from hydra.core.override_parser.types import Override, OverrideType, ValueType
from omegaconf import AnyNode, DictConfig, OmegaConf

from trainconf.composition import overrides, values
from trainconf.composition.compose import Composition
from trainconf.composition.hydra.alone import without_collector
from trainconf.composition.hydra.loader import ConfigLoader
from trainconf.composition.hydra.reads import Reads
from trainconf.composition.layers import Layer, Literals
from trainconf.composition.patch import patched
from trainconf.composition.plain.words import written
from trainconf.errors import ConfigError, Mistake
from trainconf.fast.plain import not_plain
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.origins import leaves
from trainconf.resolve.search import config_dirs
from trainconf.resolve.settings import Setting

_SETTABLE_KEY = re.compile(r"[\w-]+(\.[\w-]+)*")
_SCALARS = (int, float, bool, type(None))


class Slot(NamedTuple):
    """One key of the base that trials set: its dotted path, whether any plain value may stand there, and whether others refer to it."""

    path: str
    is_free: bool
    is_read: bool


class TrialComposer:
    """Composes trials of one sweep: `TrialComposer(["experiment=digits"], workspace).at({"params.lr": 0.1})`.

    base: the composition of the overrides that all trials share.
    """

    def __init__(
        self, texts: Sequence[str | Override], workspace: WorkspacePaths, *, config_dir: str | None = None, config_name: str = "config",
        layers: Sequence[Layer] = (),
    ) -> None:
        """Compose the base. Raises ConfigError."""
        self._workspace = workspace
        self._places = config_dirs(workspace, config_dir), config_name
        self._layers = layers
        self._literals = Literals()
        mistakes: list[Mistake] = []
        self._loader = ConfigLoader(*self._places)
        read = [text if isinstance(text, Override) else overrides.read([text], self._loader, mistakes) for text in texts]
        self._overrides = [one for found in read for one in (found if isinstance(found, list) else [found])]
        with without_collector():
            self._composition = Composition(self._loader, workspace, self._overrides, layers=layers)
            self._composition.mistakes = mistakes
            self._composition.run()
            self._early = copy.deepcopy(self._composition.reads)  # what decides about the files
            self.base = self._composition.finish()
        self._texts = [overrides.text_of(override) for override in self._overrides]
        self._plans: dict[tuple[str, ...], list[tuple[int, Slot]] | None] = {}
        self._signs: dict[str, str] = {}

    def at(self, trial: Mapping[str, Any] | Sequence[str | Override], *, number: int = 0) -> Composed:
        """The config of one trial, by its number in the sweep.

        `trial` is a mapping of dotted keys and group names to values and choices, which arrive as they are; or it is overrides. Each
        takes the place of the shared override of the same key, or stands behind them all. Raises ConfigError.
        """
        given = self._by_values(trial) if isinstance(trial, Mapping) else self._by_texts(trial)
        plan = self._plan(tuple(override.get_key_element() for override in given))
        is_mapping = any(isinstance(override.value(), dict) for override in given)  # it would be merged with what the base has there
        if plan is not None and any(slot.is_read for _, slot in plan) and not is_mapping:
            return self._resolved(given, number)
        found = None if plan is None else self._values(given, plan)
        if plan is None or found is None:
            return self._whole(given, number)
        texts, sources = self._texts.copy(), {}
        for override, (place, slot) in zip(given, plan, strict=True):
            texts[place:place + 1] = [overrides.text_of(override)]
            for key, _ in leaves(found[slot.path], slot.path):
                sources[key] = f"command line: {override.input_line}"
        return patched(self.base, found, sources, texts)

    def check(self, axes: Sequence[Sequence[Override]]) -> None:
        """Check the overrides of trials to come, those of one key together. Raises ConfigError with all mistakes in single values."""
        plan = self._plan(tuple(axis[0].get_key_element() for axis in axes))
        mistakes: list[Mistake] = []
        for axis, one in zip(axes, plan or (), strict=False):
            for override in axis:
                try:
                    self._values([override], [one])
                except ConfigError as error:
                    mistakes += error.mistakes
        if mistakes:
            raise ConfigError(mistakes)

    def _by_texts(self, texts: Sequence[str | Override]) -> list[Override]:
        mistakes: list[Mistake] = []
        found = []
        for text in texts:
            found += [text] if isinstance(text, Override) else overrides.read([text], self._loader, mistakes)
        if mistakes:
            raise ConfigError(mistakes)
        return found

    def _by_values(self, trial: Mapping[str, Any]) -> list[Override]:
        return [self._override(key, value) for key, value in trial.items()]

    def _override(self, key: str, value: Any) -> Override:
        sign = self._signs.get(key)
        if sign is None:
            sign = self._signs[key] = self._sign(key)
        kind = OverrideType.ADD if sign == "+" else OverrideType.FORCE_ADD if sign else OverrideType.CHANGE
        name, _, package = key.partition("@")
        text = f"{sign}{key}={written(value)}"
        return Override(kind, name, ValueType.ELEMENT, self._literals.hide(value), package=package or None, input_line=text)

    def _sign(self, key: str) -> str:
        """What an override of a key begins with, so that it is right whether the key is there or not."""
        same = next((other for other in self._overrides if overrides.path_of(other) == key), None)
        if same is not None:
            return "++" if same.is_force_add() else "+" if same.is_add() else ""
        parent, _, name = key.rpartition(".")
        node = OmegaConf.select(self._composition.cfg, parent) if parent else self._composition.cfg
        return "" if self._loader.repository.group_exists(key.partition("@")[0]) or (isinstance(node, DictConfig) and name in node) else "+"

    def _plan(self, keys: tuple[str, ...]) -> list[tuple[int, Slot]] | None:
        """Where each override of a trial goes among the shared ones, and the slot it sets; None where Hydra must compose."""
        if keys not in self._plans:
            self._plans[keys] = self._planned(keys)
        return self._plans[keys]

    def _planned(self, keys: tuple[str, ...]) -> list[tuple[int, Slot]] | None:
        places = self._places_of(keys)
        left = [override for place, override in enumerate(self._overrides) if place not in places]
        held = [overrides.path_of(override) for override in left if not self._chooses(override)]
        plan = []
        for place, key in zip(places, keys, strict=True):
            path = key.lstrip("+")
            others = [*held, *(other.lstrip("+~") for other in keys if other is not key)]
            is_apart = all(path != other and not _is_within(other, path) and not _is_within(path, other) for other in others)
            slot = self._slot(key) if is_apart else None
            if slot is None:
                return None
            plan.append((place, slot))
        return plan

    def _places_of(self, keys: Iterable[str]) -> list[int]:
        """The place of each among the shared overrides; behind them for one that is new."""
        elements = [override.get_key_element() for override in self._overrides]
        paths = [element.lstrip("+~") for element in elements]
        places = []
        for new, key in enumerate(keys, start=len(elements)):
            path = key.lstrip("+~")
            last = max((place for place, other in enumerate(paths) if other == path), default=new)
            places.append(elements.index(key) if key in elements else last)
        return places

    def _chooses(self, override: Override) -> bool:
        """Whether an override chooses files, which come before all values."""
        return not isinstance(override.value(), dict) and self._loader.repository.group_exists(override.key_or_group)

    def _slot(self, key: str) -> Slot | None:
        """What an override of a key sets, such as `+params.lr`; None where it may set more than that, or is refused."""
        composition, path = self._composition, key.lstrip("+")
        is_read = _has_read(composition.reads, path)
        if _has_read(self._early, path) or not _SETTABLE_KEY.fullmatch(path) or self._loader.repository.group_exists(path):
            return None
        *parents, last = path.split(".")
        node: Any = composition.cfg
        for part in parents:
            node = node._get_node(part, validate_access=False) if isinstance(node, DictConfig) and not node._is_interpolation() else None
        if not isinstance(node, DictConfig) or node._is_interpolation() or node._is_none():
            return None
        leaf = node._get_node(last, validate_access=False)
        same = [override for override in self._overrides if overrides.path_of(override) == path]
        is_right = key.startswith("++") or (leaf is None) == (key != path)
        if same:
            is_right = key in (override.get_key_element() for override in same)
        if not is_right or isinstance(leaf, DictConfig):
            return None
        is_free = node._metadata.object_type in (dict, None) and node._metadata.element_type is Any
        if leaf is None:
            return Slot(path, True, is_read) if is_free else None
        return Slot(path, is_free and (type(leaf) is AnyNode or OmegaConf.is_list(leaf)), is_read)

    def _values(self, given: Sequence[Override], plan: Sequence[tuple[int, Slot]]) -> dict[str, Any] | None:
        """The value of each key as the schema takes it; None where one is not a plain value. Raises ConfigError."""
        found = {}
        for override, (_, slot) in zip(given, plan, strict=True):
            value = override.value()
            if type(value) is str or type(value) not in _SCALARS:
                if isinstance(value, dict) or _refers(value):
                    return None
                value = self._literals.show(value)
                if slot.is_free and ("${secret:" in str(value) or any(not_plain(value, ""))):
                    return None
            elif type(value) is float and not math.isfinite(value):
                return None
            found[slot.path] = copy.deepcopy(value) if slot.is_free else self._converted(slot.path, override)
        return found

    def _converted(self, path: str, override: Override) -> Any:
        """The value as the schema makes it of what was given. Raises ConfigError."""
        composition, before = self._composition, len(self._composition.mistakes)
        set_it = copy.copy(override)
        set_it.type = OverrideType.CHANGE
        composition.apply([set_it])
        mistakes = composition.mistakes[before:]
        del composition.mistakes[before:]
        value: Any = None
        if not mistakes:
            value = OmegaConf.select(composition.cfg, path)
            value = self._literals.show(OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value)
            mistakes = composition.wrong_values(_alone(path, value), self._known)
        if mistakes:
            self._literals.show_in(mistakes)
            raise ConfigError(mistakes)
        return value

    @cached_property
    def _known(self) -> dict[str, Setting]:
        return values.known_settings(self._composition.cfg)

    def _everything(self, given: Sequence[Override]) -> list[Override]:
        """The shared overrides and those of a trial, each in its place."""
        everything = self._overrides.copy()
        for override, place in zip(given, self._places_of(override.get_key_element() for override in given), strict=True):
            everything[place:place + 1] = [override]
        return everything

    def _whole(self, given: Sequence[Override], number: int) -> Composed:
        """Compose all overrides of a trial by Hydra."""
        with without_collector():
            return self._run(self._everything(given), number).finish()

    def _run(self, everything: Sequence[Override], number: int = 0) -> Composition:
        composition = Composition(
            ConfigLoader(*self._places), self._workspace, everything, layers=self._layers, literals=self._literals, number=number,
        )  # fmt: skip
        composition.run()
        return composition

    @cached_property
    def _merged(self) -> Composition:
        """The composition of what all trials share, before its values are resolved."""
        return self._run(self._overrides)

    def _resolved(self, given: Sequence[Override], number: int) -> Composed:
        """Set the values of a trial in the merged files, and resolve it all."""
        applied = [copy.copy(override) for override in given]
        for override in applied:
            if override.is_add():  # a shared override may have added it, which this one stands for
                override.type = OverrideType.FORCE_ADD
        with without_collector():
            return self._merged.forked(self._everything(given), applied, number).finish()


def _has_read(reads: Reads, path: str) -> bool:
    """Whether what was read may be another thing with another value at a key."""
    return not reads.is_repeatable or reads.has_read(path)


def _refers(value: Any) -> bool:
    """Whether a tree of values holds an interpolation, or a value still to be given."""
    texts = (str(text) for _, text in leaves(value))
    return any(text == "???" or "'???'" in text or "${" in text for text in texts)


def _is_within(key: str, mapping: str) -> bool:
    return key.startswith(f"{mapping}.")


def _alone(key: str, value: Any) -> dict[str, Any]:
    """A config tree that holds one value."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value  # type: ignore[no-any-return]
