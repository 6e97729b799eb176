"""The points of a run in the order in which they were written, read on as its files grow: all but the newest of many are on the disk.

`series` answers what a run's curves are in the end: each step once. Here a step that goes back stays: it begins a new piece of a curve.
What is kept lies in `.trainconf/cache/`, never in the run: a file of points that only grows, and a file that says where in it they are.
They are worth nothing when they are damaged or old: the run's files are read again.
"""

from __future__ import annotations

import fcntl
import os
from array import array
from contextlib import suppress
from hashlib import sha256

from trainconf import files
from trainconf.control.curves.points import PointFile, Points, points_of
from trainconf.fast.json import loads
from trainconf.history import metrics
from trainconf.history.event_files import scan
from trainconf.history.series import LOGGED, Log, Series

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trainconf.history.event_files.scan import EventFile
    from trainconf.paths import RunPaths

POINT_BYTES = 24  # a step, a value and a time
BARE_BYTES = 1 << 12  # what a run takes of which there are no points
SPILLED_FROM = 1 << 11  # points of a run in memory; where it has many names, so many of each that a chunk is worth its place
CHUNK_POINTS = 64
HEAD_BYTES = 1 << 24
FORM = "trainconf points 3"


class Written:
    """All points of a run, as far as its files were read. One thread at a time may use it.

    folder: where its points may be kept; empty: nowhere. bytes: the memory that they take. version: it grows as points come.
    """

    def __init__(self, paths: RunPaths, folder: str = "") -> None:
        self.paths = paths
        self.places: dict[str, Any] = {}
        self._head = os.path.join(folder, f"points-{sha256(os.fsencode(paths.run_dir)).hexdigest()[:32]}") if folder else ""
        self._file: PointFile | None = None
        self._logs: dict[str, Log] = {}  # by file
        self._traced: dict[tuple[str, str], Points] = {}  # of event files, by name and folder
        self._kept_bytes = 0  # of the run's files, as far as what is kept leads
        self._held = 0  # points that came into memory since some were moved to the disk
        self._spilled_from = SPILLED_FROM
        self._is_loaded = False
        self.bytes = self.version = 0

    @property
    def total(self) -> int:
        """The bytes that were read of all files: a number that only grows, unless a file was cut short or replaced."""
        return total_of(self.places)

    @property
    def is_damaged(self) -> bool:
        """Whether the file of points lacks what was written to it: all of it is to be read again."""
        return self._file is not None and self._file.is_damaged

    def read_on(self) -> None:
        """Take in what is new. Never raises for what is in the run's files."""
        for path in metrics.files_of(self.paths):
            name = os.path.relpath(path, self.paths.run_dir)
            log = self._logs.setdefault(name, Log(None, Points))
            is_new = not log.found
            place, went_on = metrics.read_on(path, self.places.get(name), self._taking(log))
            if not went_on and not is_new:  # it was written anew, and all of it has been added to what it was before
                log = self._logs[name] = Log(None, Points)
                place, _ = metrics.read_on(path, None, self._taking(log))
            self.places[name] = place
        for gone in [name for name in self._logs if not self.places.get(name)]:
            del self._logs[gone], self.places[gone]
        self._read_event_files()
        self.bytes = BARE_BYTES + POINT_BYTES * sum(len(points.steps) for points in self._all())

    def series(self) -> dict[str, Points]:
        """The series by name, those that several machines write joined. What was logged counts more than what event files have of a name.

        A name that several folders of event files have is told with its folder: `train/loss`. Raises DamagedError.
        """
        found: dict[str, Points] = {}
        for log in self._logs.values():
            for name, points in _of(log).items():
                if len(points):
                    found[name] = _joined(found[name], points) if name in found else points
        folders: dict[str, list[Points]] = {}
        for (name, _), points in self._traced.items():
            folders.setdefault(name, []).append(points)
        logged = self.logged()
        for name, there in folders.items():
            for points in there:
                whole = name if len(there) == 1 or not points.folder else f"{points.folder}/{name}"
                if name not in logged:
                    found.setdefault(whole, points)
        return found

    def logged(self) -> set[str]:
        """The names that were logged elsewhere than in event files."""
        return {name for log in self._logs.values() for name in log.found}

    def _all(self) -> list[Points]:
        return [*(points for log in self._logs.values() for points in _of(log).values()), *self._traced.values()]

    def _taking(self, log: Log) -> Callable[[bytes], None]:
        def take(lines: bytes) -> None:
            log.take(lines)
            self._took(lines.count(b"\n") + 1)

        return take

    def _read_event_files(self) -> None:
        before = {name: place[:1] for name, place in self.places.items() if scan.is_name(name)}

        def take(file: EventFile, name: str, steps: array[int], values: array[float], times: array[float]) -> None:
            points = self._traced.get((name, file.folder))
            if points is None:
                points = self._traced[name, file.folder] = Points(name, scan.source_of(file.folder))
            points.extend(steps, values, times)
            self._took(len(steps))

        read_anew = scan.read(self.paths, self.places, take, goes_on=True)
        if before.keys() & read_anew or before.keys() - self.places.keys():  # replaced or gone: what was read of it is no more
            self._traced.clear()
            for name in before:
                self.places.pop(name, None)
            scan.read(self.paths, self.places, take, goes_on=True)

    # -- on the disk -----------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Begin with what was kept, if anything was, and nobody else is at adding to it. Once only."""
        if self._is_loaded or not self._head:
            return
        self._is_loaded = True
        try:
            with open(files.open_regular(self._head), "rb") as stream:
                head = loads(stream.read(HEAD_BYTES))
            if head["form"] != FORM or head["run"] != self.paths.run_dir:
                return
            path = os.path.join(os.path.dirname(self._head), os.path.basename(head["file"]))
            file = PointFile(files.open_regular(path, os.O_RDWR), path)
            fcntl.flock(file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if file.size < head["size"]:
                return  # it was cut short
            for name, source, log, *facts in head["series"]:
                self._put(log, _unpacked(name, source, file, *facts))
        except (OSError, ValueError, KeyError, TypeError):
            self._logs.clear()  # there is nothing, or something damaged
            self._traced.clear()
            return
        self.places, self._file = head["places"], file
        self._kept_bytes = self.total

    def keep(self) -> None:
        """Write down what leads to the points on the disk, where an eighth of the files is new since that was written last.

        Where the disk refuses, it is tried again when there is an eighth more.
        """
        if self._file is None or self.total - self._kept_bytes <= self._kept_bytes // 8:
            return
        self._spill()  # what leads to the points says how far the files were read
        self._kept_bytes = self.total
        if self._held:
            return
        named = [(points, file) for file, log in self._logs.items() for points in _of(log).values()]
        named += [(points, "") for points in self._traced.values()]
        head = {
            "form": FORM, "run": self.paths.run_dir, "places": self.places,
            "file": os.path.basename(self._file.path), "size": self._file.size,
            "series": [[points.name, points.source, file, *_packed(points)] for points, file in named],
        }  # fmt: skip
        with suppress(OSError):  # full or read-only: the run's files are all that is needed
            files.write_atomic(self._head, files.dumps(head).encode(), durable=False)

    def _took(self, count: int) -> None:
        self._held += count
        self.version += 1
        if self._held >= self._spilled_from:
            self._spill()

    def _spill(self) -> None:
        """Move what is in memory to the disk, where that can be and is much for each name."""
        held = self._all()
        self._spilled_from = max(SPILLED_FROM, CHUNK_POINTS * len(held))
        if not self._head:
            return
        try:
            self._file = self._file or self._new_file()
            for points in held:
                points.spill(self._file)
            self._held = 0
        except OSError:
            self._spilled_from = 2 * self._held  # full or read-only: until there are more, they stay in memory

    def _new_file(self) -> PointFile:
        """A file that nobody else has. Those of before go: whoever is at one still has it. Raises OSError."""
        folder, name = os.path.split(self._head)
        os.makedirs(folder, exist_ok=True)
        for each in os.listdir(folder):
            if each.startswith(f"{name}.") and not each.endswith(".tmp"):
                os.unlink(os.path.join(folder, each))
        path = f"{self._head}.{os.urandom(4).hex()}"
        file = PointFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), path)
        fcntl.flock(file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file

    def _put(self, log: str, points: Points) -> None:
        if points.source == LOGGED:
            self._logs.setdefault(log, Log(None, Points)).found[points.name] = points
        else:
            self._traced[points.name, points.folder] = points


def total_of(places: dict[str, Any]) -> int:
    """The bytes that were read, by the places of a cursor."""
    return sum(place[1] for place in places.values() if place)


def _of(log: Log) -> dict[str, Points]:
    """The series of a log, all of which are wanted."""
    return {name: points for name, points in log.found.items() if isinstance(points, Points)}


def _packed(points: Points) -> list[Any]:
    """What `_unpacked` makes points of that are all in a file."""
    return [
        [*points.offsets], [*points.ends], points.is_in_order, points.turns, points.last_step, points.lowest, points.highest, points.latest,
    ]  # fmt: skip


def _unpacked(
    name: str, source: str, file: PointFile, offsets: list[int], ends: list[int], is_in_order: bool, turns: list[int], *facts: Any
) -> Points:
    points = Points(name, source)
    points.file, points.offsets, points.ends = file, array("q", offsets), array("q", ends)
    points.is_in_order, points.turns = is_in_order is True, [*array("q", turns)]
    points.last_step, points.lowest, points.highest, points.latest = facts
    return points


def _joined(first: Points, second: Points) -> Points:
    """One series from those of two machines, each step once: who wrote first is not known of their lines."""
    joined = Series(first.name, first.source)
    for part in (first, second):
        whole = part.whole()
        joined.extend(whole.steps, whole.values, whole.times)
    joined.settle(by_time=True)
    return points_of(joined)
