"""The points of a run in the order in which they were written, read on as its files grow, and kept on the disk where there are many.

`series` answers what a run's curves are in the end: each step once. Here a step that goes back stays: it begins a new piece of a curve.
What is kept lies in `.trainconf/cache/`, never in the run, and is worth nothing when it is damaged or old: the files are read again.
"""

from __future__ import annotations

import os
from array import array
from hashlib import sha256
from itertools import chain

from trainconf import files
from trainconf.fast.json import loads
from trainconf.history import metrics
from trainconf.history.event_files import scan
from trainconf.history.series import LOGGED, Log, Series

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.history.event_files.scan import EventFile
    from trainconf.paths import RunPaths

POINT_BYTES = 24  # a step, a value and a time
KEPT_FROM_BYTES = 1 << 20  # of files: below, reading them again takes no longer than what they are kept in
HEAD_BYTES = 1 << 24
FORM = "trainconf points 2"


class Written:
    """All points of a run, as far as its files were read. One thread at a time may use it.

    is_kept: whether they are on the disk, but for the newest ones. bytes: the memory that they take.
    """

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self.places: dict[str, Any] = {}
        self._logs: dict[str, Log] = {}  # by file
        self._traced: dict[tuple[str, str], Series] = {}  # of event files, by name and folder
        self._kept_bytes = 0
        self.is_kept = False
        self.bytes = 0

    @property
    def total(self) -> int:
        """The bytes that were read of all files: a number that only grows, unless a file was cut short or replaced."""
        return total_of(self.places)

    def read_on(self) -> None:
        """Take in what is new. Never raises for what is in the run's files."""
        for path in metrics.files_of(self.paths):
            name = os.path.relpath(path, self.paths.run_dir)
            new = Log(None)
            log = self._logs.get(name, new)
            place, went_on = metrics.read_on(path, self.places.get(name), log.take)
            if not went_on and log is not new:  # it was written anew, and all of it has been added to what it was before
                log = new
                place, _ = metrics.read_on(path, None, log.take)
            self.places[name], self._logs[name] = place, log
        for gone in [name for name in self._logs if not self.places.get(name)]:
            del self._logs[gone], self.places[gone]
        self._read_event_files()
        self.bytes = POINT_BYTES * sum(len(series) for series in self._all())

    def series(self) -> dict[str, Series]:
        """The series by name, those that several machines write joined. What was logged counts more than what event files have of a name.

        A name that several folders of event files have is told with its folder: `train/loss`.
        """
        found: dict[str, Series] = {}
        for log in self._logs.values():
            for name, series in log.found.items():
                if series is not None and len(series):
                    found[name] = _joined(found[name], series) if name in found else series
        folders: dict[str, list[Series]] = {}
        for (name, _), series in self._traced.items():
            folders.setdefault(name, []).append(series)
        for name, there in folders.items():
            for series in there:
                whole = name if len(there) == 1 or not series.folder else f"{series.folder}/{name}"
                if name not in self.logged():
                    found.setdefault(whole, series)
        return found

    def logged(self) -> set[str]:
        """The names that were logged elsewhere than in event files."""
        return {name for log in self._logs.values() for name in log.found}

    def _all(self) -> list[Series]:
        return [*(each for log in self._logs.values() for each in log.found.values() if each is not None), *self._traced.values()]

    def _read_event_files(self) -> None:
        before = {name: place[:1] for name, place in self.places.items() if scan.is_name(name)}

        def take(file: EventFile, name: str, steps: array[int], values: array[float], times: array[float]) -> None:
            series = self._traced.get((name, file.folder))
            if series is None:
                series = self._traced[name, file.folder] = Series(name, scan.source_of(file.folder))
            series.extend(steps, values, times)

        read_anew = scan.read(self.paths, self.places, take, goes_on=True)
        if before.keys() & read_anew or before.keys() - self.places.keys():  # replaced or gone: what was read of it is no more
            self._traced.clear()
            for name in before:
                self.places.pop(name, None)
            scan.read(self.paths, self.places, take, goes_on=True)

    # -- on the disk -----------------------------------------------------------------------------------------------------

    def load(self, folder: str) -> None:
        """Begin with what was kept in a folder, if anything was."""
        try:
            with open(files.open_regular(_kept_file(folder, self.paths)), "rb") as stream:
                head = loads(stream.readline(HEAD_BYTES))
                if head["form"] != FORM or head["run"] != self.paths.run_dir:
                    return
                for name, source, file, count, is_in_order in head["series"]:
                    series = Series(name, source)
                    for column in (series.steps, series.values, series.times):
                        column.fromfile(stream, count)
                    series.is_in_order = is_in_order is True
                    self._put(file, series)
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            self._logs.clear()  # there is nothing, or something damaged
            self._traced.clear()
            return
        self.places = head["places"]
        self._kept_bytes, self.is_kept = self.total, True

    def is_worth_keeping(self) -> bool:
        """Whether the files are large, and an eighth of them is new since they were kept last."""
        return self.total >= KEPT_FROM_BYTES and self.total - self._kept_bytes > self._kept_bytes // 8

    def keep(self, folder: str) -> None:
        """Write all of it to a folder. Where the disk refuses, it is tried again when there is an eighth more."""
        named = [(series, file) for file, log in self._logs.items() for series in log.found.values() if series is not None]
        named += [(series, "") for series in self._traced.values()]
        head = {
            "form": FORM, "run": self.paths.run_dir, "places": self.places,
            "series": [[series.name, series.source, file, len(series), series.is_in_order] for series, file in named],
        }  # fmt: skip
        self._kept_bytes, self.is_kept = self.total, False
        columns = [column for series, _ in named for column in (series.steps, series.values, series.times)]
        parts: Iterator[bytes | memoryview] = (memoryview(column).cast("B") for column in columns if column)
        blocks = chain([files.dumps(head).encode() + b"\n"], parts)
        try:
            os.makedirs(folder, exist_ok=True)
            files.write_atomic(_kept_file(folder, self.paths), blocks, durable=False)
            self.is_kept = True
        except OSError:
            return  # full or read-only: the run's files are all that is needed

    def _put(self, file: str, series: Series) -> None:
        if series.source == LOGGED:
            self._logs.setdefault(file, Log(None)).found[series.name] = series
        else:
            self._traced[series.name, series.folder] = series


def total_of(places: dict[str, Any]) -> int:
    """The bytes that were read, by the places of a cursor."""
    return sum(place[1] for place in places.values() if place)


def _kept_file(folder: str, paths: RunPaths) -> str:
    return os.path.join(folder, f"points-{sha256(os.fsencode(paths.run_dir)).hexdigest()[:32]}")


def _joined(first: Series, second: Series) -> Series:
    """One series from those of two machines, each step once: who wrote first is not known of their lines."""
    joined = Series(first.name, first.source)
    for part in (first, second):
        joined.extend(part.steps, part.values, part.times)
    joined.settle(by_time=True)
    return joined
