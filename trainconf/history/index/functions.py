"""What Python's operators and methods of texts do, as functions of SQL: they answer NULL where Python would raise."""

from __future__ import annotations

import os

from trainconf.fast.json import loads
from trainconf.history.index.columns import storable, stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trainconf.fast.sqlite import sqlite3

# The id of a run as text. A folder's name may have bytes that are no UTF-8, and Python takes no text from SQLite that has any.
RUN = "CASE WHEN CAST(r.run_id AS TEXT) GLOB '*[^ -~]*' THEN text_of(r.run_id) ELSE CAST(r.run_id AS TEXT) END"


def register(db: sqlite3.Connection) -> None:
    """Make them known to a connection."""
    for name, count, function in _FUNCTIONS:
        db.create_function(name, count, _quiet(function), deterministic=True)


def _is_in(item: Any, container: Any) -> bool | None:
    if isinstance(container, bytes):
        return any(stored(each)[0] == item for each in loads(container))
    return item in container if isinstance(item, str) else None


def _method(name: str) -> Callable[..., Any]:
    return lambda text, *arguments: getattr(text, name)(*arguments) if isinstance(text, str) else None


_FUNCTIONS: tuple[tuple[str, int, Callable[..., Any]], ...] = (
    ("is_in", 2, _is_in),
    ("text_of", 1, lambda name: storable(os.fsdecode(name))),
    ("modulo", 2, lambda a, b: a % b),
    ("floor_divided", 2, lambda a, b: a // b),
    ("text_startswith", 2, _method("startswith")),
    ("text_endswith", 2, _method("endswith")),
    ("text_lower", 1, _method("lower")),
    ("text_upper", 1, _method("upper")),
)


def _quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    def answer(*values: Any) -> Any:
        try:
            return None if None in values else stored(function(*values))[0]
        except (TypeError, ValueError, ArithmeticError):
            return None

    return answer
