"""Times and durations as people write them in a condition: "2026-11-01 18:30", "yesterday", "7d ago"; "1h30m"."""

from __future__ import annotations

from trainconf.history import events

DAY_S = 86_400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}
_SHAPE = "0000-01-01T00:00:00.000000Z"  # what a shorter time is filled up with


def date_seconds(text: str, now: float) -> float | None:
    """Seconds since the epoch of a time in UTC, or of when the day or hour begins that it names; None when it is no time."""
    text = text.strip()
    today = now // DAY_S * DAY_S
    named = {"now": now, "today": today, "yesterday": today - DAY_S}.get(text.lower())
    if named is not None:
        return named
    if text.lower().endswith("ago"):
        span = span_seconds(text[:-3])
        return None if span is None else now - span
    plain = text.removesuffix("Z").replace(" ", "T")
    if len(plain) < 4 or len(plain) > 26 or not (plain + _SHAPE[len(plain) :]).isascii():
        return None
    return events.seconds(plain + _SHAPE[len(plain) :])


def span_seconds(text: str) -> float | None:
    """Seconds of a duration such as "90s", "1h30m", "2.5 d"; None when it is none."""
    total, number = 0.0, ""
    for character in text.replace(" ", ""):
        if character in "0123456789.":
            number += character
        elif character in _UNITS and number.count(".") < 2 and number.strip("."):
            total += float(number) * _UNITS[character]
            number = ""
        else:
            return None
    return None if number or not text.strip() else total
