"""Parts of a log for a screen: its end, what comes before, the next place of a text, the first error. A log's size does not matter."""

from __future__ import annotations

import os
import re
import time

from trainconf import files
from trainconf.errors import UserError
from trainconf.fast.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 1 << 20
LINE_BYTES = 1 << 16  # of a line that is not shown whole where it is cut
LOOK_S = 2.0  # for which something is looked for; whoever wants more asks again from there
TEXT_CHARACTERS = 500
# The beginning of what programs in Python, C++ and shells say when they fail.
FIRST_ERROR = re.compile(
    rb"^(?:\x1b\[[0-9;]*m)*(?:Traceback \(most recent call last\)|[\w.]*(?:Error|Exception)\b|\[?(?:ERROR|FATAL|CRITICAL)\b"
    rb"|.{0,80}?(?:\bERROR\b|\bFATAL\b|\bCRITICAL\b|Segmentation fault|CUDA out of memory|Killed$|panic:|terminate called))", re.MULTILINE,
)  # fmt: skip


class Part(Record):
    """Bytes `start` to `end` of a log that has `size` of them."""

    start: int
    end: int
    size: int
    data: bytes


class Found(Record):
    """Where something is, None where it is not; `looked_to` is the byte up to which it was looked for within the time there is."""

    start: int | None
    end: int | None
    looked_to: int
    size: int


def part(path: str, end: int | None, count: int, lines: int | None = None) -> Part:
    """The `count` bytes before `end`, or the last ones; from the beginning of a line on, unless that line is too long. Raises OSError.

    lines: no more than so many of them, the last ones.
    """
    fd = files.open_regular(path)
    try:
        size = os.fstat(fd).st_size
        end = size if end is None else min(end, size)
        start = max(0, end - count)
        data = os.pread(fd, end - start, start)
        if start:
            newline = data.find(b"\n", 0, LINE_BYTES)
            skipped = newline + 1 if 0 <= newline < len(data) - 1 else _inside_a_character(data)
            start, data = start + skipped, data[skipped:]
        if lines is not None:
            at = len(data.removesuffix(b"\n"))
            for _ in range(max(1, lines)):
                at = data.rfind(b"\n", 0, max(0, at))
            start, data = start + at + 1, data[at + 1 :]
        return Part(start, start + len(data), size, data)
    finally:
        os.close(fd)


def find(path: str, text: str, at: int, *, is_back: bool = False) -> Found:
    """The next place of a text, small and capital letters alike, at or after byte `at`; the last one before it with `is_back`.

    A text and no regular expression: one of those can keep this whole process busy for ever. Raises UserError for a long one, OSError.
    """
    if len(text) > TEXT_CHARACTERS:
        raise UserError("what is looked for is too long", ("allowed", f"at most {TEXT_CHARACTERS} characters"))
    pattern = re.compile(re.escape(os.fsencode(text)), re.IGNORECASE)
    fd = files.open_regular(path)
    try:
        size = os.fstat(fd).st_size
        return _before(fd, pattern, min(at, size), size) if is_back else _after(fd, pattern, at, size)
    finally:
        os.close(fd)


def first_error(path: str) -> Found:
    """Where a log says for the first time that something failed. Raises OSError."""
    fd = files.open_regular(path)
    try:
        return _after(fd, FIRST_ERROR, 0, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _after(fd: int, pattern: re.Pattern[bytes], at: int, size: int) -> Found:
    until = time.monotonic() + LOOK_S
    while at < size:
        block = os.pread(fd, min(BLOCK_BYTES, size - at), at)
        whole = block.rfind(b"\n") + 1 if at + len(block) < size else 0
        block = block[: whole or None]
        match = pattern.search(block)
        if match is not None:
            return Found(at + match.start(), at + match.end(), at, size)
        at += max(1, len(block))
        if time.monotonic() > until:
            break
    return Found(None, None, min(at, size), size)


def _before(fd: int, pattern: re.Pattern[bytes], at: int, size: int) -> Found:
    until = time.monotonic() + LOOK_S
    for start, block in _blocks_before(fd, at):
        last = max(pattern.finditer(block), key=lambda match: match.start(), default=None)
        if last is not None:
            return Found(start + last.start(), start + last.end(), start, size)
        at = start
        if time.monotonic() > until:
            break
    return Found(None, None, at, size)


def _blocks_before(fd: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines, the last one first."""
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        block = os.pread(fd, end - start, start)
        skipped = block.find(b"\n") + 1 if start else 0
        if skipped == len(block):
            skipped = 0
        yield start + skipped, block[skipped:]
        end = start + skipped


def _inside_a_character(data: bytes) -> int:
    """How many bytes at the beginning belong to a character that began before (UTF-8)."""
    return next((place for place, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)
