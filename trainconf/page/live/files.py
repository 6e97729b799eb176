"""What is new in files that grow: the points of a run, the log of a rank. Places are bytes, so a new stream goes on exactly there."""

from __future__ import annotations

import os
import time

from trainconf.control.curves.read import Attempts
from trainconf.control.curves.written import total_of
from trainconf.history import events, metrics
from trainconf.history.event_files import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trainconf.page.site import Site
    from trainconf.paths import RunPaths

    Push = Callable[[str, Any], None]

LOG_BYTES = 1 << 16  # of a log, in one event
LOG_BEHIND_BYTES = 1 << 20  # what is further behind is left out: the page asks for what it shows
POINTS_BEHIND_BYTES = 1 << 22  # what is further behind is not pushed: the page reads the curve again
EVENT_FILES_S = 1.0  # between two looks for event files, which may lie anywhere below ./logs


class Points:
    """The points of a run from a place on, which is the number of bytes that were read of all its files."""

    def __init__(self, site: Site, paths: RunPaths, cursor: int) -> None:
        self._site = site
        self._paths = paths
        self._asked = cursor
        self._cursor: metrics.Cursor | None = None
        self._seen: object = None
        self._attempts = Attempts(paths)
        self._events_seen: object = None
        self._next_look = 0.0
        self._next_steps: dict[str, int] = {}

    def look(self, push: Push) -> None:
        """Push the new points, or `reset` where the place is no place any more."""
        if self._cursor is None:
            self._cursor = self._site.places.cursor(self._paths, self._asked)
            if self._cursor is None:
                return self._reset(push)
        seen = [_seen(path) for path in metrics.files_of(self._paths)]
        is_due = time.monotonic() >= self._next_look
        if seen == self._seen and not is_due:
            return None
        self._seen = seen
        before = total_of(self._cursor.places)
        if self._is_replaced() or sum(each[0] for each in seen if each) - before > POINTS_BEHIND_BYTES:
            return self._reset(push)
        if is_due:
            self._next_look = time.monotonic() + EVENT_FILES_S
            entries = metrics.read_since(self._paths, self._cursor)
        else:
            entries = metrics.logged_since(self._paths, self._cursor)
        cursor = total_of(self._cursor.places)
        if cursor == before:
            return None
        self._site.places.remember(self._paths, self._cursor.places, self._cursor.logged)
        push("points", {"id": self._paths.run_id, "from": before, "cursor": cursor, "names": self._names(entries)})
        return None

    def _reset(self, push: Push) -> None:
        """The page reads the curve again, and asks for what comes after; here it goes on at the end of the files."""
        self._cursor = metrics.at_end(self._paths)
        self._next_steps.clear()
        self._site.places.remember(self._paths, self._cursor.places, self._cursor.logged)
        push("reset", {"topic": "points", "id": self._paths.run_id})

    def _is_replaced(self) -> bool:
        """Whether a file that was read is another one now, or shorter."""
        assert self._cursor is not None
        for name, place in self._cursor.places.items():
            seen = _seen(os.path.join(self._paths.run_dir, name)) if place and not scan.is_name(name) else None
            if place and not scan.is_name(name) and (seen is None or seen[2] != place[0] or seen[0] < place[1]):
                return True
        return False

    def _names(self, entries: list[dict[str, Any]]) -> dict[str, list[list[Any]]]:
        if (now := _seen(self._paths.events)) != self._events_seen:
            self._attempts, self._events_seen = Attempts(self._paths), now
        found: dict[str, list[list[Any]]] = {}
        for entry in entries:
            value, name = entry["value"], entry["name"]
            if not isinstance(value, (int, float)):
                continue
            seconds = events.seconds(entry.get("time"))
            step = entry.get("step")
            attempt = self._attempts.at(float("nan") if seconds is None else seconds)
            found.setdefault(name, []).append([step if isinstance(step, int) else None, seconds, metrics.as_float(value), attempt])
        for name, points in found.items():
            self._number(name, points)
        return found

    def _number(self, name: str, points: list[list[Any]]) -> None:
        """Give points without a step the one after the last."""
        missing = sum(point[0] is None for point in points)
        if missing and name not in self._next_steps:
            with self._site.points.of(self._paths) as written:
                series = written.series().get(name)
                self._next_steps[name] = 0 if series is None else max(0, series.next_step - missing)
        for point in points:
            if point[0] is None:
                point[0] = self._next_steps[name]
            if name in self._next_steps:
                self._next_steps[name] = point[0] + 1


class Log:
    """The log of a rank from a byte on."""

    def __init__(self, run_id: str, rank: str, path: str, at: int) -> None:
        self._names = {"id": run_id, "rank": rank}
        self._path = path
        self._at = at
        self._inode = 0

    def look(self, push: Push) -> None:
        """Push what is new, some of it at a time; `reset` when the file was cut short or replaced."""
        seen = _seen(self._path)
        if seen is None:
            return
        size, _, inode = seen
        if size < self._at or (self._inode and inode != self._inode):
            push("reset", {"topic": "log", **self._names})
            self._at = 0
        self._inode = inode
        if size <= self._at:
            return
        from trainconf.control.view.log import part

        if size - self._at > LOG_BEHIND_BYTES:
            self._at = part(self._path, size, LOG_BYTES).start
        data = _whole(part_from(self._path, self._at, LOG_BYTES))
        if data:
            start, self._at = self._at, self._at + len(data)
            push("log", {**self._names, "start": start, "end": self._at, "text": data.decode("utf-8", "replace")})


def part_from(path: str, start: int, count: int) -> bytes:
    """Bytes of a file from a place on; none where it has gone."""
    from trainconf import files

    try:
        fd = files.open_regular(path)
    except OSError:
        return b""
    try:
        return os.pread(fd, count, start)
    finally:
        os.close(fd)


def _whole(data: bytes) -> bytes:
    """Without a character at the end of which bytes are yet to come (UTF-8)."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        needed = 2 if byte & 0xE0 == 0xC0 else 3 if byte & 0xF0 == 0xE0 else 4 if byte & 0xF8 == 0xF0 else 1
        return data[:-back] if needed > back else data
    return data


def _seen(path: str) -> tuple[int, int, int] | None:
    """Size, time and inode of a file; None where there is none."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_size, info.st_mtime_ns, info.st_ino
