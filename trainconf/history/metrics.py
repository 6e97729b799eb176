"""The metrics of a run: which files hold them, the last value of each, and every new one, without reading anything twice.

    metrics.jsonl          what the processes of one machine append; the kernel keeps their lines whole
    metrics/<host>.jsonl   on a disk that several machines write to, one file for each: appending is not atomic there (open(2), O_APPEND)
    logs/**/*tfevents*     the scalars of TensorBoard's event files, which trainconf.history.event_files reads

A run has any of them. The files only grow: a cursor remembers how far each was read. What is logged to the first two counts: of a name
that is there, the values in event files are left out. A name that several folders of event files have is also told with its folder,
as `train/loss`.
"""

from __future__ import annotations

import os
from binascii import crc32

from trainconf import files
from trainconf.fast.json import loads
from trainconf.history import events
from trainconf.history.event_files import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterable
    from typing import Any, Protocol

    from trainconf.history.event_files.scan import EventFile
    from trainconf.paths import RunPaths

    class Judge(Protocol):
        """What tells the best value of one metric."""

        def better(self, *values: float | None) -> float | None: ...
        def of_values(self, values: Iterable[float]) -> float | None: ...
        def of_lines(self, lines: bytes) -> float | None: ...
        def is_of(self, name: str, folder: str) -> bool: ...

    Place = list[Any]  # in one file: its inode number, how far it was read, a checksum of what stands before that; see `scan`, too

SUFFIX = ".jsonl"
LARGEST_STEP = 2**63 - 1
NAME = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."  # what a file's name takes of a host's
CHUNK_BYTES = 1 << 19
LINE_BYTES = 1 << 20  # a longer line is no metric's: nothing of that file is read from there on
CHECKED_BYTES = 64
TWO_LINES_BYTES = 256  # which are decoded without `re`, which takes 4 ms to import
FEW_BYTES = 1 << 13  # whose lines are decoded from the last one on
MANY_NAMES = 64  # per chunk; above it, searching for each name costs more than decoding every line


class Cursor:
    """How far each file of a run's metrics was read, by the file's name; and which names were logged elsewhere than in event files."""

    __slots__ = ("logged", "places", "traced")

    def __init__(self, places: dict[str, Place] | None = None) -> None:
        self.places: dict[str, Place] = places or {}
        self.logged: set[str] = set()
        self.traced: set[str] = set()  # in event files in ./logs itself


class Summary:
    """The last value of each metric as far as a cursor has come: `last` has [time, value] by file and name.

    best: the best value of the metric that somebody judges by, by file.
    """

    __slots__ = ("best", "cursor", "last")

    def __init__(
        self, cursor: Cursor | None = None, last: dict[str, dict[str, Any]] | None = None, best: dict[str, float | None] | None = None
    ) -> None:
        self.cursor = cursor or Cursor()
        self.last: dict[str, dict[str, Any]] = last or {}
        self.best: dict[str, float | None] = best or {}

    @property
    def damage(self) -> list[str]:
        """What of the event files could not be read, in words."""
        return [*scan.damage(self.cursor.places)]

    @property
    def values(self) -> dict[str, Any]:
        """The last value per name. Of two machines that log one name, or two event files, it is the later one's."""
        logged = _latest(last for name, last in self.last.items() if not scan.is_name(name))
        traced = {name: last for name, last in self.last.items() if scan.is_name(name)}
        if not traced:
            return logged
        by_folder: dict[str, list[dict[str, Any]]] = {}
        for name, last in traced.items():
            by_folder.setdefault(scan.folder_of(name), []).append(last)
        values = _latest(traced.values())
        if len(by_folder) > 1:
            latest = {folder: _latest(lasts) for folder, lasts in by_folder.items()}
            names = [name for found in latest.values() for name in found]
            for folder, found in latest.items():
                values |= {f"{folder}/{name}": value for name, value in found.items() if folder and names.count(name) > 1}
            values |= latest.get("", {})  # what lies in ./logs itself has no other name
        return {**values, **logged}


