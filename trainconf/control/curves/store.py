"""The points of runs, kept in memory as long as there is room, and in `.trainconf/cache/` where they are many. Many threads may ask."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager

from trainconf.control.curves.buckets import smoothed
from trainconf.control.curves.written import Written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterator
    from typing import Any

    from trainconf.paths import RunPaths, WorkspacePaths

ROOM_BYTES = 1 << 23  # of points in memory
LONG, MOST_SMOOTHED = 50_000, 2  # points of a series that is remembered smoothed, and how many such are


class PointStore:
    """The points of the runs of a workspace. `reached` is told how far the files of a run were read, and which names were logged."""

    def __init__(self, workspace: WorkspacePaths, reached: Callable[[RunPaths, dict[str, Any], set[str]], object] | None = None) -> None:
        self._folder = workspace.cache
        self._reached = reached
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[Written, threading.Lock]] = OrderedDict()
        self._smoothed: OrderedDict[tuple[str, str, int, float], tuple[tuple[int, array[float]], array[float]]] = OrderedDict()

    @contextmanager
    def of(self, paths: RunPaths) -> Iterator[Written]:
        """The points of a run, up to date. They are this thread's alone until the block ends."""
        with self._lock:
            is_new = paths.run_dir not in self._kept
            written, own = self._kept.setdefault(paths.run_dir, (Written(paths), threading.Lock()))
            self._kept.move_to_end(paths.run_dir)
        with own:
            if is_new:
                written.load(self._folder)
            written.read_on()
            if self._reached is not None:
                self._reached(paths, written.places, written.logged())
            yield written
            is_worth_keeping = written.is_worth_keeping()
        if is_worth_keeping:  # nobody waits for the disk
            threading.Thread(target=self._keep, args=(written, own), name="keep points", daemon=True).start()
        else:
            self._make_room()

    def smooth(self, written: Written, name: str, begin: int, values: array[float], weight: float) -> array[float]:
        """A piece of a series, smoothed; of a long one it is remembered. Within `of`."""
        key = (written.paths.run_dir, name, begin, weight)
        found = self._smoothed.get(key)
        if found is None or found[0] != (len(values), values[-1:]):
            found = (len(values), values[-1:]), smoothed(values, weight)
            if len(values) >= LONG:
                with self._lock:
                    self._smoothed[key] = found
                    while len(self._smoothed) > MOST_SMOOTHED:
                        self._smoothed.popitem(last=False)
        return found[1]

    def _keep(self, written: Written, own: threading.Lock) -> None:
        with own:
            if written.is_worth_keeping():
                written.keep(self._folder)
        self._make_room()

    def _make_room(self) -> None:
        """Forget what was asked for longest ago. What was asked for last stays, however large, unless it can be had from the disk."""
        with self._lock:
            total = sum(written.bytes for written, _ in self._kept.values())
            for run, (written, _) in list(self._kept.items()):
                is_last = next(reversed(self._kept)) == run
                if total <= ROOM_BYTES or (is_last and not written.is_kept):
                    break
                total -= written.bytes
                del self._kept[run]
