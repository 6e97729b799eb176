"""Reads the usual expressions of a space as Hydra's grammar and ours do (a property test), and leaves all others to Hydra."""

from __future__ import annotations

from trainconf.composition.patch import NOT_READ, read_scalar
from trainconf.search import grammar
from trainconf.search.expressions import MAX_LISTED, Choice, Expression, ExpressionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_DRAWN = frozenset(grammar.FUNCTIONS) - {"choice"}


def read_expression(text: str) -> Any:
    """A text of `sweep.space`: the expression that it is, or the plain value. Raises ExpressionError."""
    try:
        found = expression_of(text)
        if found is None and (value := read_scalar(text)) is not NOT_READ:
            return value
    except ExpressionError:
        found = None  # Hydra's reader tells it
    if found is not None:
        return found
    from trainconf.composition.hydra.light import import_lightly

    import_lightly()
    from trainconf.composition.hydra.expressions import read_expression as read_by_hydra

    return read_by_hydra(text)


def expression_of(text: str) -> Expression | None:
    """The expression that a text certainly is; None for any other. Raises ExpressionError."""
    name, arguments = _called(text)
    if not name:
        values = listed(text)
        return None if values is None else Choice.of(values)
    if name in ("choice", "range"):
        values = listed(text)
        return None if values is None else Choice.of(values)
    if name == "tag" and (inner := arguments.removeprefix("log,")) != arguments:
        return _interval(inner.strip(" "), is_log=True)  # what is wrong with it Hydra's reader tells
    if name in ("int", "interval"):
        return _interval(text, is_log=False)
    values = _numbers(arguments)
    return grammar.FUNCTIONS[name](*values) if name in _DRAWN and values and len(values) == _count(name) else None


def listed(text: str) -> Sequence[Any] | None:
    """The values that a text certainly lists: `1,2,3`, `choice(a, b)`, `range(3)`; None for any other, also for a single value."""
    name, arguments = _called(text)
    if name == "range":
        bounds = _numbers(arguments)
        if not bounds or len(bounds) > 2 or any(type(bound) is not int for bound in bounds):
            return None
        found = range(*bounds)
        return found if found[: MAX_LISTED + 1] and not found[MAX_LISTED:] else None
    if name and name != "choice":
        return None
    parts = (arguments if name else text).split(",")
    values = [read_scalar(part.strip(" ") if name else part) for part in parts]
    is_read = (name or len(parts) > 1) and not any(value is NOT_READ or (name and value is None) for value in values)  # Hydra's own rule
    return values if is_read and not any("'" in part or '"' in part for part in parts) else None


def _called(text: str) -> tuple[str, str]:
    """The name and what is between the parentheses of `name(...)`; empty for another text."""
    name, opened, rest = text.partition("(")
    is_call = opened and rest.endswith(")") and name.isascii() and name.replace("_", "a").isalpha()
    return (name, rest[:-1].strip(" ")) if is_call else ("", "")


def _interval(text: str, *, is_log: bool) -> Expression | None:
    """`interval(a, b)`, or `int(interval(a, b))`."""
    name, arguments = _called(text)
    is_int = name == "int"
    if is_int:
        name, arguments = _called(arguments)
    bounds = _numbers(arguments) if name == "interval" else None
    if not bounds or len(bounds) != 2:
        return None
    return grammar.interval(*bounds, is_int=is_int, is_log=is_log)


def _numbers(arguments: str) -> list[Any] | None:
    values = [read_scalar(part.strip(" ")) for part in arguments.split(",")]
    return values if all(type(value) in (int, float) for value in values) else None


def _count(name: str) -> int:
    """How many arguments a function takes."""
    function: Any = grammar.FUNCTIONS[name]
    return int(function.__code__.co_argcount)
