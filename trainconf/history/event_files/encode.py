"""Event files as TensorBoard reads them: the bytes of scalars, and of what its HParams page wants to know of a run.

Field numbers are those of event.proto, summary.proto and the HParams plugin's plugin_data.proto and api.proto.
"""

from __future__ import annotations

import struct

from trainconf.history.event_files import crc32c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

VERSION = b"brain.Event:2"  # without it TensorBoard would take a step that comes again for a restart
PLUGIN = "hparams"
START_TAG, END_TAG = "_hparams_/session_start_info", "_hparams_/session_end_info"
SUCCESS, FAILURE, RUNNING = 1, 2, 3  # api.proto, Status


def header(time: float) -> bytes:
    """How a file begins."""
    return records([double(1, time) + text(3, VERSION)])


def scalars(tag: str, points: Iterable[tuple[float, int, float]]) -> bytes:
    """(time, step, value) of one tag, as records."""
    name = text(1, tag)
    events = []
    for time, step, value in points:
        data = name + b"\x15" + _float(value)
        events.append(double(1, time) + number(2, step) + text(5, text(1, data)))
    return records(events)


def session_start(time: float, params: Mapping[str, Any], group: str) -> bytes:
    """The hyperparameters of a run: numbers, truth values and texts; others as their texts."""
    info = b"".join(text(1, text(1, name) + text(2, _value(value))) for name, value in params.items())
    return _hparams(time, START_TAG, text(3, info + text(4, group) + double(5, time)))


def session_end(time: float, status: int) -> bytes:
    """How a run ended, and when."""
    return _hparams(time, END_TAG, text(4, number(1, status) + double(2, time)))


def records(events: list[bytes]) -> bytes:
    """TFRecords."""
    lengths = [struct.pack("<Q", len(event)) for event in events]
    sums = crc32c.masked_rows(b"".join(lengths), 8, 8)
    return b"".join(
        length + struct.pack("<I", length_sum) + event + struct.pack("<I", event_sum)
        for length, length_sum, event, event_sum in zip(lengths, sums, events, crc32c.masked_each(events), strict=True)
    )


def _hparams(time: float, tag: str, content: bytes) -> bytes:
    metadata = text(1, text(1, PLUGIN) + text(2, content))
    tensor = number(1, 1) + text(2, b"") + text(5, b"")  # TensorBoard wants one of each summary: an empty float
    return records([double(1, time) + text(5, text(1, text(1, tag) + text(8, tensor) + text(9, metadata)))])


def _value(value: Any) -> bytes:
    """google.protobuf.Value"""
    if isinstance(value, bool):
        return number(4, value, is_kept=True)
    if isinstance(value, (int, float)):
        return double(2, value)
    return text(3, str(value))


def _float(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:
        return struct.pack("<f", float("inf") if value > 0 else float("-inf"))


def text(field: int, data: bytes | str) -> bytes:
    """A field of a text or a message."""
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    return bytes([field << 3 | 2]) + varint(len(raw)) + raw


def double(field: int, value: float) -> bytes:
    return bytes([field << 3 | 1]) + struct.pack("<d", value)


def number(field: int, value: int, *, is_kept: bool = False) -> bytes:
    """A field of a whole number; a zero is left out."""
    return bytes([field << 3]) + varint(value & (1 << 64) - 1) if value or is_kept else b""


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
