"""Parts of a log, and where something is in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from trainconf.control.view import log as log_view
from trainconf.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> str:
    return str(tmp_path / "std_log.txt")


def write(path: str, data: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(data)


def test_the_end_of_a_log_begins_at_a_line_and_what_comes_before_joins_it(log: str) -> None:
    text = b"".join(b"line %d of a log\n" % number for number in range(1000))
    write(log, text)
    end = log_view.part(log, None, 500)
    assert (end.end, end.size) == (len(text), len(text))
    assert end.data.startswith(b"line ")
    got, start = end.data, end.start
    while start:
        before = log_view.part(log, start, 500)
        got, start = before.data + got, before.start
    assert got == text


def test_a_line_without_an_end_is_cut_between_characters(log: str) -> None:
    write(log, "å".encode() * 200_000)
    found = log_view.part(log, None, 1001)
    assert found.data.decode() == "å" * 500
    assert log_view.part(log, found.start, 1001).end == found.start


def test_a_text_is_found_forwards_and_backwards_in_any_case(log: str) -> None:
    write(log, b"x" * 100 + b"\nLoss 3\n" + b"y" * (3 << 20) + b"\nloss 4\n")
    size = os.path.getsize(log)
    first = log_view.find(log, "LOSS", 0)
    assert first.start == 101
    assert first.end is not None
    second = log_view.find(log, "loss", first.end)
    assert second.start == size - 7
    assert log_view.find(log, "loss", second.start, is_back=True).start == 101
    assert log_view.find(log, "l.ss", 0).start is None
    with pytest.raises(UserError, match="too long"):
        log_view.find(log, "a" * 501, 0)


@pytest.mark.parametrize("error", [b"Traceback (most recent call last):", b"RuntimeError: no", b"[rank 1] ERROR out", b"2026 panic: x"])
def test_the_first_error_of_a_log_is_found(log: str, error: bytes) -> None:
    write(log, b"epoch 1 loss_error 0.3\nall is well\n" + error + b"\nValueError: later\n")
    assert log_view.first_error(log).start == 35


def test_a_log_without_an_error_and_what_is_no_log(log: str, tmp_path: Path) -> None:
    write(log, b"epoch 1 mean error 0.3\n")
    assert log_view.first_error(log).start is None
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="no regular file"):
        log_view.part(str(tmp_path / "fifo"), None, 10)


@pytest.mark.parametrize("text", [b"", b"one", b"one\n", b"\n", b"\n\n", b"one\n\ntwo", b"one\ntwo\nthree\n"])
@pytest.mark.parametrize("lines", [1, 2, 3, 9])
def test_the_last_lines_are_those_that_a_reader_counts(log: str, text: bytes, lines: int) -> None:
    write(log, text)
    found = log_view.part(log, None, 100, lines)
    assert found.data == b"".join(text.splitlines(keepends=True)[-lines:])
    assert (found.start, found.end, found.size) == (len(text) - len(found.data), len(text), len(text))
