"""A job file: its values, the line of each, what is wrong with it, and what of it has no meaning here."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import Any, NamedTuple

from trainconf.composition.hydra.yaml_files import read_yaml
from trainconf.errors import ConfigError, Mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

Path = tuple[str, ...]

_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "text": ((str,), "text"),
    "scalar": ((str, bool, int, float), "text, a number, true or false"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
    "mapping": ((dict,), "a mapping"),
    "list": ((list,), "a list"),
    "any": ((object,), ""),
}


class Field(NamedTuple):
    """What may stand at a key. told: why it has no meaning here, which a user is told once; empty for a key that is used."""

    kind: str = "text"
    told: str = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    is_required: bool = False


class Document:
    """A YAML file that is read field by field. `mistakes` and `notes` collect what is to be told. Raises ConfigError: it cannot be read."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        here = os.getcwd()
        self.name = os.path.relpath(self.path, here) if self.path.startswith(os.path.join(here, "")) else self.path
        _, node, values = read_yaml(self.path)
        self.values: dict[str, Any] = values if isinstance(values, dict) else {}
        self.mistakes: list[Mistake] = []
        self.notes: list[str] = []
        self._lines = dict(_lines(node))
        if not isinstance(values, dict):
            raise ConfigError(f"{self.name} is no job of Azure ML v2", ("allowed", "a mapping that begins with `$schema` or `type`"))

    def place(self, *keys: str) -> str:
        """`job.yml:12`: the line of a key, or of the nearest key above it that has one."""
        while keys and keys not in self._lines:
            keys = keys[:-1]
        return f"{self.name}:{self._lines.get(keys, 1)}"

    def local(self, text: str) -> str:
        """The absolute path of a path in this file, which is relative to the file's own folder."""
        return os.path.normpath(os.path.join(os.path.dirname(self.path), os.path.expanduser(text.removeprefix("file:"))))

    def wrong(self, keys: Path, what: str, *facts: tuple[str, str], hint: str = "") -> None:
        """Note a mistake at a key."""
        self.mistakes.append(Mistake(what, ("from", self.place(*keys)), *facts, hint=hint))

    def tell(self, keys: Path, why: str) -> None:
        """Note that a key has no meaning here."""
        self.notes.append(f"{self.place(*keys)}: {'.'.join(keys)} {why}")

    def at(self, *keys: str) -> Any:
        """The value at a path of keys, a place of a list among them as text; None where there is none."""
        value: Any = self.values
        for key in keys:
            is_place = isinstance(value, list) and key.isdecimal() and int(key) < len(value)
            value = value.get(key) if isinstance(value, dict) else value[int(key)] if is_place else None
        return value

    def read(self, keys: Path, fields: Mapping[str, Field]) -> dict[str, Any]:
        """The right values of a mapping, by key; what is wrong, unknown or missing is noted, and so is what has no meaning here."""
        found = self.at(*keys)
        if found is None:
            found = {}
        if not isinstance(found, dict):
            self.wrong(keys, f"{'.'.join(keys)} is {_kind(found)}", ("allowed", "a mapping"))
            return {}
        right: dict[str, Any] = {}
        for key, value in found.items():
            path = (*keys, str(key))
            field = fields.get(str(key))
            if field is None:
                self._unknown(path, fields)
            elif field.told:
                self.tell(path, field.told)
            elif value is not None and self._is_right(path, value, field):
                right[str(key)] = value.lower() if field.choices else value
        for key, field in fields.items():
            if field.is_required and found.get(key) is None:
                what = f"{'.'.join((*keys, key))} is missing"
                self.wrong(keys, what, *([("allowed", ", ".join(field.choices))] if field.choices else []))
        return right

    def _unknown(self, path: Path, fields: Mapping[str, Field]) -> None:
        near = get_close_matches(path[-1], fields, n=1)
        facts = [("nearest", near[0])] if near else [("allowed", ", ".join(fields))]
        self.wrong(path, f"{'.'.join(path)} is no field of a job", *facts)

    def _is_right(self, path: Path, value: Any, field: Field) -> bool:
        types, allowed = _KINDS[field.kind]
        is_right = isinstance(value, types) and (not isinstance(value, bool) or bool in types or object in types)
        if is_right and field.choices:
            is_right, allowed = str(value).lower() in field.choices, ", ".join(field.choices)
        if is_right and field.minimum is not None:
            is_right, allowed = value >= field.minimum, f"{allowed} >= {field.minimum:g}"
        if not is_right:
            self.wrong(path, f"{'.'.join(path)} is {_kind(value)}", ("allowed", allowed))
        return is_right


def _kind(value: Any) -> str:
    """A value as a message shows it."""
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)


def _lines(node: Any, above: Path = ()) -> Any:
    """The line, from 1, of every key below a node of PyYAML, those in the mappings of lists included."""
    if getattr(node, "id", "") == "mapping":
        for key, value in node.value:
            path = (*above, str(key.value))
            yield path, key.start_mark.line + 1
            yield from _lines(value, path)
    elif getattr(node, "id", "") == "sequence":
        for index, value in enumerate(node.value):
            yield (*above, str(index)), value.start_mark.line + 1
            yield from _lines(value, (*above, str(index)))
