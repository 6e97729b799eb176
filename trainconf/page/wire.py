"""JSON as the page reads it: no number that JSON does not have, and mistakes in one shape."""

from __future__ import annotations

import json
from math import isfinite

from trainconf.errors import RunNotFoundError, StorageError, UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.errors import TrainconfError


class Refusal(Exception):
    """A request that is refused, with the status that says so.

    again_s: seconds after which the same request may be answered; 0 for never.
    """

    def __init__(self, status: int, what: str, *, allowed: list[str] | None = None, hint: str | None = None, again_s: int = 0) -> None:
        super().__init__(what)
        self.status = status
        self.again_s = again_s
        self.body: dict[str, dict[str, Any]] = {"error": {"what": what, "where": None, "allowed": allowed, "hint": hint}}


def encode(value: Any) -> bytes:
    """A value as JSON; of numbers that are not finite their names: "NaN", "Infinity", "-Infinity"."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        return json.dumps(_named(value), allow_nan=False, separators=(",", ":")).encode()


def _named(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _named(each) for key, each in value.items()}
    return [_named(each) for each in value] if isinstance(value, (list, tuple)) else value


def refusal(error: TrainconfError) -> Refusal:
    """A mistake of the product's as an answer; further ones of the same error are in `more`."""
    status = 404 if isinstance(error, RunNotFoundError) else 507 if isinstance(error, StorageError) else 400
    first, *others = [_mistake(mistake.what, mistake.facts, mistake.hint) for mistake in error.mistakes]
    made = Refusal(status if isinstance(error, UserError) else 502, str(first["what"]))
    made.body = {"error": {**first, **({"more": others} if others else {})}}
    return made


def _mistake(what: str, facts: Any, hint: str) -> dict[str, Any]:
    told = dict(facts)
    allowed = told.pop("allowed", None)
    where = "\n".join(text if label == "from" else f"{label} {text}" for label, text in told.items())
    return {"what": what, "where": where or None, "allowed": None if allowed is None else allowed.split(", "), "hint": hint or None}
