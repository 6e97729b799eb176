"""Option words of submitit and hydra-submitit-launcher under `compute`: read in files and on the command line, recorded under our names.

A word that begins with `slurm_` is for Slurm alone, as in submitit; on another target it has no effect, which is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

from hydra.core.override_parser.types import Override, OverrideType, ValueType
from omegaconf import DictConfig, OmegaConf, open_dict

from trainconf import schema
from trainconf.errors import Mistake
from trainconf.resolve.origins import Origins, leaves
from trainconf.resolve.settings import shown
from trainconf.schema.submitit_words import PREFIX, words


class _Given(NamedTuple):
    """A word with its value, and where it stands."""

    name: str
    value: Any
    source: str


class Aliases:
    """The words of one composition. `kinds` has what was chosen, such as {"compute": "slurm", "distributed": "none"}."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self._target = kinds.get("compute", "")
        self._distributed = kinds.get("distributed", "none")
        self._meanings = words(self._target)
        self._typed = {field.name for field in fields(schema.GROUPS["compute"].schemas[self._target])} if self._meanings else set()
        self._without_effect: dict[str, str] = {}

    @property
    def notes(self) -> list[str]:
        """One note about all that has no effect on this target; none when there is nothing."""
        facts = tuple(self._without_effect.items())
        return [Mistake(f"these options have no effect on compute={self._target}", *facts).render()] if facts else []

    def is_alias(self, name: str) -> bool:
        """Whether a key of `compute` is one of these words, and no setting of its own."""
        return name in self._meanings and name not in self._typed

    def of_file(self, config: Any, origins: Origins, mistakes: list[Mistake]) -> None:
        """Put the values of a file's words where they belong. `origins` has the lines of the file, and gets those of our keys."""
        node = config._get_node("compute") if isinstance(config, DictConfig) and "compute" in config else None
        if not isinstance(node, DictConfig) or node._is_none() or node._is_missing() or node._is_interpolation():
            return
        found: dict[str, tuple[_Given, Any]] = {}
        for name in map(str, list(node)):
            if not self.is_alias(name):
                continue
            given = _Given(name, _plain(node, name), origins.of_part(f"compute.{name}"))
            with open_dict(node):
                node.__delitem__(name)
            for key, value in self._meant(given, mistakes):
                if _plain(config, key) is not None and key not in found:
                    found[key] = _Given(key, None, origins.of_part(key)), _plain(config, key)
                if self._differs(found, key, given, value, mistakes):
                    continue
                OmegaConf.update(config, key, value, merge=True, force_add=True)
                origins.add_value(key, given.source, value)
                for leaf, _ in leaves(value, "") if isinstance(value, dict) else ():
                    origins.add_recorded(f"{key}.{leaf}", origins.of(f"compute.{name}.{leaf}"))

    def of_words(self, given: Sequence[Override], mistakes: list[Mistake]) -> list[Override]:
        """Overrides of such words as overrides of our keys."""
        own = {override.key_or_group: (_Given(override.key_or_group, None, f"command line: {override.input_line}"), override.value())
               for override in given}  # fmt: skip
        kept: list[Override] = []
        for override in given:
            parts = override.key_or_group.split(".")
            if len(parts) < 2 or parts[0] != "compute" or not self.is_alias(parts[1]) or override.is_delete():
                kept.append(override)
                continue
            value = override.value()
            for part in reversed(parts[2:]):
                value = {part: value}
            word = _Given(parts[1], value, f"command line: {override.input_line}")
            for key, ours in self._meant(word, mistakes):
                if not self._differs(own, key, word, ours, mistakes):
                    kept.append(replace(override, key_or_group=key, type=OverrideType.FORCE_ADD, value_type=ValueType.ELEMENT, _value=ours))
        return kept

    @staticmethod
    def _differs(found: dict[str, tuple[_Given, Any]], key: str, given: _Given, value: Any, mistakes: list[Mistake]) -> bool:
        """Whether a key has another value already, from the same file or the command line, which is told; else it is noted."""
        before, there = found.setdefault(key, (given, value))
        if there == value or isinstance(value, dict):  # mappings are merged
            return False
        names = [name if name == key else f"compute.{name}" for name in (before.name, given.name)]
        mistakes.append(Mistake(
            f"{names[0]} and {names[1]} are one setting, {key}, and differ", ("from", before.source), ("and from", given.source),
            hint="leave one of them out",
        ))
        return True

    def _meant(self, given: _Given, mistakes: list[Mistake]) -> list[tuple[str, Any]]:
        """Our keys and values for a word; none for one without effect, or without a value."""
        name, value = given.name.removeprefix(PREFIX), given.value
        key = self._meanings[given.name]
        if value is None:
            return []
        if not key:
            self._without_effect[f"compute.{given.name}"] = given.source
            return []
        if key == "distributed.process_count_per_node" and self._distributed not in ("pytorch", "mpi"):
            if value != 1:
                mistakes.append(Mistake(f"compute.{given.name} asks for ranks, and distributed={self._distributed} has none",
                                        ("from", given.source), hint=f"write distributed=pytorch {key}={value}"))
            return []
        if name == "max_num_timeout":
            return [("compute.requeue", "always"), (key, value)] if value else []
        if key == "max_run_duration_seconds":
            if type(value) not in (int, float):
                mistakes.append(Mistake(f"compute.{given.name} cannot be {shown(value)}", ("from", given.source),
                                        ("allowed", "a number of minutes"), hint="or write max_run_duration_seconds"))
                return []
            return [(key, value * 60)]
        return [(key, value)]


def _plain(config: DictConfig, key: str) -> Any:
    """The value at a dotted key as it is written; None where there is none."""
    value: Any = OmegaConf.to_container(config, resolve=False)
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def kinds(defaults: Iterable[Any]) -> dict[str, str]:
    """The kind of each group's schema that the files of a defaults list take, such as {"compute": "slurm"}."""
    found = {}
    for default in defaults:
        path = str(default.config_path or "").lstrip("/")
        if path.startswith("schema/"):
            group, _, kind = path.removeprefix("schema/").rpartition("/")
            found[group] = kind
    return found
