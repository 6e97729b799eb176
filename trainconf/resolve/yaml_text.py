"""Plain values as YAML that people read and every YAML reader takes the same way. Twenty times cheaper than a general emitter."""

from __future__ import annotations

from functools import lru_cache

from trainconf.fast.json import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
_PLAIN = frozenset(f"{_LETTERS}0123456789./()- ")
_RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}  # YAML 1.1 reads more words than 1.2 as values
_WORDS = {None: "null", True: "true", False: "false"}


def render(tree: dict[str, Any], depth: int = 0) -> str:
    """A mapping in block style, lists of scalars in flow style; ends with a newline.

    >>> print(render({"a": {"lr": 1e-05, "on": "no"}, "b": [1, "x"]}), end="")
    a:
      lr: 1.0e-05
      "on": "no"
    b: [1, x]
    """
    lines = []
    for key, value in tree.items():
        if isinstance(value, str):
            lines.append(_line(str(key), value, depth))
            continue
        name = "  " * depth + text(str(key)) + ":"
        if isinstance(value, dict) and value:
            lines.append(f"{name}\n{render(value, depth + 1)}")
        else:
            lines.append(f"{name} {flow(value)}\n")
    return "".join(lines)


@lru_cache(maxsize=4096)  # choices and origins, which are half of the text, are the same in every trial of a sweep
def _line(key: str, value: str, depth: int) -> str:
    return f"{'  ' * depth}{text(key)}: {text(value)}\n"


def flow(value: Any) -> str:
    """Any value on one line."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text(str(key))}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, float):
        return _number(value)
    return _WORDS[value] if value is None or isinstance(value, bool) else str(value)


@lru_cache(maxsize=4096)  # keys are the same in every trial of a sweep
def text(value: str) -> str:
    """A string: as it stands where no reader can take it for something else, else in double quotes.

    An undecodable byte of a path is a lone surrogate; it is written as `\\udcff`, which PyYAML reads back and libyaml refuses.
    """
    is_plain = _PLAIN.issuperset(value) and value[:1] in _LETTERS and value[-1:] not in ("", " ") and "  " not in value
    if is_plain and value.lower() not in _RESERVED:
        return value
    shown = quoted(value)
    return shown if shown.isprintable() else "".join(c if c.isprintable() else _escape(ord(c)) for c in shown)


def _escape(point: int) -> str:
    """A character by its code point; JSON would make two of one above U+FFFF, and YAML reads them as two."""
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _number(value: float) -> str:
    """A float that YAML 1.1 reads as one, too: it wants a point before the exponent."""
    shown = repr(value)
    mantissa, exponent, power = shown.partition("e")
    return f"{mantissa}.0e{power}" if exponent and "." not in mantissa else shown
