"""Values as people read them: names that steer no terminal, durations, sizes, numbers."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COLOUR = f"\x1b{os.urandom(8).hex()}["  # what a printer begins a colour with: no name can hold it
INFINITE = float("inf")
SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
SIGNS = {"bytes": "", "percent": " %", "watts": " W"}  # of units, by the word that a metric's name ends with
RATES = ("_per_second", "_per_sec", "_per_s", "/second", "/sec", "/s")
# C0, DEL and C1, the ends of lines that are no newline, and what turns the order of characters (Unicode TR36, bidirectional text)
_STEERING = (
    range(0x09), range(0x0B, 0x20), range(0x7F, 0xA0), (0x061C, 0x200E, 0x200F), range(0x2028, 0x202F), range(0x2066, 0x206A),
)  # fmt: skip


def escaped(text: str) -> str:
    """A text of several lines as a terminal may have it: nothing in it but our own colours steers that."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    shown = {code: chr(code).encode("unicode_escape").decode() for codes in _STEERING for code in codes}
    first, *painted = text.split(COLOUR)
    found = [first.translate(shown)]
    for part in painted:
        colour, _, rest = part.partition("m")
        found.append(f"\x1b[{colour}m{rest.translate(shown)}")
    return "".join(found)


def one_line(text: str) -> str:
    """A name as it may stand in a line: control characters and undecodable bytes escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode("ascii") for c in text)


def duration(seconds: float | None) -> str:
    """1.2 s, 3m 12s, 2h 05m, 3d 04h; empty for None."""
    if seconds is None:
        return ""
    if not abs(seconds) < 1e15:
        return "unknown"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, whole_seconds = divmod(int(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if not hours:
        return f"{minutes}m {whole_seconds:02d}s"
    days, hours_left = divmod(hours, 24)
    return f"{days}d {hours_left:02d}h" if days else f"{hours}h {minutes_left:02d}m"


def whole_duration(seconds: float) -> str:
    """12 s, 3m 12s: a duration without tenths, for what is drawn again and again."""
    return f"{int(seconds)} s" if seconds < 60 else duration(seconds)


def short_duration(seconds: float | None) -> str:
    """1.2s, 3m12s, 2h05m, 3d04h: a duration as one word, for a column of a table."""
    return duration(seconds).replace(" ", "")


def utc_time(seconds: float | None) -> str:
    """2026-11-23 06:32:07, in UTC as run ids and files have it; empty for None."""
    if seconds is None:
        return ""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def size(count: float) -> str:
    """Bytes for people: 512 B, 1.5 kB, 3.2 GB (powers of 1000)."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.95:  # which is 1000.0 with one digit
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def number(value: Any) -> str:
    """A metric's or param's value in a table: six significant digits are enough for people."""
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)


def measure(name: str | None, value: Any) -> str:
    """A metric's value in a table, in the unit that its name tells, as the page's `measure` says it; of another name it is a `number`.

    `memory_bytes` is 1.5 GiB, `disk_read_bytes_per_s` 20 MiB/s, `cpu_percent` 7 %, `power_watts` 250 W.
    """
    if name is None or not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) < INFINITE:
        return number(value)
    rate = next((ending for ending in RATES if name.lower().endswith(ending)), "")
    unit = name.lower().removesuffix(rate)
    word = next((word for word in SIGNS if unit.endswith(word) and not unit[: -len(word)][-1:].isalpha()), "")
    if not word:
        return number(value)
    per = "/s" if rate else ""
    if word != "bytes":
        return number(value) + SIGNS[word] + per
    power = 0
    while power < len(SIZES) - 1 and abs(value) >= 1024:
        value, power = value / 1024, power + 1
    return f"{value:.4g} {SIZES[power]}{per}"
