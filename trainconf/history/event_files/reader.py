"""Scalars from one event file, from where its reading stopped, in blocks of columns.

A file is a sequence of TFRecords: length (8 bytes), its checksum (4), an event, its checksum (4). A record that is not whole yet is waited
for. An event with a wrong checksum is passed over. A length with a wrong checksum tells nothing of what follows: nothing is read from there
on.

Nearly all events differ in time, step and value alone. What remains of an event without them, its shape, tells the tag and where the value
is. So each shape is decoded once, and of an event that has a known shape only these three are read.
"""

from __future__ import annotations

import os
import struct
from array import array
from itertools import pairwise

from trainconf.history.event_files import crc32c
from trainconf.history.event_files.message import DOUBLE, Event, Scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Take = Callable[[str, "array[int]", "array[float]", "array[float]"], object]  # a tag with its steps, values and times
    Block = tuple["array[int]", "array[float]", "array[float]"]
    Void = tuple[float, int]  # a writer that began again at this time: what was written before for this step or a later one is void

CHUNK_BYTES = 1 << 18  # the columns of its checksums stay in the processor's cache
RECORD_BYTES = 1 << 26  # a longer record is stepped over: it is no scalar's
LONG_BYTES = 1 << 13
HEADER, FOOTER = 12, 4
LENGTH = struct.Struct("<Q")
TIME, STEP, SUMMARY = b"\x09", b"\x10", b"\x2a"  # an event begins with its time, a double; its step follows, a varint; and its summary
STEP_BYTES = 8  # a longer step is read field by field
MANY_SHAPES = 10_000  # above it, something in the events changes each time


class Reader:
    """Reads one file. `skipped` counts events with a wrong checksum or that are none; `starts` has each restart of a writer."""

    def __init__(self, take: Take, voids: list[Void] | None = None) -> None:
        self.skipped = 0
        self.starts: list[Void] = []
        self._take = take
        self._voids = voids or []
        self._shapes: dict[tuple[int, int], dict[bytes, str]] = {}  # by the value's distance from the event's end and its size
        self._shape_count = 0
        self._blocks: dict[str, list[Block]] = {}

    def read_on(self, fd: int, position: int) -> tuple[int, bool]:
        """Hand on what is whole from a position on. The new position, and whether the file goes on there. Raises OSError."""
        wanted = CHUNK_BYTES
        while True:
            chunk = os.pread(fd, wanted, position)
            records, next_bytes = _split(chunk)
            if records:
                self._hand_on(records)
                position += sum(map(len, records)) + HEADER * len(records)
            if next_bytes < 0:
                return position, False
            wanted = max(CHUNK_BYTES, next_bytes)
            if not records:
                if not next_bytes or os.fstat(fd).st_size < position + next_bytes:
                    return position, True
                if next_bytes > RECORD_BYTES:
                    position, wanted = position + next_bytes, CHUNK_BYTES

    def read_head(self, fd: int, size: int) -> None:
        """Hand on what is whole within the first `size` bytes. Raises OSError."""
        self._hand_on(_split(os.pread(fd, size, 0))[0])

    def _hand_on(self, records: list[bytes]) -> None:
        """Take events, each with its checksum behind it. Those of one length are taken together."""
        by_length: dict[int, list[bytes]] = {}
        for record in records:
            try:
                by_length[len(record)].append(record)
            except KeyError:
                by_length[len(record)] = [record]
        for length, same in by_length.items():
            if length >= LONG_BYTES:  # they hold an image or the like: checking them would cost more than all else
                for record in same:
                    self._decode(record[:-FOOTER])
            else:
                self._take_rows(self._sound(same, length), length)
        for tag, blocks in self._blocks.items():
            self._take(tag, *(blocks[0] if len(blocks) == 1 else _in_order(blocks)))
        self._blocks = {}

    def _sound(self, records: list[bytes], length: int) -> list[bytes]:
        """Those whose checksum is right."""
        sums = crc32c.masked_rows(b"".join(records), length, length - FOOTER)
        told = array("I", b"".join([record[-FOOTER:] for record in records]))
        if sums == told:
            return records
        sound = [record for record, found, right in zip(records, sums, told, strict=True) if found == right]
        self.skipped += len(records) - len(sound)
        return sound

    def _take_rows(self, records: list[bytes], length: int) -> None:
        """Take events of one length, those of one shape together."""
        groups: dict[tuple[str, int, int, int], list[bytes]] = {}
        for record in records:
            at = record.find(SUMMARY, 9) if record[9:10] == STEP else 9
            found = self._shape(record, at, length) or self._shape(record, _after_step(record), length)
            if found is None:
                self._decode(record[:-FOOTER])
            else:
                try:
                    groups[found].append(record)
                except KeyError:
                    groups[found] = [record]
        for (tag, at, place, size), rows in groups.items():
            steps = array("q", _steps([row[10:at] for row in rows]))
            values = _numbers(b"".join([row[place : place + size] for row in rows]), size)
            self._give(tag, steps, values, array("d", b"".join([row[1:9] for row in rows])))

    def _shape(self, record: bytes, at: int, length: int) -> tuple[str, int, int, int] | None:
        """Of an event with a known shape: its tag, where its summary begins, where its value does, and the size of that."""
        for (back, size), shapes in self._shapes.items():
            place = length - back
            tag = shapes.get(record[at:place] + record[place + size : -FOOTER])
            if tag is not None:
                return tag, at, place, size
        return None

    def _decode(self, event_bytes: bytes) -> None:
        """Read an event field by field, and learn its shape if it has one."""
        try:
            event = Event(event_bytes)
        except ValueError:
            self.skipped += 1
            return
        if event.is_start:
            self.starts.append((event.time, event.step))
        for scalar in event.scalars:
            value = _numbers(scalar.raw, len(scalar.raw))[0] if scalar.place >= 0 else scalar.value
            self._give(scalar.tag, array("q", [event.step]), array("d", [value]), array("d", [event.time]))
        if len(event.scalars) == event.value_count == 1 and event.scalars[0].place >= 0:
            self._learn(event_bytes, event.scalars[0])

    def _learn(self, event_bytes: bytes, scalar: Scalar) -> None:
        at, size = _after_step(event_bytes), len(scalar.raw)
        if event_bytes[:1] == TIME and event_bytes[at : at + 1] == SUMMARY and at - 10 <= STEP_BYTES and self._shape_count < MANY_SHAPES:
            shape = event_bytes[at : scalar.place] + event_bytes[scalar.place + size :]
            self._shapes.setdefault((len(event_bytes) + FOOTER - scalar.place, size), {})[shape] = scalar.tag
            self._shape_count += 1

    def _give(self, tag: str, steps: array[int], values: array[float], times: array[float]) -> None:
        for since, first in self._voids:
            kept = [place for place, step in enumerate(steps) if step < first or times[place] >= since]
            if len(kept) < len(steps):
                steps = array("q", map(steps.__getitem__, kept))
                values, times = array("d", map(values.__getitem__, kept)), array("d", map(times.__getitem__, kept))
        if steps:
            self._blocks.setdefault(tag, []).append((steps, values, times))


