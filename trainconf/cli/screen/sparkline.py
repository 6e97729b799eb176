"""A series of numbers as one short word: ▁▂▅▇█."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*#@"  # for a terminal that shows nothing else
GAP = "·"


def sparkline(values: Sequence[float], columns: int, encoding: str | None = "utf-8") -> str:
    """At most `columns` characters, one for each value, or for the mean of neighbours where the values are more.

    The lowest is the lowest of those shown, so only the course can be read from it. A character without a finite value is a gap.
    """
    if not values or columns < 1:
        return ""
    levels, gap = (BLOCKS, GAP) if shows_blocks(encoding) else (ASCII, " ")
    shown = [_mean(values[start:stop]) for start, stop in _spans(len(values), columns)]
    finite = [value for value in shown if value is not None]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    half_span = high / 2 - low / 2  # the difference itself may be infinite

    def level(value: float) -> int:
        return round((len(levels) - 1) * ((value / 2 - low / 2) / half_span)) if half_span > 0 else len(levels) // 2

    return "".join(gap if value is None else levels[level(value)] for value in shown)


def shows_blocks(encoding: str | None) -> bool:
    """Whether a text encoding has the characters of BLOCKS."""
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _spans(count: int, columns: int) -> list[tuple[int, int]]:
    """Where each character's values begin and end."""
    shown = min(count, columns)
    return [(place * count // shown, (place + 1) * count // shown) for place in range(shown)]


def _mean(values: Sequence[float]) -> float | None:
    if math.isfinite(total := sum(values)):
        return total / len(values)
    finite = [value for value in values if math.isfinite(value)]
    return sum(value / len(finite) for value in finite) if finite else None
