"""JSON Schemas (draft-07) of settings and of the nodes that hold them, made from the dataclasses of `schema`.

A schema must never refuse what the composer takes. So it allows `???` and `${...}` for any value, and what OmegaConf converts:
numbers and truth values that are written as text, and any single value for a text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from trainconf import schema
from trainconf.resolve.settings import Setting
from trainconf.schema.submitit_words import words

LATER = r"\$\{|^\?\?\?$"  # what gets its value when the config is composed
_INTEGER = r"^\s*[-+]?[0-9]+(_[0-9]+)*\s*$"
_NUMBER = r"^\s*[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?\s*$"
_TRUTH = r"^([yY]|[yY][eE][sS]|[nN]|[nN][oO]|[oO][nN]|[oO][fF][fF]|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE])$"
_PLAIN: dict[str, dict[str, Any]] = {
    "str": {"type": ["string", "number", "boolean"]},
    "int": {"type": ["integer", "string"], "pattern": f"{LATER}|{_INTEGER}"},
    "float": {"type": ["number", "string"], "pattern": f"{LATER}|{_NUMBER}"},
    "bool": {"type": ["boolean", "integer", "string"], "pattern": f"{LATER}|{_TRUTH}|{_INTEGER}"},
}
_BOUNDS = (("minimum", "minimum"), ("maximum", "maximum"), ("above", "exclusiveMinimum"))
FREE: dict[str, Any] = {"type": ["object", "string"], "pattern": LATER}


def node(properties: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    """A mapping that has these keys and no others."""
    told = {"description": description} if description else {}
    return {**told, **FREE, "properties": dict(properties), "additionalProperties": False}


def properties_of(kind: Any) -> dict[str, Any]:
    """The schema of each setting of a dataclass."""
    return {field.name: _value(field) for field in dataclasses.fields(kind)}


def group_properties(group: str, kind: str) -> dict[str, Any]:
    """The schema of each key that the node of a group may have, by the kind of its choice: settings, and submitit's words for them.

    Raises ConfigError for a kind that another package offers, and that cannot be loaded; KeyError where its keys are free.
    """
    of = schema.group_schema(group, {schema.GROUPS[group].kind_key: kind})
    if of is None:
        raise KeyError(kind)
    found = properties_of(of)
    if group == "sweep":
        found["policy"] = either([policy_node(each) for each in schema.GROUPS["sweep/policy"].schemas], found["policy"]["description"])
    others = words(kind) if group == "compute" else {}
    return {**{name: {"description": f"submitit's word for {key}" if key else f"no effect on compute={kind}"}
               for name, key in others.items()}, **found}


def policy_node(kind: str) -> dict[str, Any]:
    """The node `sweep.policy` of a kind."""
    return node(properties_of(schema.GROUPS["sweep/policy"].schemas[kind]))


def either(nodes: Iterable[Mapping[str, Any]], description: str) -> dict[str, Any]:
    """A node that has the keys of any of these."""
    found: dict[str, list[Any]] = {}
    for each in nodes:
        for name, value in each["properties"].items():
            same = found.setdefault(name, [])
            if value not in same:
                same.append(value)
    merged = {name: values[0] if len(values) == 1 else {"description": values[0].get("description", ""), "anyOf": values}
              for name, values in found.items()}
    return _or_null(node(merged, description))


def _or_null(of: dict[str, Any]) -> dict[str, Any]:
    return {**of, "type": [*of["type"], "null"]} if "type" in of else of


def _value(field: dataclasses.Field[Any]) -> dict[str, Any]:
    """What a setting may be, with its meaning."""
    setting = Setting(field.name, field)
    if dataclasses.is_dataclass(field.default_factory):
        return node(properties_of(field.default_factory), setting.doc)
    default = schema.default(field) if field.default is not dataclasses.MISSING or callable(field.default_factory) else None
    annotation = str(field.metadata.get("annotation", field.type)).removeprefix("Optional[")
    made = _typed(annotation.removesuffix("]") if setting.optional else annotation, field.type)
    made |= {name: bound for key, name in _BOUNDS if (bound := field.metadata.get(key)) is not None}
    if setting.choices:
        texts = [str(choice) for choice in setting.choices if not isinstance(choice, str)]  # `1` in quotes
        listed = [*setting.choices, *texts, *([None] if setting.optional else [])]
        made = {"anyOf": [{"enum": listed}, {"type": "string", "pattern": LATER}]}
    elif setting.optional:
        made = _or_null(made)
    is_told = dataclasses.is_dataclass(default) or default == "???" or default is None
    made = made if is_told else {**made, "default": default}
    return {**made, "description": _description(setting, default)}


def _description(setting: Setting, default: Any) -> str:
    from json import dumps

    required = default == "???"
    is_told = "default:" in setting.doc or dataclasses.is_dataclass(default)
    tail = "; must be given" if required else "" if is_told else f"; default: {dumps(default)}"
    return f"{setting.doc}\nAllowed: {setting.allowed}{tail}".lstrip()


def _typed(annotation: str, kind: Any) -> dict[str, Any]:
    """The schema of an annotation; anything for one that is not known."""
    outer, _, inner = annotation.removesuffix("]").partition("[")
    inner = inner.removeprefix("str, ") if outer == "dict" else inner
    if outer == "list":
        return {"type": ["array", "string"], "pattern": LATER, **({"items": dict(_PLAIN[inner])} if inner in _PLAIN else {})}
    if outer == "dict":
        return {**FREE, **({"additionalProperties": dict(_PLAIN[inner])} if inner in _PLAIN else {})}
    if dataclasses.is_dataclass(kind):
        return node(properties_of(kind))
    return dict(_PLAIN.get(annotation, {}))
