"""The configs of jobs that differ in plain values alone, each made from the first one's: Hydra takes 40 ms for one, however alike.

Whether a config can be made so is not assumed: the second of its kind is composed by Hydra, too, and both must be the same, node by node.
Only Hydra and OmegaConf are imported.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import Node, OmegaConf

PLAIN = (int, float, bool, str)
Compose = Callable[[Any, list[str]], Any]  # as `ConfigLoader.load_sweep_config`


class Alike:
    """Composes the jobs of one multirun. compose: Hydra's own way. is_group: whether a name is that of a config group."""

    def __init__(self, compose: Compose, is_group: Callable[[str], bool]) -> None:
        self._compose = compose
        self._is_group = is_group
        self._kinds: dict[tuple[str, ...], _Kind | None] = {}

    def __call__(self, master: Any, words: Sequence[str]) -> Any:
        """The config of a job. `master` is that of the multirun. Raises what Hydra raises."""
        overrides = OverridesParser.create().parse_overrides(list(words))
        keys = tuple(override.key_or_group for override in overrides)
        kind = self._kinds.get(keys)
        if kind is not None and kind.is_proven and _are_plain(overrides):
            found = kind.made(master, overrides)
            if found is not None:
                return found
        composed = self._compose(master, list(words))
        if keys not in self._kinds:
            can_be_made = _are_plain(overrides) and not any(map(self._is_group, keys))
            self._kinds[keys] = _Kind.of(composed) if can_be_made else None
        elif kind is not None and not kind.is_proven and _are_plain(overrides):
            made = kind.made(master, overrides)
            if made is not None and _are_same(made, composed):
                kind.is_proven = True
            else:
                self._kinds[keys] = None
        return composed


class _Kind:
    """Jobs whose overrides have the same keys. is_proven: whether a config was made, and was the one that Hydra has composed."""

    def __init__(self, first: bytes) -> None:
        self._first = first
        self.is_proven = False

    @classmethod
    def of(cls, first: Any) -> _Kind | None:
        """That of the first job; None where its config cannot be copied so."""
        try:
            return cls(pickle.dumps(first, pickle.HIGHEST_PROTOCOL))
        except Exception:  # what a class of the app's raises
            return None

    def made(self, master: Any, overrides: Sequence[Override]) -> Any:
        """The config with these values; None where Hydra shall say what is wrong with one."""
        config = pickle.loads(self._first)
        try:
            for override in overrides:
                OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
            config.hydra.overrides.task = [override.input_line for override in overrides]
            if not OmegaConf.is_interpolation(config.hydra.job, "override_dirname"):
                config.hydra.job.override_dirname = _dirname(config.hydra.job.config.override_dirname, overrides)
        except Exception:  # a type that does not fit, a config that is read-only
            return None
        OmegaConf.copy_cache(from_config=master, to_config=config)
        return config


def _dirname(settings: Any, overrides: Sequence[Override]) -> str:
    lines = sorted(str(override.input_line) for override in overrides if override.key_or_group not in settings.exclude_keys)
    return str(settings.item_sep.join(lines)).replace("=", settings.kv_sep)


def _are_plain(overrides: Sequence[Override]) -> bool:
    """Whether each gives a key of the app's config one value, which is neither a list nor a mapping."""
    return all(
        not (override.is_add() or override.is_force_add() or override.is_delete() or override.is_sweep_override())
        and override.package is None and override.key_or_group.partition(".")[0] != "hydra" and type(override.value()) in PLAIN
        for override in overrides
    )


def _are_same(one: Any, other: Any) -> bool:
    """Whether two nodes have the same types, flags and values, all the way down; nothing is resolved."""
    if type(one) is not type(other):
        return False
    if not isinstance(one, Node):
        return bool(one == other)
    if vars(one._metadata) != vars(other._metadata):
        return False
    mine, others = one._value(), other._value()
    if isinstance(mine, dict) and isinstance(others, dict):
        return list(mine) == list(others) and all(_are_same(mine[key], others[key]) for key in mine)
    if isinstance(mine, list) and isinstance(others, list):
        return len(mine) == len(others) and all(map(_are_same, mine, others))
    return _are_same(mine, others) if isinstance(mine, Node) else type(mine) is type(others) and bool(mine == others)
