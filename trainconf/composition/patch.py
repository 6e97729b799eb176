"""Puts plain values into a config that is composed already, and reads the overrides that ask for no more. Loads no Hydra.

A plain override sets text, a number, true, false or null below `params` or `tags`: `params.lr=0.1`, `+tags.owner=me`. The reader agrees
with Hydra's grammar on all that it reads (a property test), and leaves everything else to Hydra.
"""

from __future__ import annotations

import math
import os

from trainconf.fast.records import Record
from trainconf.resolve.composed import Composed
from trainconf.resolve.origins import leaves

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from trainconf.composition.layers import Layer

OPEN_KEYS = ("params", "tags", "arguments", "display_name")  # what takes values without any check but of their kind
_MOST_DIGITS = 400  # Python reads far more, and limits them
NOT_READ = object()


class PlainOverride(Record):
    """`text` sets `value` at the dotted key. sign: `+` adds a key, `++` adds it or sets it."""

    text: str
    sign: str
    key: str
    value: Any


class Leaf(Record):
    """A plain value of a layer, and the layer's source."""

    source: str
    value: Any


def plain_overrides(texts: Sequence[str], dirs: Sequence[str]) -> dict[int, PlainOverride]:
    """The plain ones by their place; none where one of them may meet another override of the same value. `dirs` hold the config groups."""
    found = {place: plain for place, text in enumerate(texts) if (plain := read_plain(text)) is not None}
    keys = [text.lstrip("+~").partition("=")[0] for text in texts]
    for place, plain in found.items():
        others = [key for other, key in enumerate(keys) if other != place]
        if any(overlap(plain.key, key) for key in others):
            return {}
        if any(os.path.isdir(os.path.join(folder, plain.key)) for folder in dirs):
            return {}  # it chooses a config group
    return found


def plain_leaves(layers: Sequence[Layer], texts: Sequence[str]) -> dict[str, Leaf]:
    """The plain values of layers by dotted key: those at or below OPEN_KEYS that nothing else sets.

    texts: the overrides that stand above them.
    """
    found: dict[str, Leaf] = {}
    given: list[str] = []
    for layer in layers:
        for key, value in _below(layer.values, ""):
            given.append(key)
            if _is_plain_at(key, value) and not (layer.is_config and _refers(value)):
                found[key] = Leaf(layer.source, value)
    others = [*given, *(text.lstrip("+~").partition("=")[0] for text in texts)]
    if any("." in part for layer in layers for part in _names_in(layer.values)):
        return {}  # a dotted key of ours would be ambiguous
    return {key: leaf for key, leaf in found.items() if sum(overlap(key, other) for other in others) == 1}


