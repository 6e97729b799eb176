"""The settings a composed config has, as people read them: key, what it is, what is allowed. Made from the schema alone."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from trainconf import schema
from trainconf.spec import Pairs, canonical

_TYPE_NAMES = {"str": "text", "int": "integer", "float": "number", "bool": "true or false", "Any": "any value"}


class Setting:
    """One key a user may set."""

    __slots__ = ("choices", "default", "doc", "field", "key", "optional", "type_name")

    def __init__(self, key: str, field: dataclasses.Field[Any]) -> None:
        annotation = str(field.metadata.get("annotation", field.type))
        self.key = key
        self.field = field
        self.optional = annotation.startswith("Optional[")
        inner = annotation.removeprefix("Optional[").removesuffix("]") if self.optional else annotation
        self.type_name = _type_name(inner)
        self.doc: str = field.metadata.get("doc", "")
        self.choices: tuple[Any, ...] = field.metadata.get("choices", ())
        self.default = field.default if field.default is not dataclasses.MISSING else None

    @property
    def allowed(self) -> str:
        """What may be written, in words: `integer >= 1`, `maximize or minimize`."""
        text = " or ".join(map(str, self.choices)) if self.choices else self.type_name
        for sign, name in ((">=", "minimum"), ("<=", "maximum"), (">", "above")):
            bound = self.field.metadata.get(name)
            if bound is not None:
                text += f" {sign} {bound:g}"
        return f"{text}, or null" if self.optional else text

    @property
    def meaning(self) -> list[tuple[str, str]]:
        """What it is, as a message tells it; nothing where the schema does not say."""
        return [("meaning", self.doc)] if self.doc else []

    def refuses(self, value: Any) -> bool:
        """Whether a resolved value is outside the range, or is no container where the schema has one."""
        if value is None:
            return not self.optional and self.type_name != "any value"
        container = dict if self.type_name.startswith("mapping") else list if self.type_name.startswith("list") else None
        if container is not None and not isinstance(value, container):
            return True  # an interpolation put it there; omegaconf 2.3 looks at the types of single values only
        if container is list and " of " in self.type_name and any(isinstance(item, (dict, list)) for item in value):
            return True  # a file has it: omegaconf checks the items that it converts, and a container is none
        if self.choices:
            return value not in self.choices
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            minimum, maximum, above = (self.field.metadata.get(name) for name in ("minimum", "maximum", "above"))
            return (
                not math.isfinite(value) or (minimum is not None and value < minimum) or (maximum is not None and value > maximum)
                or (above is not None and value <= above)
            )
        return False


def _type_name(annotation: str) -> str:
    """An annotation in words; a dataclass is a mapping."""
    outer, _, inner = annotation.removesuffix("]").partition("[")
    if outer not in ("list", "dict"):
        return _TYPE_NAMES.get(annotation, "mapping")
    items = _TYPE_NAMES.get(inner.removeprefix("str, "), "")
    name = "list" if outer == "list" else "mapping"
    return f"{name} of {items}" if items and items != "any value" else name


def shown(value: Any) -> str:
    """A value as a message tells it."""
    return "null" if value is None else repr(value)


def settings(nodes: Mapping[str, Any]) -> dict[str, Setting]:
    """Every setting by dotted key.

    `nodes` has the dataclass behind each group's node, such as {"compute": LocalCompute}; one of free keys has `dict`, and no settings.
    """
    found = {setting.key: setting for setting in _walk(schema.Config, "")}
    for name, node in nodes.items():
        if node is dict or node is None:
            continue
        found |= {setting.key: setting for setting in _walk(node, f"{name}.")}
    return found


def _walk(node: type, prefix: str) -> Iterator[Setting]:
    for field in dataclasses.fields(node):
        factory = field.default_factory
        if dataclasses.is_dataclass(factory):
            yield from _walk(factory, f"{prefix}{field.name}.")
        else:
            yield Setting(prefix + field.name, field)


def nearest(word: str, candidates: list[str]) -> str:
    """The candidate a mistyped word most likely meant: beside it, then anywhere; empty when nothing is near."""
    parent, _, tail = word.rpartition(".")
    beside = {name.rpartition(".")[2]: name for name in reversed(candidates) if name.rpartition(".")[0] == parent}
    anywhere = {name.rpartition(".")[2]: name for name in reversed(candidates)}
    for names, cutoff in ((beside, 0.6), (anywhere, 0.75)):
        found = difflib.get_close_matches(tail, list(names), n=1, cutoff=cutoff)
        if found:
            return names[found[0]]
    return "".join(difflib.get_close_matches(word, [name for name in candidates if "." in name], n=1, cutoff=0.75))


def compute_options(compute: Mapping[str, Any]) -> Pairs:
    """What only this target knows and can change a result, where it is not the default."""
    node = schema.group_schema("compute", compute)
    wanted = [field for field in dataclasses.fields(node) if field.metadata.get("in_spec")] if node is not None else []
    values = [(field.name, canonical(compute[field.name]), field) for field in wanted if field.name in compute]
    return tuple(sorted((name, text) for name, text, field in values if text != canonical(schema.default(field))))
