"""What a logged value is: one that a metric can have, or what JSON can hold of it."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, Mapping, Tuple

NOT_ONE = object()  # is no value that a metric can have
DEEPEST = 20  # levels of a nested dict; what lies below counts as one text
LONGEST_TEXT = 100000


def one(value: Any) -> Any:
    """A number, a truth value, a text or None; NOT_ONE for everything else. numpy scalars and tensors of one element have `item`."""
    if value is None or isinstance(value, (bool, float, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if hasattr(value, "item") and not isinstance(value, type):
        try:
            found = value.item()
        except Exception:  # more than one element, or whatever a foreign type raises
            return NOT_ONE
        return found if found is None or isinstance(found, (bool, int, float, str)) else _number(found)
    return _number(value)


def _number(value: Any) -> Any:
    if type(value).__module__ in ("decimal", "fractions"):
        return float(value)
    if type(value).__module__ == "datetime" and hasattr(value, "isoformat"):
        return str(value.isoformat())
    return NOT_ONE


def flat(data: Mapping[Any, Any], before: str = "", depth: int = 0) -> Iterator[Tuple[str, Any]]:
    """Names and values of a nested dict; the levels of a name are joined by dots. Keys that are no texts count as texts."""
    for key, value in data.items():
        name = before + (key if isinstance(key, str) else str(key))
        if type(value) is dict and value and depth < DEEPEST:
            yield from flat(value, name + ".", depth + 1)
        else:
            yield name, value


def jsonable(value: Any, depth: int = 0) -> Any:
    """What JSON can hold of any value: dicts, lists and plain values; of everything else its text."""
    plain = one(value)
    if plain is not NOT_ONE:
        return plain
    if depth < DEEPEST:
        if hasattr(value, "items") and hasattr(value, "keys"):
            return {key if isinstance(key, str) else str(key): jsonable(below, depth + 1) for key, below in value.items()}
        if isinstance(value, (list, tuple)):
            return [jsonable(below, depth + 1) for below in value]
        if isinstance(value, (set, frozenset)):
            return sorted((jsonable(below, depth + 1) for below in value), key=str)
        if hasattr(value, "tolist"):
            try:
                return jsonable(value.tolist(), depth + 1)
            except Exception:  # a tensor elsewhere, a type of somebody's own
                return _text(value)
    return _text(value)


def _text(value: Any) -> str:
    try:
        if isinstance(value, type) or (hasattr(value, "__qualname__") and hasattr(value, "__module__")):
            return "%s.%s" % (value.__module__, value.__qualname__)
        text = str(value)
    except Exception as error:
        return "<%s that has no text: %s>" % (type(value).__name__, type(error).__name__)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "..."


def tree(config: Any) -> Dict[str, Any]:
    """The names and values of what scripts give as a config: a mapping, an argparse Namespace, absl's FLAGS, a dataclass, a file of JSON.

    Raises TypeError for anything else, ValueError for a file that holds no JSON object, OSError.
    """
    if config is None:
        return {}
    if hasattr(config, "keys") and hasattr(config, "__getitem__") and not isinstance(config, str):
        return {key if isinstance(key, str) else str(key): config[key] for key in config.keys()}  # noqa: SIM118 (keys() is all it may have)
    if hasattr(config, "flag_values_dict"):
        return dict(config.flag_values_dict())
    if hasattr(config, "__dataclass_fields__"):
        return {name: getattr(config, name) for name in config.__dataclass_fields__}
    if isinstance(config, str) or hasattr(config, "__fspath__"):
        return _of_file(config)
    if hasattr(config, "__dict__") and not isinstance(config, type):
        return {name: value for name, value in vars(config).items() if not name.startswith("_")}
    if isinstance(config, (list, tuple)) and all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in config):
        return {str(name): value for name, value in config}
    raise TypeError("a config must be a dict, a Namespace, a dataclass or a path of a JSON file, not a %s" % type(config).__name__)


def _of_file(path: Any) -> Dict[str, Any]:
    import json

    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    try:
        found = json.loads(text)
    except ValueError:
        try:
            import yaml
        except ImportError:
            raise ValueError("%s is no JSON, and PyYAML is not installed in the job" % path) from None
        found = yaml.safe_load(text)
    if not isinstance(found, dict):
        raise ValueError("%s holds no names and values" % path)
    return {
        str(name): value["value"] if isinstance(value, dict) and "value" in value and set(value) <= {"value", "desc"} else value
        for name, value in found.items()
    }  # fmt: skip


def is_whole(value: Any) -> bool:
    """Whether a value can be the step of a metric."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, int) or (math.isfinite(value) and value.is_integer())