def _below(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _below(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _names_in(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        yield key
        if isinstance(value, dict):
            yield from _names_in(value)


def _is_plain_at(key: str, value: Any) -> bool:
    """Whether a value of a layer is taken as it is, at any time, at its key."""
    first, *rest = key.split(".")
    if first in ("arguments", "display_name"):
        is_fitting = type(value) is (list if first == "arguments" else str) and not rest
    else:
        is_fitting = bool(rest) and all(map(is_name, rest)) and (first == "params" or (first == "tags" and type(value) is str))
    items = value if type(value) is list else [value]
    return is_fitting and all(map(is_plain_value, items))


def _refers(value: Any) -> bool:
    """Whether a config file with this value would mean something else by it."""
    return any(type(item) is str and ("${" in item or item == "???") for item in (value if type(value) is list else [value]))


def is_plain_value(value: Any) -> bool:
    """Whether a value is text, a number, true, false or null, and certainly refers to no secret."""
    if type(value) is str:
        return "${" not in value or "secret" not in value
    return type(value) in (int, bool, type(None)) or (type(value) is float and math.isfinite(value))


def overlap(key: str, other: str) -> bool:
    """Whether two dotted keys are one, or one lies below the other."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def with_plain(
    base: Composed, plain: Mapping[int, PlainOverride], texts: Sequence[str], plain_of_layers: Mapping[str, Leaf] | None = None
) -> Composed | None:
    """What `texts` compose to, when `base` was composed of the same with other plain overrides, or with none; None when Hydra must.

    plain_of_layers: see `plain_leaves`; `base` was composed with others of the same keys.
    """
    values, sources = {}, {}
    before = [read_plain(text) for text in base.overrides]
    signs = {earlier.key: earlier.sign for earlier in before if earlier is not None}
    for one in plain.values():
        key, value = one.key, one.value
        *parents, last = key.split(".")
        node: Any = base.config
        for part in parents:
            node = node.get(part) if isinstance(node, dict) else None
        if base.bound is None or not isinstance(node, dict) or isinstance(node.get(last), (dict, list)):
            return None
        is_right = signs[key] == one.sign if key in signs else one.sign == "++" or (one.sign == "+") != (last in node)
        if not is_right or any(overlap(key, bound) for bound in base.bound):
            return None
        is_tag = key.startswith("tags.")
        if is_tag and type(value) not in (str, int):
            return None
        values[key], sources[key] = str(value) if is_tag else value, f"command line: {one.text}"
    for key, leaf in (plain_of_layers or {}).items():
        if base.bound is None or not _holds(base.config, key) or any(overlap(key, bound) for bound in base.bound):
            return None
        values[key], sources[key] = list(leaf.value) if type(leaf.value) is list else leaf.value, str(leaf.source)
    return patched(base, values, sources, texts)


def _holds(config: Any, key: str) -> bool:
    """Whether there is a value, and no mapping, at a dotted key."""
    for part in key.split("."):
        if not isinstance(config, dict) or part not in config:
            return False
        config = config[part]
    return not isinstance(config, dict)


def patched(base: Composed, values: Mapping[str, Any], sources: Mapping[str, str], overrides: Sequence[str]) -> Composed:
    """A composed config with other values at dotted keys, the origins of those, and the overrides that ask for it all.

    Each key must be one that nothing else in the config depends on, and the mapping that holds it must be there.
    """
    config = replaced(base.config, values)
    origins = {**base.origins, **sources}
    if not sources.keys() <= base.origins.keys():  # in the order of the config, and without the mapping that was empty
        origins = {key: origins[key] for key, _ in leaves(config)}
    derived = base.derived
    if derived and not derived.keys().isdisjoint(values):
        derived = {key: value for key, value in derived.items() if key not in values}
    return Composed(
        config, origins, base.choices, overrides, base.env_reads, derived, base.notes, base.compute_options, base.bound,
        base.config_name, base.folder, base.layers, base.rendered,
    )  # fmt: skip


def replaced(config: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a config tree with values at dotted keys replaced; what is not touched is shared."""
    result = dict(config)
    copied: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        node, path = result, ""
        *parents, last = key.split(".")
        for part in parents:
            path = f"{path}.{part}"
            if path not in copied:
                copied[path] = node[part] = dict(node[part])
            node = copied[path]
        node[last] = value
    return result


def read_plain(text: str) -> PlainOverride | None:
    """A plain override; None for any other text."""
    left, equals, right = text.partition("=")
    key = left.lstrip("+")
    sign = left[: len(left) - len(key)]
    first, *rest = key.split(".")
    if not equals or first not in ("params", "tags") or not rest or len(sign) > 2 or not all(map(is_name, rest)):
        return None
    value = read_scalar(right)
    return None if value is NOT_READ else PlainOverride(text, sign, key, value)


def read_scalar(text: str) -> Any:
    """A value as Hydra's grammar reads it, or `NOT_READ`."""
    word = text.lower()
    if word in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[word]
    if _is_number(text):
        number = float(text) if "." in text or "e" in word else int(text)
        return number if math.isfinite(number) else NOT_READ
    inside = text[1:-1]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        is_plain = inside.isprintable() and inside != "???" and not any(sign in inside for sign in ("\\", "$", text[0]))
        return inside if is_plain else NOT_READ
    is_plain = text.isascii() and text.replace("_", "a").replace("-", "a").replace(".", "a").replace("/", "a").isalnum()
    return text if is_plain and (text[0].isalpha() or text[0] == "_") and word not in ("nan", "inf") else NOT_READ


def _is_number(text: str) -> bool:
    """Whether a text is one whole or decimal number, without the underscores and the plus sign that Hydra allows, too."""
    mantissa, e, exponent = text.lower().removeprefix("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    if not text.isascii() or len(text) > _MOST_DIGITS or (e and not exponent.removeprefix("-").removeprefix("+").isdecimal()):
        return False
    is_whole = whole.isdecimal() and (whole == "0" or whole[0] != "0")
    return (is_whole or (not whole and bool(fraction))) and (not fraction or fraction.isdecimal())


def is_name(part: str) -> bool:
    """Whether a part of a dotted key is one in Hydra's grammar and in ours."""
    letters = part.replace("_", "a").replace("-", "a")
    return part.isascii() and letters.isalnum() and (part[0].isalpha() or part[0] == "_")
