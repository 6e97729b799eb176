"""`written/` has files of PyTorch 2.13, TensorFlow 2.21, its Keras 3.15 and tensorboard 2.21: scalars in each form, and other things."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainconf.history.event_files import crc32c, encode
from trainconf.history.event_files.reader import Reader

WRITTEN = Path(__file__).parent / "written"
Points = dict[str, list[tuple[int, float]]]


def nearly(values: list[float]) -> list[tuple[int, Any]]:
    """Points of which each is at the step of its number, with floats of 32 bits."""
    return [(step, pytest.approx(value, rel=1e-6)) for step, value in enumerate(values)]


def read(path: Path, position: int = 0) -> tuple[Points, Reader, int, bool]:
    found: Points = {}
    reader = Reader(lambda tag, steps, values, times: found.setdefault(tag, []).extend(zip(steps, values, strict=True)))
    fd = os.open(path, os.O_RDONLY)
    try:
        return found, reader, *reader.read_on(fd, position)
    finally:
        os.close(fd)


def test_the_checksum_is_that_of_the_castagnoli_polynomial() -> None:
    masked = crc32c.masked(b"123456789")
    unmasked = masked - crc32c.MASK_DELTA & 0xFFFFFFFF
    assert unmasked >> 17 | unmasked << 15 & 0xFFFFFFFF == 0xE3069283  # RFC 3720, B.4, and its well-known check value


@settings(max_examples=20)
@given(st.lists(st.binary(min_size=9, max_size=9), min_size=1, max_size=60))
def test_many_rows_have_the_checksums_of_each(rows: list[bytes]) -> None:
    assert crc32c.masked_rows(b"".join(rows), 9, 7).tolist() == [crc32c.masked(row[:7]) for row in rows]


def test_every_scalar_that_pytorch_writes_is_read_and_nothing_else() -> None:
    found, reader, position, goes_on = read(WRITTEN / "torch.tfevents")
    assert found["loss"] == nearly([0.9 / (step + 1) for step in range(300)])
    assert found["val/acc"] == [(0, 0.9), (1, 0.9), (2, 0.9)]  # not 0.8999999761581421
    assert found["new style"] == [(7, 0.5)]
    assert found["double"] == [(7, 0.1)]
    assert found["negative step"] == [(-3, -1.5)]
    assert found["large step"] == [(2**40, 2.0)]
    assert math.isnan(found["nan"][0][1])
    assert found["infinity"] == [(1, math.inf)]
    assert len(found) == 8
    assert reader.skipped == 0
    assert goes_on
    assert position == (WRITTEN / "torch.tfevents").stat().st_size


def test_tensors_of_one_number_are_scalars_in_each_type() -> None:
    found, reader, _, _ = read(WRITTEN / "tensorboard.tfevents")
    assert found["epoch_loss"] == nearly([1 / (step + 1) for step in range(200)])
    assert found["epoch_accuracy"] == nearly([0.9 + step for step in range(200)])
    assert found["int64"] == [(3, 12.0)]
    assert found["int32"] == [(3, -12.0)]
    assert found["half"] == [(3, 0.5)]
    assert found["bool"] == [(3, 1.0)]
    assert found["bfloat16"] == [(3, 1.5)]
    assert found["both/a"] == [(5, 0.25), (6, 0.25)]
    assert found["both/b"] == [(5, 0.75), (6, 0.75)]
    assert len(found) == 9
    assert reader.skipped == 0


def test_every_scalar_of_tensorflow_and_keras_is_read() -> None:
    found, reader, _, _ = read(WRITTEN / "tensorflow.tfevents")
    assert found == {"loss": nearly([1 / (step + 1) for step in range(50)]), "double": [(1, 0.1)], "integer": [(1, 7.0)]}
    assert reader.skipped == 0
    train, validation = (read(WRITTEN / f"keras_{name}.tfevents")[0] for name in ("train", "validation"))
    assert train.keys() == {"epoch_loss", "epoch_mae", "epoch_learning_rate"}
    assert validation.keys() == {"epoch_loss", "epoch_mae", "evaluation_loss_vs_iterations", "evaluation_mae_vs_iterations"}
    assert [step for step, _ in train["epoch_loss"]] == [0, 1, 2, 3]
    assert train["epoch_learning_rate"] == [(step, 0.01) for step in range(4)]


def test_a_writer_that_begins_again_says_so() -> None:
    _, reader, _, _ = read(WRITTEN / "torch_purge_2.tfevents")
    assert [step for _, step in reader.starts] == [50]


@pytest.mark.parametrize("name", ["torch.tfevents", "tensorboard.tfevents"])
def test_a_file_that_grows_byte_by_byte_gives_the_same(name: str, tmp_path: Path) -> None:
    whole = (WRITTEN / name).read_bytes()[:6000]
    path, found, position = tmp_path / "file", {}, 0  # type: tuple[Path, Points, int]
    for size in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:size])
        new, _, position, goes_on = read(path, position)
        assert goes_on
        for tag, points in new.items():
            found.setdefault(tag, []).extend(points)
    path.write_bytes(whole)
    for tag, points in read(path, position)[0].items():
        found.setdefault(tag, []).extend(points)
    assert repr(found) == repr(read(path)[0])  # a NaN is no equal


def file_of(tmp_path: Path, count: int = 500) -> tuple[Path, bytes, list[bytes]]:
    each = [encode.scalars("loss", [(1.8e9 + step, step, step / 4)]) for step in range(count)]
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(encode.header(1.8e9) + b"".join(each))
    return path, encode.header(1.8e9), each


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path, _, each = file_of(tmp_path)
    assert read(path)[0] == {"loss": [(step, step / 4) for step in range(len(each))]}


def test_an_event_with_a_wrong_checksum_is_passed_over(tmp_path: Path) -> None:
    path, head, each = file_of(tmp_path)
    each[40] = each[40][:-8] + bytes(8)
    path.write_bytes(head + b"".join(each))
    found, reader, _, goes_on = read(path)
    assert [step for step, _ in found["loss"]] == [step for step in range(500) if step != 40]
    assert reader.skipped == 1
    assert goes_on


def test_nothing_is_read_from_a_wrong_length_on(tmp_path: Path) -> None:
    path, head, each = file_of(tmp_path)
    each[40] = struct.pack("<Q", 1 << 60) + each[40][8:]
    path.write_bytes(head + b"".join(each))
    found, _, position, goes_on = read(path)
    assert [step for step, _ in found["loss"]] == [*range(40)]
    assert position == len(head) + sum(map(len, each[:40]))
    assert not goes_on


@pytest.mark.parametrize("content", [b"", b"x", b"hello, this is a text and no event file at all\n" * 100, bytes(5000), os.urandom(9000)])
def test_a_foreign_file_has_no_scalars(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tfevents"
    path.write_bytes(content)
    found, _, position, _ = read(path)
    assert found == {}
    assert position == 0


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_a_record_that_is_no_event_is_passed_over(data: bytes) -> None:
    found: list[str] = []
    reader = Reader(lambda tag, *_: found.append(tag))
    fd = os.memfd_create("events")
    try:
        os.write(fd, encode.records([data]) + encode.scalars("loss", [(1.0, 1, 1.0)]))
        reader.read_on(fd, 0)
    finally:
        os.close(fd)
    assert "loss" in found


def test_a_long_record_is_stepped_over_and_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "tfevents"
    image = encode.text(1, encode.text(1, "image") + encode.text(4, bytes(700_000)))
    long = encode.records([encode.double(1, 1.0) + encode.text(5, image)])
    after = encode.scalars("loss", [(1.0, 1, 1.0)])
    path.write_bytes(long[:300_000])
    assert read(path)[0] == {}
    assert read(path)[2:] == (0, True)
    path.write_bytes(long + after)
    assert read(path)[0] == {"loss": [(1, 1.0)]}
