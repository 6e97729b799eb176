"""CRC-32C (Castagnoli) as TFRecord files have it, masked: of one text, and of many at once.

The standard library has none. For rows of one length the register is kept in columns: the lowest byte of every row's register, then the
next one, and so on. A step of the algorithm is then a `bytes.translate` and an XOR of whole columns, ten times as fast as row by row.
"""

from __future__ import annotations

from array import array

POLYNOMIAL = 0x82F63B78  # reflected
FEW_BYTES = 200  # of all rows together; below it, one after the other is quicker
MASK_DELTA = 0xA282EAD8  # tensorflow/core/lib/hash/crc32c.h


def _entry(index: int) -> int:
    for _ in range(8):
        index = index >> 1 ^ (POLYNOMIAL if index & 1 else 0)
    return index


_TABLE = [_entry(index) for index in range(256)]
_COLUMNS = [bytes(entry >> shift & 255 for entry in _TABLE) for shift in (0, 8, 16, 24)]


def masked(data: bytes) -> int:
    """The masked checksum of one text."""
    register = 0xFFFFFFFF
    for byte in data:
        register = _TABLE[(register ^ byte) & 255] ^ register >> 8
    return _mask(register ^ 0xFFFFFFFF)


def masked_rows(rows: bytes, width: int, length: int) -> array[int]:
    """The masked checksum of the first `length` bytes of each row of `width` bytes."""
    count = len(rows) // width
    if count * length < FEW_BYTES:
        return array("I", [masked(rows[start : start + length]) for start in range(0, len(rows), width)])
    low = (1 << 8 * count) - 1
    register = (1 << 32 * count) - 1  # four columns, that of the least significant byte first
    first, second, third, fourth = _COLUMNS
    for place in range(length):
        index = (register & low ^ int.from_bytes(rows[place::width], "little")).to_bytes(count, "little")
        looked_up = index.translate(first) + index.translate(second) + index.translate(third) + index.translate(fourth)
        register = register >> 8 * count ^ int.from_bytes(looked_up, "little")
    columns = (register ^ (1 << 32 * count) - 1).to_bytes(4 * count, "little")
    joined = bytearray(8 * count)  # each in eight bytes, so that the bits above may be used
    for place in range(4):
        joined[place::8] = columns[place * count : (place + 1) * count]
    lanes = (1 << 64 * count) // ((1 << 64) - 1)  # a one in each
    sums = int.from_bytes(joined, "little")
    turned = (sums >> 15 & lanes * 0x1FFFF) | (sums << 17 & lanes * 0xFFFE0000)
    masks = (turned + lanes * MASK_DELTA & lanes * 0xFFFFFFFF).to_bytes(8 * count, "little")
    return array("I", masks)[::2]


def masked_each(texts: list[bytes]) -> list[int]:
    """The masked checksum of each text; those of one length are worked out together."""
    places: dict[int, list[int]] = {}
    for place, text in enumerate(texts):
        if text:
            places.setdefault(len(text), []).append(place)
    found = [masked(b"")] * len(texts)
    for length, same in places.items():
        for place, checksum in zip(same, masked_rows(b"".join([texts[place] for place in same]), length, length), strict=True):
            found[place] = checksum
    return found


def _mask(checksum: int) -> int:
    return ((checksum >> 15 | checksum << 17) + MASK_DELTA) & 0xFFFFFFFF
