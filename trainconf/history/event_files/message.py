"""The protobuf messages of TensorFlow's event files, as far as scalars need them.

Field numbers are those of event.proto, summary.proto and tensor.proto (tensorflow/core/framework and core/util). Only known types are read;
whatever else an event holds (images, histograms, graphs, texts) is passed over.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Field = tuple[int, Any, int]  # its number, its value, and where in the message the value begins

FLOAT, DOUBLE = struct.Struct("<f"), struct.Struct("<d")
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
SESSION_START = 1  # SessionLog.status
SCALARS = ("", "scalars")  # the plugin of a tensor that is a scalar; "" where nothing is said

BFLOAT16, HALF, UINT64 = 14, 19, 23
# TensorProto: by dtype the field of its values, and how one is packed in `tensor_content`
_DTYPES = {
    dtype: (field, struct.Struct(form)) for dtype, field, form in (
        (1, 5, "<f"), (2, 6, "<d"), (3, 7, "<i"), (4, 7, "<B"), (5, 7, "<h"), (6, 7, "<b"), (9, 10, "<q"), (10, 11, "<?"),
        (BFLOAT16, 13, "<H"), (17, 7, "<H"), (HALF, 13, "<e"), (22, 16, "<I"), (UINT64, 17, "<Q"),
    )
}  # fmt: skip


class Scalar:
    """One value. `raw` are its bytes if it is a float or double, which begin at `place` in the event; -1: it is another number."""

    __slots__ = ("place", "raw", "tag", "value")

    def __init__(self, value: float, raw: bytes = b"", place: int = -1) -> None:
        self.tag = ""
        self.value = value
        self.raw = raw
        self.place = place


class Event:
    """What of an event counts: when, at which step, its scalars, of how many values; `is_start`: a writer starts again at this step."""

    __slots__ = ("is_start", "scalars", "step", "time", "value_count")

    def __init__(self, data: bytes) -> None:
        """Raises ValueError for what is no event."""
        self.time, self.step, self.is_start = 0.0, 0, False
        self.scalars: list[Scalar] = []
        self.value_count = 0
        for number, value, place in fields(data):
            if number == 1:
                self.time = _time(_of(bytes, value))
            elif number == 2:
                self.step = signed(_of(int, value))
            elif number == 5:
                self._take_summary(_of(bytes, value), place)
            elif number == 7:
                self.is_start = any(each == 1 and status == SESSION_START for each, status, _ in fields(_of(bytes, value)))

    def _take_summary(self, summary: bytes, offset: int) -> None:
        for number, value, place in fields(summary):
            if number == 1:
                self.value_count += 1
                scalar = _scalar(_of(bytes, value), offset + place)
                self.scalars += [] if scalar is None else [scalar]


def fields(data: bytes) -> Iterator[Field]:
    """The fields of a message in their order; fixed ones as bytes. Raises ValueError for what is no message."""
    at, end = 0, len(data)
    while at < end:
        key, at = varint(data, at)
        kind = key & 7
        if kind == VARINT:
            start = at
            value, at = varint(data, at)
            yield key >> 3, value, start
            continue
        if kind == BYTES:
            length, at = varint(data, at)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + length > end:
            raise ValueError("a field is longer than its message")
        yield key >> 3, data[at : at + length], at
        at += length


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where what follows it begins. Raises ValueError."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a number does not end")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def signed(value: int) -> int:
    """An int64 from its varint."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _time(raw: bytes) -> float:
    if len(raw) != DOUBLE.size:
        raise ValueError("a time is no double")
    return float(DOUBLE.unpack(raw)[0])


def _of(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise ValueError("a field has another type")
    return value


def _scalar(data: bytes, offset: int) -> Scalar | None:
    """The scalar in a Summary.Value, if it is one."""
    tag, plugin, simple, tensor = "", "", None, None
    for number, value, at in fields(data):
        if number == 1:
            tag = _of(bytes, value).decode("utf-8", "replace")
        elif number == 2:
            simple = _fixed(_of(bytes, value), FLOAT, offset + at)
        elif number == 8:
            tensor = _tensor(_of(bytes, value), offset + at)
        elif number == 9:
            plugin = _plugin(_of(bytes, value))
    found = simple or (tensor if plugin in SCALARS else None)
    if found is None or not tag:
        return None
    found.tag = tag
    return found


def _fixed(raw: bytes, form: struct.Struct, place: int) -> Scalar | None:
    return Scalar(form.unpack(raw)[0], raw, place) if len(raw) == form.size else None


def _plugin(metadata: bytes) -> str:
    """SummaryMetadata.plugin_data.plugin_name."""
    for number, value, _ in fields(metadata):
        for inner, name, _ in fields(_of(bytes, value)) if number == 1 else ():
            if inner == 1:
                return str(_of(bytes, name).decode("utf-8", "replace"))
    return ""


def _tensor(data: bytes, offset: int) -> Scalar | None:
    """The one number of a TensorProto; None for other tensors."""
    dtype, content, values = 0, None, {}
    for number, value, at in fields(data):
        if number == 1:
            dtype = _of(int, value)
        elif number == 2 and any(size != 1 for size in _sizes(value)):
            return None
        elif number == 4:
            content = _of(bytes, value), offset + at
        elif number > 4:
            values[number] = value, offset + at
    if dtype not in _DTYPES:
        return None
    field, form = _DTYPES[dtype]
    if content is None and field not in values:
        return Scalar(0.0)  # zeros may be left out
    raw, place = values[field] if content is None else content
    if dtype in (1, 2):
        return _fixed(_of(bytes, raw), form, place)
    if content is None:
        return _from_varint(raw, dtype, form)
    return Scalar(_value(raw, dtype, form)) if len(raw) == form.size else None


def _from_varint(raw: Any, dtype: int, form: struct.Struct) -> Scalar | None:
    """A whole number, or the bits of a half, from a field of varints."""
    end = 0
    number, end = varint(raw, 0) if isinstance(raw, bytes) else (raw, 0)
    if isinstance(raw, bytes) and end != len(raw):
        return None
    if dtype in (BFLOAT16, HALF):
        return Scalar(_value((number & 0xFFFF).to_bytes(2, "little"), dtype, form))
    return Scalar(float(number if dtype == UINT64 else signed(number)))


def _value(raw: bytes, dtype: int, form: struct.Struct) -> float:
    return float(FLOAT.unpack(b"\0\0" + raw)[0] if dtype == BFLOAT16 else form.unpack(raw)[0])


def _sizes(shape: Any) -> Iterator[int]:
    """TensorShapeProto.dim.size."""
    for number, dim, _ in fields(_of(bytes, shape)):
        if number == 2:
            yield next((signed(_of(int, size)) for each, size, _ in fields(_of(bytes, dim)) if each == 1), 0)
