"""An index over the runs of a workspace, so that listing the latest of 100,000 costs what listing ten does.

The run directories are the truth. This file may be deleted, damaged, read-only, locked or out of date at any time: it is then
rebuilt, or replaced for this one command by an index in memory, and the answer is the same. Jobs never touch it.
`keeping` has what keeps it true.
"""

from __future__ import annotations

import os

from trainconf import files
from trainconf.fast.sqlite import sqlite3
from trainconf.history import events
from trainconf.history.index import columns, database
from trainconf.history.index.keeping import BATCH, LIVING, KeptIndex
from trainconf.history.index.query import Asked, Query
from trainconf.history.index.rows import Row, read_run, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, TypeVar

    from trainconf.history.index.query import Group
    from trainconf.paths import RunPaths, WorkspacePaths

    Answer = TypeVar("Answer")

BUSY_S = 0.25
ADD_BUSY_S = 0.05  # a submission does not wait for the index: the folder's signature tells the next `ls`
LOOKS = 5  # at what is shown, until it stays the same


class Index(KeptIndex):
    """Questions about the runs of a workspace. A context manager; `close` when done."""

    busy_s = BUSY_S  # how long somebody else's writing is waited for

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def add(self, *runs: RunPaths) -> None:
        """Note runs that now exist, or whose record changed. Never fails: what it could not note, the next `ls` finds."""
        try:
            os.makedirs(self.workspace.state, exist_ok=True)
            self._db = database.open_index(self.workspace.index, ADD_BUSY_S)
            self._add(runs)
        except (OSError, sqlite3.Error):
            pass  # the directories are the truth; the index is only a shortcut to them
        finally:
            self.close()

    def latest(self, limit: int | None = None, *, experiment: str | None = None, status: str | None = None) -> list[Row]:
        """The newest runs first, at most `limit`, in their present state."""
        return list(self.each(Asked(limit=limit, experiment=experiment, status=status)))

    def each(self, asked: Asked) -> Iterator[Row]:
        """The runs that are asked for, in their present state and in the order that is asked for. Raises UserError for a wrong expression.

        They are found when this is called, and read as they are taken, a few at a time.
        """
        return self._rows(asked, self._ask(lambda: self._found(asked)))

    def count(self, asked: Asked) -> int:
        """How many runs are asked for, whatever the limit, as far as they were read. Raises UserError for a wrong expression."""
        return self._ask(lambda: self._counted(asked))

    def groups(self, asked: Asked) -> list[Group]:
        """The runs that are asked for, folded by sweep or experiment. Raises UserError for a wrong expression."""
        return self._ask(lambda: self._groups(asked))

    def names(self) -> list[str]:
        """Every name that can be asked for, as it was when the index was last brought up to date. None while there is no index."""
        try:
            self._db = database.open_existing(self.workspace.index, ADD_BUSY_S)
            return [name for (name,) in self._select("SELECT name FROM names ORDER BY id") if name[0] != "("]
        except (OSError, sqlite3.Error):
            return []

    def known(self) -> list[str]:
        """Every name that can be asked for, after a look at the disk."""
        return self._ask(lambda: [name for (name,) in self._select("SELECT name FROM names ORDER BY id") if name[0] != "("])

    def having(self, names: Sequence[str]) -> dict[str, int]:
        """How many runs have a value of each name."""
        return self._ask(lambda: self._having(names))

    def ids(self, prefix: str, limit: int) -> list[str]:
        """Ids of runs and sweeps that begin so, the newest first, likewise without a look at the disk."""
        try:
            self._db = database.open_existing(self.workspace.index, ADD_BUSY_S)
            start = os.fsencode(prefix)
            query = "SELECT run_id FROM runs WHERE run_id >= ? AND run_id < ? AND (status != '' OR final) ORDER BY created DESC LIMIT ?"
            return [os.fsdecode(run_id) for (run_id,) in self._select(query, (start, start + b"\xff" * 8, limit))]
        except (OSError, sqlite3.Error):
            return []

    def living(self) -> list[RunPaths]:
        """Runs that were not final when they were last looked at."""
        query = f"SELECT folder FROM runs WHERE {LIVING}"
        return self._ask(lambda: [self._paths(folder) for (folder,) in self._select(query)])

    def count_in(self, statuses: Sequence[str]) -> int:
        """How many runs are in one of these states, after a look at those that were not final."""
        query = f"SELECT count(*) FROM runs WHERE {LIVING} AND status IN ({','.join('?' * len(statuses))})"

        def counted() -> int:
            self._refresh(LIVING)
            return int(self._select(query, statuses)[0][0])

        return self._ask(counted)

    def starting_with(self, prefix: str, limit: int, but_not: str = "") -> list[RunPaths]:
        """Runs and sweeps whose id begins so, and not with `but_not`: at most `limit`, in the order of their ids."""
        return self._ask(lambda: self._starting_with(prefix, limit, but_not))

    def sweeps(self) -> list[RunPaths]:
        """Every sweep."""
        query = "SELECT folder FROM runs WHERE final = 1 AND status = ''"
        return self._ask(lambda: [self._paths(folder) for (folder,) in self._select(query)])

    def completed(self, spec_hash: str) -> RunPaths | None:
        """The newest completed run with this spec."""
        return self._ask(lambda: self._completed(spec_hash))

    def rebuild(self) -> int:
        """Forget everything and read every run directory again; how many runs there are."""
        database.remove(self.workspace.index)
        return self._ask(lambda: int(self._select("SELECT count(*) FROM runs WHERE status != ''")[0][0]))

    # -- opening ---------------------------------------------------------------------------------------------------------

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Answer from the index file, brought up to date; failing that, from a new one; failing that, from memory."""
        try:
            return self._attempt(self.workspace.index, question)
        except (sqlite3.Error, OSError) as error:
            if database.is_damage(error):
                database.remove(self.workspace.index)
                try:
                    return self._attempt(self.workspace.index, question)
                except (sqlite3.Error, OSError):
                    pass  # read-only, or somebody damages it as we go: memory cannot refuse
        return self._attempt(":memory:", question)

    def _attempt(self, path: str, question: Callable[[], Answer]) -> Answer:
        if not os.path.isdir(self.workspace.runs):
            path = ":memory:"  # nothing to index: leave nothing behind
        elif path != ":memory:":
            os.makedirs(self.workspace.state, exist_ok=True)
        self._open(path)
        self._refresh_folders()
        self._refresh("final = 0 AND status = ''")
        return question()

    def _open(self, path: str) -> None:
        self.close()
        self._db = database.open_index(path, self.busy_s)

    # -- questions -------------------------------------------------------------------------------------------------------

    def _query(self, asked: Asked) -> Query:
        assert self._db is not None
        query = Query(self._db, asked)
        if query.reads_series:
            self._read_series()
            query = Query(self._db, asked)  # a column may have come with them
        return query

    def _counted(self, asked: Asked) -> int:
        query = self._query(asked)
        return int(self._select(query.count, query.values)[0][0])

    def _found(self, asked: Asked) -> list[tuple[Any, ...]]:
        """The id, the folder and the columns of each run that is asked for, after those were read again that have changed."""
        if asked.is_narrowed or asked.columns or asked.archived:  # a run that was submitted, or labelled, is yet to be read
            self._refresh(LIVING)
        before: list[Any] = []
        for _ in range(LOOKS):
            query = self._query(asked)
            found = self._select(query.ids, query.values)
            runs = self._runs([run for run, *_ in found])
            shown = [row[:3] for row in runs.values()]
            if shown == before or not self._refresh_shown([(each[0], each[1], each[3], each[4]) for each in runs.values()]):
                break
            before = shown  # when some are gone, or have another state, others move up
        ids = [run for run, *_ in found] if query.shows_series else []
        for _ in range(LOOKS):  # whoever reads one of them again meanwhile takes its values away
            read = [self._read_series(ids[start : start + BATCH]) for start in range(0, len(ids), BATCH)]
            if not any(read):
                break
            query = self._query(asked)  # a column may have come with them
            found = self._select(query.ids, query.values)
            if self.unread:
                break
        return [(run, runs[run][0], *values) for run, *values in found if run in runs]

    def _runs(self, ids: list[int]) -> dict[int, list[Any]]:
        """Of each run: its folder, status, time, what was seen of it, and whether it is final; in order."""
        found: dict[int, list[Any]] = {}
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            query = f"SELECT id, folder, status, created, seen, final FROM runs WHERE id IN ({','.join('?' * len(batch))})"
            found.update({run: row for run, *row in self._select(query, batch)})
        return {run: found[run] for run in ids if run in found}

    def _rows(self, asked: Asked, found: list[tuple[Any, ...]]) -> Iterator[Row]:
        for start in range(0, len(found), BATCH):
            batch = found[start : start + BATCH]
            try:
                marks = ",".join("?" * len(batch))
                texts = dict(self._select(f"SELECT run, row FROM texts WHERE run IN ({marks})", [run for run, *_ in batch]))
            except sqlite3.Error:
                texts = {}
            for run, folder, *values in batch:
                row = self._row(self._paths(folder), folder, texts.get(run, ""))
                if row is not None:
                    row.values.update(zip(asked.columns, values, strict=True))
                    yield row

    def _row(self, paths: RunPaths, folder: bytes, text: str) -> Row | None:
        """A run from its row's text; from its directory where the text is damaged, None where there is no directory any more."""
        try:
            return unpack(paths, text)
        except sqlite3.DatabaseError:
            return unpack(paths, read_run(folder, paths).text) if events.exists(paths) else None

    def _having(self, names: Sequence[str]) -> dict[str, int]:
        numbers = {name: number for number, name in self._select("SELECT id, name FROM names")}
        blocks: dict[int, list[str]] = {}
        for name in names:
            blocks.setdefault(numbers[name] // columns.WIDTH, []).append(name)
        found: dict[str, int] = {}
        for block, inside in blocks.items():
            counts = ", ".join(f"count(c{numbers[name]})" for name in inside)
            found.update(zip(inside, self._select(f"SELECT {counts} FROM block{block}")[0], strict=True))
        return found

    def _groups(self, asked: Asked) -> list[Group]:
        self._refresh(LIVING)
        return self._query(asked).groups()

    def _starting_with(self, prefix: str, limit: int, but_not: str) -> list[RunPaths]:
        bounds = [bound for start in map(os.fsencode, (prefix, but_not or "/")) for bound in (start, start + b"\xff" * 8)]
        where = "run_id >= ? AND run_id < ? AND NOT (run_id >= ? AND run_id < ?) AND (status != '' OR final = 1)"  # a sweep has no status
        found = self._select(f"SELECT folder FROM runs WHERE {where} ORDER BY run_id LIMIT ?", (*bounds, limit))
        return [paths for (folder,) in found if events.exists(paths := self._paths(folder)) or paths.is_sweep]

    def _completed(self, spec_hash: str) -> RunPaths | None:
        self._refresh(LIVING)
        query = "SELECT folder FROM runs WHERE spec_hash = ? AND status = 'Completed' ORDER BY created DESC, run_id DESC"
        found = (self._paths(folder) for (folder,) in self._select(query, (spec_hash,)))
        return next((paths for paths in found if events.exists(paths)), None)


class StandingIndex(Index):
    """An index for whoever asks again and again, from one thread: its file stays open, and so does the one in memory where none can be."""

    busy_s = 2.0

    def __init__(self, workspace: WorkspacePaths, progress: Callable[[int, int], object] | None = None, *, series_s: float) -> None:
        super().__init__(workspace, progress, series_s=series_s)
        self._opened: dict[str, tuple[sqlite3.Connection, list[int]]] = {}  # by path, with what the file was
        self._counts: dict[Asked, int] = {}  # of all runs, as long as nobody writes to the index
        self._counted_at: object = None

    def close(self) -> None:
        """Let go of the files."""
        for db, _ in self._opened.values():
            db.close()
        self._opened.clear()
        self._db = None

    def _counted(self, asked: Asked) -> int:
        assert self._db is not None
        now = self._db, self._db.total_changes, self._select("PRAGMA data_version")
        if now != self._counted_at:
            self._counts.clear()
            self._counted_at = now
        if asked.is_narrowed:  # which may be by the time that it is
            return super()._counted(asked)
        if asked not in self._counts:
            self._counts[asked] = super()._counted(asked)
        return self._counts[asked]

    def _open(self, path: str) -> None:
        known = self._opened.get(path)
        if known is None or known[1] != files.fingerprint(path)[:2]:  # somebody else has removed or replaced the file
            if known is not None:
                known[0].close()
            self._opened.pop(path, None)
            db = database.open_index(path, self.busy_s)
            known = self._opened[path] = db, files.fingerprint(path)[:2]
        self._db = known[0]
