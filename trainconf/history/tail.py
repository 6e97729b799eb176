"""Where in a log to begin: at its last lines, or at those written since a time. Reads from the end, so a log's size does not matter."""

from __future__ import annotations

import os
import time

from trainconf.fast.stdlib import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK_BYTES = 1 << 20
LINE_BYTES = 1 << 24  # a longer line counts as several
# A date and a time near the beginning of a line, as logging modules write them; Z or an offset may follow.
_TIMES = re.compile(rb"^[^\n]{0,40}?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))? ?(Z|[+-]\d\d:?\d\d)?", 8)  # re.MULTILINE


def last_lines_at(fd: int, size: int, count: int, keep: Callable[[bytes], object] | None = None) -> int:
    """Where the last `count` lines begin, of all or of those to keep; the beginning where there are fewer."""
    left = count
    for at, line in _lines_backwards(fd, size) if count else ():
        left -= keep is None or bool(keep(line))
        if not left:
            return at
    return 0 if count else size


def since_at(fd: int, size: int, since: float) -> int | None:
    """Where the first line begins whose own time is not before `since`, seconds since the epoch. `size` when all are earlier.

    None when no line near the end holds a time. A time without a zone is this machine's. A line without one belongs to the one before it.
    """
    first, end = None, size
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        block = os.pread(fd, end - start, start)
        skipped = block.find(b"\n") + 1 if start else 0
        times = ((start + each.start(), _moment(*each.groups())) for each in _TIMES.finditer(block, skipped))
        found = [(at, moment) for at, moment in times if moment is not None]
        if not found and first is None:
            return None
        later = [at for at, moment in found if moment >= since]
        if len(later) < len(found):
            last_earlier = max(at for at, moment in found if moment < since)
            return min([at for at in later if at > last_earlier], default=size if first is None else first)
        first = later[0] if later else first
        end = start + skipped if start else 0
    return 0


def _lines_backwards(fd: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Every line and where it begins, the last one first. What is after the last newline is a line, unless it is nothing."""
    rest, at = b"", size
    is_end = True
    while at > 0:
        start = max(0, at - BLOCK_BYTES)
        text = os.pread(fd, at - start, start) + rest
        if is_end:
            text, is_end = text.removesuffix(b"\n"), False
        lines = text.split(b"\n")
        place = start + len(text)
        for line in reversed(lines[1:]):
            place -= len(line)
            yield place, line
            place -= 1
        rest, at = lines[0], start
        if len(rest) > LINE_BYTES:
            yield at, rest
            rest = b""
    if size:
        yield 0, rest


def _moment(date: bytes, clock: bytes, fraction: bytes | None, zone: bytes | None) -> float | None:
    try:
        parsed = time.strptime(f"{date.decode()} {clock.decode()}", "%Y-%m-%d %H:%M:%S")
        if zone is None:
            moment = time.mktime(parsed)
        else:
            import calendar

            sign, digits = (zone[:1], zone[1:].replace(b":", b"")) if zone != b"Z" else (b"+", b"0000")
            offset = int(digits[:2]) * 3600 + int(digits[2:]) * 60
            moment = calendar.timegm(parsed) - (offset if sign == b"+" else -offset)
    except (ValueError, OverflowError):
        return None
    return moment + (float(b"0." + fraction) if fraction else 0.0)
