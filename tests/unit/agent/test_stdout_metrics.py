"""Metrics out of a log that grows: whole, in order, once, and in bounded memory."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from trainconf.agent import stdout_metrics
from trainconf.agent.stdout_metrics import LINE_BYTES, SLOW_LINES, LogReader
from trainconf.paths import RunPaths


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    (tmp_path / "logs").mkdir()
    return RunPaths(str(tmp_path))


def append(paths: RunPaths, data: bytes) -> None:
    with open(paths.log(0), "ab") as stream:
        stream.write(data)


def found(paths: RunPaths) -> list[tuple[str, Any]]:
    if not os.path.exists(paths.metrics):
        return []
    with open(paths.metrics, encoding="utf-8") as stream:
        return [(m["name"], m["value"]) for m in map(json.loads, stream)]


def read_all(reader: LogReader) -> None:
    while not reader.read_on():
        pass


def read_to_end(reader: LogReader) -> int:
    """Search all there is; how many looks that took."""
    looks = 1
    while not reader.read_on(to_end=True):
        looks += 1
    return looks


def test_a_line_counts_when_it_is_whole(paths: RunPaths) -> None:
    reader = LogReader(paths, {"loss": r"loss=([0-9.]+)"})
    append(paths, b"loss=0.")
    reader.read_on()
    assert found(paths) == []
    append(paths, b"5\nloss=0.25")
    reader.read_on()
    assert found(paths) == [("loss", 0.5)]
    reader.read_on(to_end=True)
    assert found(paths) == [("loss", 0.5), ("loss", 0.25)]


def test_what_an_earlier_attempt_printed_is_not_read_again(paths: RunPaths) -> None:
    append(paths, b"loss=1\n")
    reader = LogReader(paths, {"loss": r"loss=([0-9.]+)"})
    append(paths, b"loss=2\n")
    reader.read_on(to_end=True)
    assert found(paths) == [("loss", 2)]


def test_several_matches_and_patterns_on_a_line_all_count(paths: RunPaths) -> None:
    reader = LogReader(paths, {"a": r"a=(\S+)", "whole": r"b=\d"})
    append(paths, b"a=1 a=nan b=2 a=high\n")
    reader.read_on(to_end=True)
    names = [name for name, _ in found(paths)]
    assert names == ["a", "a", "a", "whole"]
    assert found(paths)[0] == ("a", 1)
    assert found(paths)[2:] == [("a", "high"), ("whole", "b=2")]


def test_a_group_that_takes_no_part_is_no_value(paths: RunPaths) -> None:
    reader = LogReader(paths, {"a": r"x(?:=(\d))?"})
    append(paths, b"x x=4\n")
    reader.read_on(to_end=True)
    assert found(paths) == [("a", 4)]


def test_bytes_that_are_no_utf_8_do_no_harm(paths: RunPaths) -> None:
    reader = LogReader(paths, {"a": r"a=(\d+)"})
    append(paths, b"\xff\xfe\x00 a=4\n")
    reader.read_on(to_end=True)
    assert found(paths) == [("a", 4)]


def test_an_endless_line_is_read_in_bounded_memory_and_what_follows_is_found(paths: RunPaths) -> None:
    reader = LogReader(paths, {"a": r"a=(\d+)"})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    block = b"x" * (8 << 20)
    for _ in range(16):
        append(paths, block)
        read_all(reader)
    append(paths, b"a=1\na=2\n")
    read_to_end(reader)
    assert found(paths) == [("a", 2)]  # the first stands too far out in its line
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 32 << 20
    assert reader.take_notes() == [f"of a line longer than {LINE_BYTES} bytes only the beginning was searched for stdout_metrics"]


LOSS = {"loss": r"loss[=:] ?([0-9.]+)"}


@pytest.mark.parametrize(
    ("printed", "values"),
    [
        (b"\r10% loss=0.9\r20% loss=0.8\r\n", [0.9, 0.8]),
        (b"10% loss=0.9\r20% loss=0.8\r", [0.9, 0.8]),
        (b"loss=0.125\rloss=0.5\n", [0.125, 0.5]),  # a terminal would leave the longer one's end
        (b"loss=0.9\r\nloss=0.8\r\r\n", [0.9, 0.8]),  # as from Windows, and through a pseudo-terminal
        (b"loss: 0.5123" + b"\b" * 6 + b"0.4567" + b"\b" * 6 + b"0.3\n", [0.5123, 0.4567, 0.3]),
        (b"1/9 loss: 0.9" + b"\b" * 40 + b"\r2/9 loss: 0.8\n", [0.9, 0.8]),  # keras
        (b"loss=7 |\b/\b-\b\\\b|\n", [7]),  # a spinner behind it
        (b"loss=1\b2\b3\n", [1, 2, 3]),
        (b"loss=12\b \b\n", [12]),  # a character taken back
        (b"\x1b[2K\x1b[1Gloss=0.9\x1b[2K\x1b[1Gloss=0.8\n", [0.9, 0.8]),
        (b"loss=\x1b[1;32m0.5\x1b[0m\n", [0.5]),
        (b"\x1b]8;;http://x/loss=9\x1b\\loss=0.5\x1b]8;;\x1b\\\n", [0.5]),
    ],
)  # fmt: skip
def test_each_redraw_of_a_line_counts_however_the_output_is_cut_into_blocks(paths: RunPaths, printed: bytes, values: list[float]) -> None:
    at_once = LogReader(paths, LOSS)
    append(paths, printed)
    read_to_end(at_once)
    assert found(paths) == [("loss", value) for value in values]
    os.unlink(paths.metrics)
    os.unlink(paths.log(0))
    byte_by_byte = LogReader(paths, LOSS)
    for position in range(len(printed)):
        append(paths, printed[position : position + 1])
        byte_by_byte.read_on()
    read_to_end(byte_by_byte)
    assert found(paths) == [("loss", value) for value in values]


def test_the_beginning_of_a_line_is_also_after_a_return(paths: RunPaths) -> None:
    reader = LogReader(paths, {"a": r"^a=(\d+)$"})
    append(paths, b"\ra=1\r\x1b[Ka=2\rno a=3\ra=4\n")
    read_to_end(reader)
    assert found(paths) == [("a", 1), ("a", 2), ("a", 4)]


def test_empty_lines_are_lines_and_the_halves_of_a_line_end_are_none(paths: RunPaths) -> None:
    reader = LogReader(paths, {"empty": r"^$"})
    append(paths, b"\rbar\r\n\r\n\nx\r")
    reader.read_on()
    append(paths, b"\n")
    read_to_end(reader)
    assert len(found(paths)) == 2


def test_a_bar_that_never_ends_its_line_is_read_while_it_runs(paths: RunPaths) -> None:
    reader = LogReader(paths, LOSS)
    for step in range(3):
        append(paths, b"\rloss=%d" % step)
        reader.read_on()
        assert found(paths) == [("loss", seen) for seen in range(step)]


@pytest.mark.parametrize("size", [100_000, 200_000])
def test_what_stands_far_out_in_a_long_line_is_found(paths: RunPaths, size: int) -> None:
    reader = LogReader(paths, {"loss": r'"loss": ([0-9.]+)', "word": r"(?<=, )\bend\b"})
    line = json.dumps({"weights": [0.25] * (size // 6), "loss": 0.5}) + ", end"
    assert len(line) > size
    append(paths, f"{line}\n{line}\n".encode())
    read_to_end(reader)
    assert found(paths) == [("loss", 0.5), ("word", "end")] * 2
    assert reader.take_notes() == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (r"(a+)+b", "a" * 64), (r"(a|aa)+$", "a" * 64 + "!"), (r"(.*)*x", "a" * 64), (r"(?=(a+)+b)", "a" * 64),
        (r"a*b", "a" * 200_000), (r"(\w+):", "a" * 200_000), (r"(?>a*)b", "a" * 200_000), (r'[^"]*"', "a" * 200_000),
        (r"(?i)(\u00e9+)+b", "\u00e9" * 64),
    ],
)  # fmt: skip
def test_a_slow_pattern_is_passed_over_told_and_at_last_given_up(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch, pattern: str, line: str
) -> None:  # fmt: skip
    monkeypatch.setattr(stdout_metrics, "SLOW_SECONDS", 0.2)
    reader = LogReader(paths, {"slow": pattern, "loss": r"loss=(\d)"})
    for _ in range(SLOW_LINES + 2):
        append(paths, line.encode() + b"\nloss=1\n")
    read_all(reader)
    assert reader._slow == {"slow": SLOW_LINES}
    assert found(paths) == [("loss", 1)] * (SLOW_LINES + 2)
    passed_over, given_up = reader.take_notes()
    assert passed_over.startswith("stdout_metrics.slow is too slow a pattern")
    assert f"{len(line)} characters" in passed_over
    assert given_up == "stdout_metrics.slow was given up: it was too slow"


def test_reading_stops_after_a_moment_and_goes_on_where_it_stopped(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdout_metrics, "SLICE_SECONDS", 0.0)
    reader = LogReader(paths, {"a": r"a=(\d+)"})
    append(paths, b"".join(b"a=%d\n" % number for number in range(100)))
    looks = read_to_end(reader)
    assert found(paths) == [("a", number) for number in range(100)]
    assert looks >= 100


def test_what_is_not_searched_at_the_end_is_told(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdout_metrics, "SLICE_SECONDS", 0.0)
    reader = LogReader(paths, {"a": r"a=(\d+)"})
    append(paths, b"a=1\na=2\n" + b"x" * 100_000)
    assert not reader.read_on(to_end=True)
    reader.stop()
    assert reader.read_on(to_end=True)
    (note,) = reader.take_notes()
    assert "bytes at the end of the output were not searched for stdout_metrics" in note


def test_so_many_matches_that_they_would_fill_the_disk_are_cut_and_told(paths: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdout_metrics, "SLOW_SECONDS", 60.0)  # a virtual machine's CPU time runs on while another one has its core
    reader = LogReader(paths, {"digit": r"(\d)"})
    append(paths, b"1" * 50_000 + b"\n")
    read_to_end(reader)
    assert len(found(paths)) == stdout_metrics.MATCHES_PER_LINE
    assert "more than 10000 times in one line" in reader.take_notes()[0]


def test_a_log_that_was_cut_short_is_read_from_its_beginning(paths: RunPaths) -> None:
    reader = LogReader(paths, {"a": r"a=(\d+)"})
    append(paths, b"a=1\na=2\n")
    read_all(reader)
    os.truncate(paths.log(0), 0)
    append(paths, b"a=3\n")
    read_to_end(reader)
    assert found(paths) == [("a", 1), ("a", 2), ("a", 3)]


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_something_else_in_the_log_s_place_is_told_and_nothing_is_waited_for(paths: RunPaths, tmp_path: Path, kind: str) -> None:
    reader = LogReader(paths, {"a": r"a=(\d+)"})
    (tmp_path / "secret").write_text("a=1\n")
    {"fifo": os.mkfifo, "folder": os.mkdir, "link": lambda at: os.symlink(tmp_path / "secret", at)}[kind](paths.log(0))
    assert reader.read_on(to_end=True)
    assert found(paths) == []
    assert "it is no regular file" in reader.take_notes()[0]


def test_a_log_that_is_not_there_yet_has_no_metrics(paths: RunPaths) -> None:
    reader = LogReader(paths, {"a": r"a=(\d+)"})
    reader.read_on()
    reader.read_on(to_end=True)
    assert found(paths) == []