def _latest(lasts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The latest value of each name, from [time, value] by name."""
    found: dict[str, Any] = {}
    for last in lasts:
        for name, (time, value) in last.items():
            if name not in found or str(time) >= str(found[name][0]):
                found[name] = time, value
    return {name: value for name, (_, value) in found.items()}


def file_of_this_machine(paths: RunPaths) -> str:
    """The file that processes of this machine append to; `trainconf.job_api` decides likewise, by TRAINCONF_METRICS."""
    if not os.path.isdir(paths.metrics_folder):
        return paths.metrics
    host = "".join(c if c in NAME else "_" for c in os.uname().nodename)
    return os.path.join(paths.metrics_folder, f"{host}{SUFFIX}")


def files_of(paths: RunPaths) -> list[str]:
    """The files there are, in an order that stays; open them with `files.open_regular`, for a job may have put anything there."""
    found = [paths.metrics] if os.path.lexists(paths.metrics) else []
    try:
        names = os.listdir(paths.metrics_folder)
    except OSError:
        return found
    return [*found, *(os.path.join(paths.metrics_folder, name) for name in sorted(names) if name.endswith(SUFFIX))]


def read_since(paths: RunPaths, cursor: Cursor) -> list[dict[str, Any]]:
    """Every metric written since the cursor's last use, which moves on: mappings with "name" and "value", and mostly "time" and "step".

    Those of event files have a "folder", too: theirs below ./logs. It stands before a name that is in ./logs itself as well. Of a file that
    was replaced everything counts as new.
    """
    found = logged_since(paths, cursor)

    def take(file: EventFile, name: str, steps: array[int], values: array[float], times: array[float]) -> None:
        if not file.folder:
            cursor.traced.add(name)
        if name not in cursor.logged:
            whole = f"{file.folder}/{name}" if file.folder and name in cursor.traced else name
            found.extend([
                {"time": events.text(time), "name": whole, "value": value, "step": step, "folder": file.folder}
                for step, value, time in zip(steps, values, times, strict=True)
            ])  # fmt: skip

    scan.read(paths, cursor.places, take, goes_on=True)
    return found


def logged_since(paths: RunPaths, cursor: Cursor) -> list[dict[str, Any]]:
    """The same without what event files have."""
    found: list[dict[str, Any]] = []
    for path in files_of(paths):
        name = os.path.relpath(path, paths.run_dir)
        place, _ = read_on(path, cursor.places.get(name), lambda lines: found.extend(filter(None, map(decode, lines.split(b"\n")))))
        cursor.places[name] = place
    cursor.logged.update([entry["name"] for entry in found])
    return found


def at_end(paths: RunPaths) -> Cursor:
    """A cursor from which on only what is yet to be written is read; nothing of what there is gets into memory."""
    cursor = Cursor()
    for path in files_of(paths):
        cursor.places[name_of(paths, path)], _ = read_on(path, None, lambda lines: cursor.logged.update(_last_values(lines)))

    def take(file: EventFile, name: str, steps: array[int], values: array[float], times: array[float]) -> None:
        if not file.folder:
            cursor.traced.add(name)

    scan.read(paths, cursor.places, take, goes_on=True)
    return cursor


def is_called(entry: dict[str, Any], name: str) -> bool:
    """Whether a metric is the one that somebody asks for, by its name alone or, of event files, with its folder before it."""
    return bool(entry["name"] == name or (entry.get("folder") and f"{entry['folder']}/{entry['name']}" == name))


def summarise(
    paths: RunPaths, known: Summary | None = None, event_files: list[EventFile] | None = None, judge: Judge | None = None
) -> Summary:
    """The last value per name, and the best one of the judge's. `event_files` saves looking for these.

    `known`, an earlier answer by the same judge, saves reading what it covers.
    """
    before, summary = known or Summary(), Summary()
    for path in files_of(paths):
        name = os.path.relpath(path, paths.run_dir)
        last: dict[str, Any] = {}
        best: list[float | None] = [None]

        def take(lines: bytes, last: dict[str, Any] = last, best: list[float | None] = best) -> None:
            last.update(_last_values(lines))
            if judge is not None:
                best[0] = judge.better(best[0], judge.of_lines(lines))

        summary.cursor.places[name], went_on = read_on(path, before.cursor.places.get(name), take)
        summary.last[name] = {**before.last.get(name, {}), **last} if went_on else last
        if judge is not None:
            summary.best[name] = judge.better(best[0], before.best.get(name)) if went_on else best[0]
    _summarise_event_files(paths, before, summary, event_files, judge)
    return summary


def read_from(path: str, take: Callable[[bytes], object], longest_line: int = LINE_BYTES) -> None:
    """Hand on all whole lines of a file, some megabytes at a time, without the newline at their end."""
    read_on(path, None, take, longest_line)


def _summarise_event_files(
    paths: RunPaths, before: Summary, summary: Summary, found: list[EventFile] | None, judge: Judge | None
) -> None:
    new: dict[str, dict[str, Any]] = {}
    best: dict[str, float | None] = {}

    def take(file: EventFile, name: str, steps: array[int], values: array[float], times: array[float]) -> None:
        new.setdefault(file.name, {})[name] = [events.text(times[-1]), values[-1]]
        if judge is not None and judge.is_of(name, file.folder):
            best[file.name] = judge.better(best.get(file.name), judge.of_values(values))

    places = {name: [*place] for name, place in before.cursor.places.items() if scan.is_name(name)}
    read_anew = scan.read(paths, places, take, found=found)
    summary.cursor.places |= places
    for name in places:
        kept = {} if name in read_anew else before.last.get(name, {})
        summary.last[name] = {**kept, **new.get(name, {})}
        if judge is not None:
            summary.best[name] = judge.better(best.get(name), None if name in read_anew else before.best.get(name))


def read_on(
    path: str, place: Place | None, take: Callable[[bytes], object], longest_line: int = LINE_BYTES
) -> tuple[Place, bool]:
    """Hand on the whole lines from a place in a file; the new place, and whether it went on from the old one.

    A last line without its newline is passed over, and read again once it has one.
    """
    try:
        fd = files.open_regular(path)
    except OSError:
        return [], False  # it has gone, or is none: what was read of it counts no more
    try:
        inode = os.fstat(fd).st_ino
        position = place[1] if place else 0
        went_on = place == [inode, position, _check(fd, position)]
        position = position if went_on else 0
        rest = b""
        while len(rest) < longest_line and (chunk := os.pread(fd, CHUNK_BYTES, position + len(rest))):
            lines, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                take(lines)
                position += len(lines) + 1
        return [inode, position, _check(fd, position)], went_on
    except OSError:
        return [], False
    finally:
        os.close(fd)


def place_at(path: str, position: int) -> Place | None:
    """The place at a byte of a file, as whoever has read so far knows it; None where no line ends there. Raises OSError."""
    fd = files.open_regular(path)
    try:
        if os.pread(fd, 1, position - 1) != b"\n":
            return None
        return [os.fstat(fd).st_ino, position, _check(fd, position)]
    finally:
        os.close(fd)


def name_of(paths: RunPaths, path: str) -> str:
    """What a cursor calls a file."""
    return os.path.relpath(path, paths.run_dir)


def _check(fd: int, position: int) -> int:
    """A checksum of what stands before a position, by which a file that was replaced or written anew is known."""
    start = max(0, position - CHECKED_BYTES)
    return crc32(os.pread(fd, position - start, start))


def _last_values(text: bytes) -> dict[str, Any]:
    """[time, value] of the last line of each name in a block of whole lines.

    The names are collected by one search at the speed of the regular expression engine; only the last line of each is decoded.
    Within JSON, `"name":"` with bare quotes can only be the key: in a string its quotes would be escaped.
    """
    if len(text) < TWO_LINES_BYTES:
        one_by_one: dict[str, Any] = {}
        for one in filter(None, map(decode, text.split(b"\n"))):
            one_by_one.pop(one["name"], None)  # names are in the order of their last lines
            one_by_one[one["name"]] = [one.get("time"), one["value"]]
        return one_by_one
    import re

    tokens = set(re.findall(rb'"name"\s*:\s*("(?:[^"\\\n]|\\.)*")', text))
    if len(tokens) > MANY_NAMES:
        entries = filter(None, map(decode, text.split(b"\n")))
        return {entry["name"]: [entry.get("time"), entry["value"]] for entry in entries}
    lines = text.split(b"\n") if len(text) < FEW_BYTES else []
    if lines:
        last: dict[str, Any] = {}
        for line in reversed(lines):
            entry = decode(line)
            if entry is not None and entry["name"] not in last:
                last[entry["name"]] = [entry.get("time"), entry["value"]]
                if len(last) == len(tokens):
                    break
        return dict(reversed(last.items()))
    found_at: list[tuple[int, dict[str, Any]]] = []
    for token in tokens:
        end = len(text)
        while (found := text.rfind(token, 0, end)) >= 0:
            start = text.rfind(b"\n", 0, found) + 1
            stop = text.find(b"\n", found)
            entry = decode(text[start : stop if stop >= 0 else len(text)])
            if entry is not None and entry["name"] == (loads(token) if b"\\" in token else token[1:-1].decode("utf-8", "surrogatepass")):
                found_at.append((found, entry))
                break
            end = start  # a torn line, or one that holds this text as a value: look further up
    found_at.sort(key=lambda place: place[0])  # one name can be spelt in two ways, with and without escapes
    return {entry["name"]: [entry.get("time"), entry["value"]] for _, entry in found_at}


def decode(line: bytes) -> dict[str, Any] | None:
    """What one line records; None when it is torn or foreign."""
    try:
        entry = loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or "value" not in entry:
        return None
    return None if isinstance(entry["value"], (dict, list)) else entry


def as_float(value: float) -> float:
    """A logged number; infinite for a whole one that is too large."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
