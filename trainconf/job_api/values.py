"""What may be logged, as JSON knows it: numbers, truth values, texts and None; scalars of numpy and tensors count as their numbers."""

from __future__ import annotations

import time

try:  # `json` takes a third of a short script's start, for it brings `re` and `enum`
    from _json import encode_basestring_ascii as _quoted
except ImportError:  # not CPython
    from json.encoder import encode_basestring_ascii as _quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping

quoted = _quoted  # a text as JSON has it
LONGEST_NAME = 1000  # characters; a name is a column of tables and a word of `--where`


def check_name(name: Any, what: str = "metric") -> str:
    """The name itself. Raises TypeError for what is no text, ValueError for one that is too long."""
    if not isinstance(name, str) or not name:
        raise TypeError("the name of a %s must be a text that is not empty, not %r" % (what, name))
    if len(name) > LONGEST_NAME:
        raise ValueError("the name of a %s has %d characters; allowed are %d: %s..." % (what, len(name), LONGEST_NAME, name[:40]))
    return name


def plain(name: str, value: Any, instead: str = "Run.log_list") -> Any:
    """One value as JSON knows it. Raises TypeError, which names the call for several values."""
    kind = type(value)
    if kind is float or kind is int or kind is str or kind is bool or value is None:
        return value
    if isinstance(value, (int, float, str)):  # numpy's float64 and str_, an IntEnum
        return int(value) if isinstance(value, int) else float(value) if isinstance(value, float) else str.__str__(value)
    if hasattr(value, "item"):  # scalars of numpy, and tensors of one element
        try:
            found = value.item()
        except (ValueError, RuntimeError, TypeError):
            raise TypeError(_several(name, value, instead)) from None
        if isinstance(found, (bool, int, float, str)):
            return plain(name, found)
        if getattr(value, "dtype", None) is not None and getattr(value.dtype, "kind", "") == "f":
            return float(value)  # numpy's longdouble has no Python type of its width
    elif hasattr(value, "__float__") and not hasattr(value, "__iter__"):  # Decimal, Fraction
        return float(value)
    if hasattr(value, "__iter__"):
        raise TypeError(_several(name, value, instead))
    raise TypeError("metric %r must be a number, a text or None, not %s" % (name, article(value)))


def _several(name: str, value: Any, instead: str) -> str:
    calls = "run.log_row(%r, column=value) or run.log_table(%r, columns)" % (name, name)
    if not isinstance(value, dict):
        calls = "run.log_list(%r, values)" % name
    if instead != "Run.log_list":
        calls = instead
    return "metric %r must be one value, not %s; for several call %s, or log them one by one" % (name, article(value), calls)


def article(value: Any) -> str:
    """What a value is, in words: `a list`, `an ndarray`."""
    name = type(value).__name__
    return ("an " if name[:1].lower() in "aeiou" else "a ") + name


def several(name: str, values: Any) -> List[Any]:
    """A list, a generator or an array of one dimension as a list of plain values. Raises TypeError."""
    if isinstance(values, (str, bytes, dict)) or not hasattr(values, "__iter__"):
        raise TypeError("metric %r must be a list of values, not %s; for one value call run.log(%r, value)" % (name, article(values), name))
    try:
        each = list(values.tolist()) if hasattr(values, "tolist") else list(values)
    except TypeError:  # an array of no dimension
        raise TypeError("metric %r must be a list of values, not one value; call run.log(%r, value)" % (name, name)) from None
    return [plain(name, value, "run.log_table(%r, columns)" % name) for value in each]


def text(value: Any) -> str:
    """A plain value as the standard library's json writes it. Raises ValueError for a whole number that is too long to be written."""
    kind = type(value)
    if kind is float:
        written = repr(value)
        return written if written[-1].isdigit() else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[written]
    if kind is int:
        return repr(value)
    if kind is str:
        return quoted(value)
    return {None: "null", True: "true", False: "false"}[value]


def step_of(name: str, step: Any) -> int:
    """The step as a whole number. Raises TypeError."""
    if type(step) is int:
        return step
    value = plain(name, step) if not isinstance(step, (list, tuple, dict)) else step
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("the step of metric %r must be a whole number, not %r" % (name, step))
    return value


def dumps(value: Any) -> str:
    """Lists, mappings with texts as keys and plain values, on one line."""
    if isinstance(value, dict):
        return "{" + ",".join(quoted(key) + ":" + dumps(each) for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(dumps, value)) + "]"
    return text(value)


def texts(what: str, given: Mapping[Any, Any]) -> Dict[str, str]:
    """A mapping of texts, as tags and properties are: values that are no texts become some. Raises TypeError for any other mapping."""
    if not isinstance(given, dict) and not hasattr(given, "items"):
        raise TypeError("%s must be a mapping of names to texts, not %s" % (what, article(given)))
    found = {}
    for key, value in given.items():
        check_name(key, what[:-1] if what != "properties" else "property")
        if value is not None and not isinstance(value, (str, int, float, bool)) and not hasattr(value, "item"):
            raise TypeError("%s %r must be a text, not %s" % (what, key, article(value)))
        found[key] = value if isinstance(value, str) else "" if value is None else str(plain(key, value))
    return found


_second = (0, "")  # of the last line, and its text: most lines of a second share it


def now() -> str:
    """The time as UTC ISO 8601 with microseconds, such as 2026-11-23T05:32:07.123456Z."""
    global _second
    seconds, nanoseconds = divmod(time.time_ns(), 1000000000)
    known = _second
    if known[0] != seconds:
        known = _second = (seconds, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)))
    return "%s.%06dZ" % (known[1], nanoseconds // 1000)
