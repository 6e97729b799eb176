"""The points of runs, the newest of each in memory as long as there is room, the others in `.trainconf/cache/`. Many threads may ask."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager

from trainconf.control.curves.written import Written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from typing import Any

    from trainconf.control.curves.buckets import Drawn
    from trainconf.control.curves.points import Points
    from trainconf.paths import RunPaths, WorkspacePaths

ROOM_BYTES = 1 << 23  # of points in memory
MOST_RUNS = 128  # each of which may have a file open
LONG, MOST_DRAWN = 50_000, 16  # points of a series whose curves are remembered, and how many such are


class PointStore:
    """The points of the runs of a workspace. `reached` is told how far the files of a run were read, and which names were logged."""

    def __init__(self, workspace: WorkspacePaths, reached: Callable[[RunPaths, dict[str, Any], set[str]], object] | None = None) -> None:
        self._folder = workspace.cache
        self._reached = reached
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[Written, threading.Lock]] = OrderedDict()
        self._drawn: OrderedDict[Hashable, tuple[Written, int, Drawn]] = OrderedDict()

    @contextmanager
    def of(self, paths: RunPaths) -> Iterator[Written]:
        """The points of a run, up to date. They are this thread's alone until the block ends."""
        with self._lock:
            written, own = self._kept.setdefault(paths.run_dir, (Written(paths, self._folder), threading.Lock()))
            self._kept.move_to_end(paths.run_dir)
        with own:
            written.load()
            try:
                written.read_on()
                if self._reached is not None:
                    self._reached(paths, written.places, written.logged())
                yield written
                written.keep()
            finally:
                if written.is_damaged:
                    self._forget(written)
        self._make_room()

    def drawn(self, written: Written, points: Points, question: Hashable, draw: Callable[[], Drawn]) -> Drawn:
        """What `draw` makes of a piece of a series; of a long one it is remembered until the run logs more. Within `of`."""
        if len(points) < LONG:
            return draw()
        key = written.paths.run_dir, points.name, points.source, question
        found = self._drawn.get(key)
        if found is None or found[0] is not written or found[1] != written.version:
            found = written, written.version, draw()
            with self._lock:
                self._drawn[key] = found
                self._drawn.move_to_end(key)
                while len(self._drawn) > MOST_DRAWN:
                    self._drawn.popitem(last=False)
        return found[2]

    def _forget(self, written: Written) -> None:
        with self._lock:
            self._kept.pop(written.paths.run_dir, None)

    def _make_room(self) -> None:
        """Forget what was asked for longest ago. What was asked for last stays, however large."""
        with self._lock:
            sizes = {run: written.bytes for run, (written, _) in self._kept.items()}
            total = sum(sizes.values())
            for run in [*sizes][:-1]:
                if total <= ROOM_BYTES and len(self._kept) <= MOST_RUNS:
                    break
                total -= sizes[run]
                del self._kept[run]
