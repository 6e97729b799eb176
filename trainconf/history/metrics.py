"""Reading metrics.jsonl: the last value of every metric, without decoding the lines that do not matter.

The file only grows, so a summary remembers how far it has read, and the next one goes on from there.
"""

from __future__ import annotations

import json
import os

from trainconf import files
from trainconf.history import metric_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import RunPaths

CHUNK_BYTES = 1 << 22
MANY_NAMES = 64  # per chunk; above it, searching for each name costs more than decoding every line


class Summary:
    """The last value of each metric in the first `offset` bytes of the file with that inode number."""

    __slots__ = ("inode", "offset", "values")

    def __init__(self, inode: int = 0, offset: int = 0, values: dict[str, Any] | None = None) -> None:
        self.inode = inode
        self.offset = offset
        self.values: dict[str, Any] = values or {}


def summarise(paths: RunPaths, known: Summary | None = None) -> Summary:
    """The last value per name. `known`, an earlier answer, saves reading what it covers; another or shorter file is read anew."""
    found = _summarise_file(paths.metrics, known)
    others = [path for path in metric_files.of_run(paths) if path != paths.metrics]
    for path in sorted(others, key=_written):  # of two machines that log one name, the one that has written last
        found.values.update(_summarise_file(path, None).values)
    return found


def _written(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0


def _summarise_file(path: str, known: Summary | None) -> Summary:
    try:
        fd = files.open_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return Summary()
    try:
        info = os.fstat(fd)
        if known is None or known.inode != info.st_ino or known.offset > info.st_size:
            known = Summary(info.st_ino)
        return _read_on(fd, Summary(known.inode, known.offset, dict(known.values)))
    finally:
        os.close(fd)


def _read_on(fd: int, summary: Summary) -> Summary:
    """Read to the end. A last line without its newline is passed over, and read again once it has one."""
    rest = b""
    position = summary.offset
    while chunk := os.pread(fd, CHUNK_BYTES, position):
        position += len(chunk)
        lines, newline, tail = (rest + chunk).rpartition(b"\n")
        rest = tail
        if newline:
            summary.values.update(_last_values(lines))
    summary.offset = position - len(rest)
    return summary


def _last_values(text: bytes) -> dict[str, Any]:
    """The last value of each name in a block of whole lines.

    The names are collected by one search at the speed of the regular expression engine; only the last line of each is decoded.
    Within JSON, `"name":"` with bare quotes can only be the key: in a string its quotes would be escaped.
    """
    import re

    tokens = set(re.findall(rb'"name"\s*:\s*("(?:[^"\\\n]|\\.)*")', text))
    if len(tokens) > MANY_NAMES:
        return {name: value for line in text.split(b"\n") for name, value in _decode(line).items()}
    found_at: list[tuple[int, dict[str, Any]]] = []
    for token in tokens:
        end = len(text)
        while (found := text.rfind(token, 0, end)) >= 0:
            start = text.rfind(b"\n", 0, found) + 1
            stop = text.find(b"\n", found)
            pair = _decode(text[start : stop if stop >= 0 else len(text)])
            if pair and next(iter(pair)) == json.loads(token):
                found_at.append((found, pair))
                break
            end = start  # a torn line, or one that holds this text as a value: look further up
    found_at.sort(key=lambda place: place[0])  # one name can be spelt in two ways, with and without escapes
    return {name: value for _, pair in found_at for name, value in pair.items()}


def _decode(line: bytes) -> dict[str, Any]:
    """`{name: value}` of one line; empty when the line is torn or foreign."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    if isinstance(entry, dict) and isinstance(entry.get("name"), str) and "value" in entry:
        return {entry["name"]: entry["value"]}
    return {}
