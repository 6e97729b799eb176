"""What `trainconf schema` says of a place in a file: which keys may stand there, and what each one means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None),
}  # fmt: skip


def at(schema: Mapping[str, Any], path: Sequence[str], value: Any) -> list[Mapping[str, Any]]:
    """The schemas that all hold for what is at a path. value: the file's content, by which a schema says more of some files."""
    found = list(_all_of(schema, value))
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
        below = (each.get("properties", {}).get(part, each.get("additionalProperties")) for each in found)
        found = [inner for each in below if isinstance(each, dict) for inner in _all_of(each, value)]
    return found


def keys(schemas: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The keys that all of these schemas allow, each with its schema."""
    found: dict[str, Mapping[str, Any]] = {}
    closed = [each for each in schemas if "properties" in each]
    for each in closed:
        found.update({name: inner for name, inner in each["properties"].items() if name not in found or inner.get("description")})
    strict = [each["properties"] for each in closed if each.get("additionalProperties") is False]
    return {name: inner for name, inner in found.items() if all(name in each for each in strict)}


def description(schemas: Iterable[Mapping[str, Any]]) -> str:
    """The meaning, with what is allowed and the default."""
    return next((str(each["description"]) for each in schemas if each.get("description")), "")


def values(schemas: Iterable[Mapping[str, Any]]) -> list[Any]:
    """The values that a schema lists; those of a truth value, too."""
    found: list[Any] = []
    for each in schemas:
        for inner in (each, *each.get("anyOf", ())):
            found += inner.get("enum", ())
            kinds = inner.get("type", ())
            if "boolean" in ([kinds] if isinstance(kinds, str) else kinds) and "string" in kinds and "number" not in kinds:
                found += [True, False]
    return list({repr(value): value for value in found}.values())


def _all_of(schema: Mapping[str, Any], value: Any) -> Iterator[Mapping[str, Any]]:
    """A schema with those of its conditions that hold."""
    yield schema
    for each in schema.get("allOf", ()):
        if "if" not in each:
            yield from _all_of(each, value)
        elif isinstance(each.get("then"), dict) and holds(each["if"], value):
            yield from _all_of(each["then"], value)


def holds(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value is as a schema says, by those words of JSON Schema in which `trainconf schema` writes its conditions."""
    return all(_RULES[word](of, value, schema) for word, of in schema.items() if word in _RULES)


def _properties(of: Mapping[str, Any], value: Any, _: Any) -> bool:
    return not isinstance(value, dict) or all(holds(inner, value[name]) for name, inner in of.items() if name in value)


def _patterns(of: Mapping[str, Any], value: Any, _: Any) -> bool:
    return not isinstance(value, dict) or all(
        holds(inner, item) for pattern, inner in of.items() for name, item in value.items() if re.search(pattern, str(name))
    )


def _no_others(of: Any, value: Any, schema: Mapping[str, Any]) -> bool:
    if of is not False or not isinstance(value, dict):
        return True
    patterns = schema.get("patternProperties", {})
    return all(name in schema.get("properties", {}) or any(re.search(each, str(name)) for each in patterns) for name in value)


_RULES: dict[str, Any] = {
    "required": lambda of, value, _: not isinstance(value, dict) or all(name in value for name in of),
    "properties": _properties,
    "patternProperties": _patterns,
    "additionalProperties": _no_others,
    "contains": lambda of, value, _: not isinstance(value, list) or any(holds(of, item) for item in value),
    "anyOf": lambda of, value, _: any(holds(each, value) for each in of),
    "not": lambda of, value, _: not holds(of, value),
    "enum": lambda of, value, _: value in of,
    "pattern": lambda of, value, _: not isinstance(value, str) or re.search(of, value) is not None,
    "type": lambda of, value, _: any(isinstance(value, _TYPES[each]) for each in ([of] if isinstance(of, str) else of)),
}
