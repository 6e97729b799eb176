"""A field of the schema: its documentation and its range."""

from __future__ import annotations

from dataclasses import MISSING, Field, field
from typing import Any


def setting(default: Any, doc: str, *, minimum: float | None = None, maximum: float | None = None, above: float | None = None,
            choices: tuple[str, ...] = (), in_spec: bool = False) -> Any:
    """A field with its documentation and range. A callable default is a factory.

    `in_spec` marks what only one compute target knows and what can change a result: it becomes one of `ComputeSpec.options`.
    """
    metadata = {"doc": doc, "minimum": minimum, "maximum": maximum, "above": above, "choices": choices, "in_spec": in_spec}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def default(of: Field[Any]) -> Any:
    """The default of a field."""
    return of.default if of.default_factory is MISSING else of.default_factory()
