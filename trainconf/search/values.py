"""What a trial and a point are worth, and which is best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def value_of_trial(logged: Iterable[float], goal: str, which: str) -> float | None:
    """The value of one trial: the `best` or the `last` finite value it logged; None if there is none."""
    finite = [value for value in logged if math.isfinite(value)]
    if not finite:
        return None
    if which == "last":
        return finite[-1]
    return max(finite) if goal == "maximize" else min(finite)


def value_of_point(repeats: Sequence[float | None]) -> float | None:
    """The value of a point: the mean over those of its repeats that have one; None if none has."""
    known = [value for value in repeats if value is not None]
    return sum(known) / len(known) if known else None


def is_better(value: float, than: float, goal: str) -> bool:
    """Whether a value is strictly better than another."""
    return value > than if goal == "maximize" else value < than


def best(values: Sequence[float | None], goal: str) -> int | None:
    """The index of the best value; of equal ones the first; None if there is no value."""
    found: int | None = None
    for index, value in enumerate(values):
        if value is None:
            continue
        known = values[found] if found is not None else None
        if known is None or is_better(value, known, goal):
            found = index
    return found


def logged_instead(metric: str, names: Iterable[Iterable[str]]) -> str:
    """What trials without a value of a metric have logged, in words, the nearest names first."""
    logged = {name for known in names for name in known}
    if metric in logged:
        return "what they logged of it is no finite number"
    from difflib import get_close_matches

    nearest = get_close_matches(metric, sorted(logged), len(logged) or 1, 0.0)
    return f"they logged {', '.join(nearest)}" if logged else "they logged nothing at all"


def worst(values: Iterable[float], goal: str) -> float | None:
    """The worst of the values; None of none."""
    known = list(values)
    if not known:
        return None
    return min(known) if goal == "maximize" else max(known)
