"""Where a log is begun: at its last lines, or at a time. A log's size does not matter."""

from __future__ import annotations

import calendar
import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainconf.history import tail

SINCE = calendar.timegm((2026, 11, 23, 5, 32, 0))


def opened(path: Path, data: bytes) -> int:
    path.write_bytes(data)
    return os.open(path, os.O_RDONLY)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


TEXTS = st.lists(st.sampled_from([b"a", b"b", b"\n"]), max_size=40).map(b"".join)


@given(data=TEXTS, count=st.integers(0, 6), block=st.sampled_from([1, 3, 99]))
def test_the_last_lines_are_those_of_the_whole_file(tmp_path_factory: pytest.TempPathFactory, data: bytes, count: int, block: int) -> None:
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    fd = opened(tmp_path_factory.mktemp("tail") / "log", data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail, "BLOCK_BYTES", block)
        for part in (b"", b"a"):
            wanted = [line for line in lines if part in line]
            shown = data[tail.last_lines_at(fd, len(data), count, re.compile(part).search) :]
            kept = [line for line in (shown.removesuffix(b"\n").split(b"\n") if shown else []) if part in line]
            assert kept == (wanted[-count:] if count else [])
    os.close(fd)


def test_the_end_of_a_very_large_log_is_found_at_once(log: Path) -> None:
    with log.open("wb") as stream:
        stream.truncate(10_000_000_000)
        stream.seek(0, os.SEEK_END)
        stream.write(b"\none\ntwo\nthree\n")
    fd = os.open(log, os.O_RDONLY)
    size = log.stat().st_size
    begun = time.process_time()
    assert os.pread(fd, 99, tail.last_lines_at(fd, size, 2)) == b"two\nthree\n"
    assert time.process_time() - begun < 0.05
    os.close(fd)


def test_one_line_without_an_end_takes_no_more_memory_than_a_block(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "LINE_BYTES", 1 << 21)
    with log.open("wb") as stream:
        stream.truncate(50_000_000)
    fd = os.open(log, os.O_RDONLY)
    assert 0 < tail.last_lines_at(fd, 50_000_000, 2) < 50_000_000
    os.close(fd)


@pytest.mark.parametrize("form", ["2026-11-23T05:{}Z x\n", "[2026-11-23 05:{}+00:00] x\n", "INFO 2026-11-23 06:{},500+0100 x\n"])
def test_lines_since_a_time_begin_with_the_first_that_says_so(log: Path, form: str) -> None:
    lines = [form.format(f"{minute}:00") + "  continued\n" for minute in range(29, 36)]
    data = "".join(lines).encode()
    fd = opened(log, data)
    begin = tail.since_at(fd, len(data), SINCE)
    assert data[begin:] == "".join(lines[3:]).encode()
    assert tail.since_at(fd, len(data), 0.0) == 0
    assert tail.since_at(fd, len(data), SINCE + 1e6) == len(data)
    os.close(fd)


def test_lines_since_a_time_are_found_across_blocks(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "BLOCK_BYTES", 100)
    lines = [f"2026-11-23T05:{minute:02}:00Z {'x' * 20}\n" for minute in range(60)]
    data = "".join(lines).encode()
    fd = opened(log, data)
    assert data[tail.since_at(fd, len(data), SINCE) :] == "".join(lines[32:]).encode()
    os.close(fd)


@pytest.mark.parametrize("data", [b"epoch 1\nepoch 2\n", b"2026-99-99 99:99:99 x\n", b"\xff\x00\n"])
def test_lines_without_times_are_not_taken_for_others(log: Path, data: bytes) -> None:
    fd = opened(log, data)
    assert tail.since_at(fd, len(data), SINCE) is None
    os.close(fd)
