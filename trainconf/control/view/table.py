"""One screen of a table of runs, for whoever asks again and again: found by a filter, sorted by any column, counted.

`control.history` answers one command; here the index stays open, a scheduler is asked in the background, and no question takes long.
All methods are to be called from one thread.
"""

from __future__ import annotations

import threading
import time

from trainconf.control import history
from trainconf.control.view import filter as filters
from trainconf.control.watch import RUNNING
from trainconf.fast.records import Record, replace
from trainconf.history.index.index import StandingIndex
from trainconf.history.index.query import Asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from trainconf.history.index.rows import Row
    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths, WorkspacePaths

SERIES_S = 0.3  # for which one question reads whole series; the next one goes on
SCHEDULER_S = 5.0  # between two questions to schedulers
KINDS = {"params": "param", "metrics": "metric", "tags": "tag", "properties": "fact"}


class Screen(Record):
    """Rows of the table. `total`: all runs; `matching`: those that the filter finds. unread: runs whose series are yet to be read.

    without: where nothing matches, how many runs would without one part of the filter. unknown: columns that no run has.
    """

    rows: list[Row]
    total: int
    matching: int
    unread: int = 0
    without: Sequence[tuple[str, int]] = ()
    unknown: Sequence[str] = ()


class Table:
    """The runs of a workspace."""

    def __init__(self, workspace: WorkspacePaths, progress: Callable[[int, int], object] | None = None) -> None:
        self._index = StandingIndex(workspace, progress, series_s=SERIES_S)
        self._scheduled = _Scheduled()

    def close(self) -> None:
        """Let go of the index."""
        self._index.close()

    def screen(
        self, text: str = "", *, sort: str = "", is_downwards: bool = True, columns: Sequence[str] = (), offset: int = 0, limit: int = 60,
        archived: bool = False,
    ) -> Screen:  # fmt: skip
        """The rows from `offset` on. Raises UserError for a wrong filter or a column to sort by that is none."""
        parts = filters.parse(text)
        known = self._known()
        there = [name for name in columns if _is_known(name, known)]
        order = ("-" if is_downwards else "") + sort if sort else ""
        asked = narrowed(Asked(limit, sort=order, columns=tuple(there), archived=archived, offset=offset), parts)
        self._scheduled.look(self._index.living())
        self._index.scheduled = self._scheduled.told
        self._index.unread = 0
        rows = list(self._index.each(asked))
        total = self._index.count(Asked(archived=archived))
        matching = self._index.count(asked) if parts else total
        without: list[tuple[str, int]] = []
        if parts and not matching and len(parts) > 1:
            without = [(left.typed, self._index.count(narrowed(asked, [part for part in parts if part is not left]))) for left in parts]
        unknown = [name for name in columns if name not in there]
        return Screen(rows, total, matching, self._index.unread, without, unknown)

    def columns(self, search: str = "", limit: int = 50) -> tuple[list[dict[str, Any]], int]:
        """What a column may show: its name, what it is, and how many runs have it; and how many more there are."""
        words = search.lower().split()
        names = [name for name in self._known() if all(word in name.lower() for word in words)]
        found = names[:limit]
        counts = self._index.having(found)
        return [{"name": name, "kind": _kind(name), "runs": counts[name]} for name in found], len(names) - len(found)

    def living(self) -> list[RunPaths]:
        """Runs that were not final when they were last looked at."""
        return self._index.living()

    def running(self) -> int:
        """How many runs go on."""
        return self._index.count_in(RUNNING)

    def _known(self) -> list[str]:
        return self._index.known()


class _Scheduled:
    """What schedulers say of living runs, asked in the background."""

    def __init__(self) -> None:
        self.told: dict[str, State] = {}  # by run directory
        self._asked = -SCHEDULER_S
        self._is_asking = threading.Lock()

    def look(self, living: list[RunPaths]) -> None:
        """Ask again, if the last answer is old; nobody waits for it."""
        if not living or time.monotonic() - self._asked < SCHEDULER_S or not self._is_asking.acquire(blocking=False):
            return
        self._asked = time.monotonic()
        threading.Thread(target=self._ask, args=(living,), name="scheduler", daemon=True).start()

    def _ask(self, living: list[RunPaths]) -> None:
        try:
            self.told = history.scheduled(living)
        finally:
            self._asked = time.monotonic()
            self._is_asking.release()


def narrowed(asked: Asked, parts: Sequence[filters.Part]) -> Asked:
    """The runs that are asked for, and for which all parts of a filter hold."""
    expressions = tuple(part.expression for part in parts if part.expression)
    return replace(asked, parts=expressions, words=tuple(part.word for part in parts if part.word))


def _is_known(name: str, known: Sequence[str]) -> bool:
    inner = name.removesuffix(")").partition("(")[2]
    return (inner or name) in known


def _kind(name: str) -> str:
    return KINDS.get(name.partition(".")[0], "fact") if "." in name else "fact"
