"""Where a number of bytes, which is all that a page knows, leads to in the files of a run."""

from __future__ import annotations

import threading
from collections import OrderedDict
from copy import deepcopy

from trainconf.control.curves.written import total_of
from trainconf.history import metrics
from trainconf.history.event_files import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from trainconf.paths import RunPaths

MOST = 2000


class Places:
    """The places that were reached lately, by run and number of bytes. Of a run with one file of metrics the number is the place."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int], tuple[dict[str, Any], frozenset[str]]] = OrderedDict()

    def remember(self, paths: RunPaths, places: dict[str, Any], logged: Iterable[str]) -> None:
        """Some files were read so far."""
        if len(places) < 2:
            return
        key = paths.run_dir, total_of(places)
        with self._lock:
            self._known[key] = deepcopy(places), frozenset(logged)
            self._known.move_to_end(key)
            while len(self._known) > MOST:
                self._known.popitem(last=False)

    def cursor(self, paths: RunPaths, total: int) -> metrics.Cursor | None:
        """A cursor from which on to read; None where nobody knows the place any more."""
        known = self._known.get((paths.run_dir, total))
        if known is not None:
            cursor = metrics.Cursor(deepcopy(known[0]))
            cursor.logged |= known[1]
            return cursor
        if total == 0:
            return metrics.Cursor()
        found = metrics.files_of(paths)
        if len(found) != 1 or scan.files_of(paths):
            return None
        place = metrics.place_at(found[0], total)
        return None if place is None else metrics.Cursor({metrics.name_of(paths, found[0]): place})