def _split(chunk: bytes) -> tuple[list[bytes], int]:
    """The whole records of a chunk, each without its header, and how long the next one is.

    0: its header is not whole; -1: its header is wrong.
    """
    ends: list[int] = [0]
    at, last, next_bytes = 0, len(chunk) - HEADER, 0
    read_length = LENGTH.unpack_from
    while at <= last:
        at += HEADER + FOOTER + read_length(chunk, at)[0]
        ends.append(at)
    headers = b"".join([chunk[start : start + HEADER] for start in ends if start <= last])
    if at > len(chunk):
        next_bytes = at - ends[-2]
        del ends[-1]
    records = [chunk[start + HEADER : end] for start, end in pairwise(ends)]
    sums, told = crc32c.masked_rows(headers, HEADER, LENGTH.size), array("I", headers)[2::3]
    if sums != told:
        return records[: next(place for place, found in enumerate(sums) if found != told[place])], -1
    return records, next_bytes


def _after_step(event_bytes: bytes) -> int:
    """Where an event goes on after its time and its step."""
    at = 9
    if event_bytes[at : at + 1] == STEP:
        at += 1
        while event_bytes[at : at + 1] > b"\x7f":
            at += 1
        at += 1
    return at


def _steps(varints: list[bytes]) -> list[int]:
    """Numbers from varints of one length."""
    length = len(varints[0])
    if length == 0:
        return [0] * len(varints)
    if length == 1:
        return [raw[0] for raw in varints]
    if length == 2:
        return [raw[0] & 127 | raw[1] << 7 for raw in varints]
    if length == 3:
        return [raw[0] & 127 | (raw[1] & 127) << 7 | raw[2] << 14 for raw in varints]
    return [sum((byte & 127) << 7 * place for place, byte in enumerate(raw)) for raw in varints]


def _in_order(blocks: list[Block]) -> Block:
    """One block of several, in the order in which the values were logged."""
    rows = sorted((row for block in blocks for row in zip(*block, strict=True)), key=lambda row: row[2])
    return array("q", [row[0] for row in rows]), array("d", [row[1] for row in rows]), array("d", [row[2] for row in rows])


def _numbers(raw: bytes, size: int) -> array[float]:
    """Numbers from their bytes: doubles, or floats.

    A float that a decimal number of 7 digits tells exactly is that number: a script that logs 0.9 has not logged 0.8999999761581421.
    """
    if size == DOUBLE.size:
        return array("d", raw)
    floats = array("f", raw)
    short = [float(f"{value:.7g}") for value in floats]
    return array("d", [a if a_float == value else value for a, a_float, value in zip(short, array("f", short), floats, strict=True)])
