"""Metrics out of a log that grows: whole, in order, once, and in bounded memory."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from trainconf.agent.stdout_metrics import LINE_BYTES, LogReader
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
        reader.read_on()
    append(paths, b"a=1\na=2\n")
    reader.read_on(to_end=True)
    assert len(reader._rest) <= LINE_BYTES
    assert found(paths) == [("a", 2)]  # the first stands too far out in its line
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 16 << 20


def test_a_log_that_is_not_there_yet_has_no_metrics(paths: RunPaths) -> None:
    reader = LogReader(paths, {"a": r"a=(\d+)"})
    reader.read_on()
    reader.read_on(to_end=True)
    assert found(paths) == []
