"""An index over the runs of a workspace, so that listing the latest of 100,000 costs what listing ten does.

The run directories are the truth. This file may be deleted, damaged, read-only, locked or out of date at any time: it is then
rebuilt, or replaced for this one command by an index in memory, and the answer is the same. Jobs never touch it.

What keeps it true:
- A shown run, final or not, is read again when one of its files has changed; one whose directory has gone is dropped.
- A run that is not final is also looked at whenever runs are filtered by status. `add` notes only when it was made, and leaves the rest
  for then: a thousand trials are submitted more often than all of them are shown.
- A folder (`runs/`, `runs/<experiment>/`) whose signature differs from the one that was seen is listed again; runs that
  appeared without `add` are found so. `add` moves a signature on only when the count of subfolders proves that its own runs
  are all that was added; where the file system keeps no such count, the folder is listed again instead.
- A subfolder that is no run yet (half-made, or still being copied in) stays pending and is looked at each time.
- After a restart of the machine every folder is listed again, because nothing here is written with fsync.
"""

from __future__ import annotations

import os
import time

from trainconf import files
from trainconf.fast.sqlite import sqlite3
from trainconf.history import events, liveness
from trainconf.history.index import database
from trainconf.history.index.rows import fingerprint, read_row, unpack, unread_row
from trainconf.paths import REMOVING, RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    from trainconf.history.index.rows import Row
    from trainconf.paths import WorkspacePaths

    Answer = TypeVar("Answer")

BUSY_S = 0.25
ADD_BUSY_S = 0.05  # a submission does not wait for the index: the folder's signature tells the next `ls`
BATCH = 500  # runs written at once: nobody else waits longer than that takes
LOOKS = 5  # at what is shown, until it stays the same
UNTRUSTED = 0  # a signature's time that never matches
UNLISTED = (UNTRUSTED, -1)  # the signature of a folder that was found, and not listed yet


class Index:
    """Questions about the runs of a workspace. A context manager; `close` when done."""

    def __init__(self, workspace: WorkspacePaths) -> None:
        self.workspace = workspace
        self._db: sqlite3.Connection | None = None

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
        return self._ask(lambda: self._latest(limit, experiment, status))

    def living(self) -> list[RunPaths]:
        """Runs that were not final when they were last looked at."""
        query = "SELECT folder FROM runs WHERE final = 0 AND status != ''"
        return self._ask(lambda: [self._paths(folder) for (folder,) in self._select(query)])

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
        self.close()
        self._db = database.open_index(path, BUSY_S)
        self._refresh_folders()
        self._refresh("final = 0 AND status = ''")
        return question()

    def _select(self, query: str, values: Iterable[Any] = ()) -> list[Any]:
        assert self._db is not None
        return self._db.execute(query, tuple(values)).fetchall()

    def _write(self, *statements: tuple[str, Iterable[tuple[Any, ...]]]) -> None:
        """Statements with the rows they are for, in one transaction."""
        assert self._db is not None
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for statement, rows in statements:
                self._db.executemany(statement, rows)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # not when it was interrupted just after the COMMIT
                self._db.execute("ROLLBACK")
            raise

    # -- questions -------------------------------------------------------------------------------------------------------

    def _latest(self, limit: int | None, experiment: str | None, status: str | None) -> list[Row]:
        where = ["status != ''"]
        values: list[str | bytes] = []
        if status is not None:
            self._refresh("final = 0 AND status != ''")
            where, values = ["status = ?"], [status]
        if experiment is not None:
            where.append("experiment = ?")
            values.append(os.fsencode(experiment))
        shape = f"FROM runs WHERE {' AND '.join(where)} ORDER BY created DESC, run_id DESC LIMIT {-1 if limit is None else limit}"
        before: list[Any] = []
        for _ in range(LOOKS):
            shown = self._select(f"SELECT folder, status, created, seen, final {shape}", values)
            if [row[:3] for row in shown] == before:
                break
            self._refresh_shown([(folder, status, seen, final) for folder, status, _, seen, final in shown])
            before = [row[:3] for row in shown]  # when some are gone, or have another state, others move up
        return [unpack(self._paths(folder), text) for folder, text in self._select(f"SELECT folder, row {shape}", values)]

    def _starting_with(self, prefix: str, limit: int, but_not: str) -> list[RunPaths]:
        bounds = [bound for start in map(os.fsencode, (prefix, but_not or "/")) for bound in (start, start + b"\xff" * 8)]
        where = "run_id >= ? AND run_id < ? AND NOT (run_id >= ? AND run_id < ?) AND (status != '' OR final = 1)"  # a sweep has no status
        found = self._select(f"SELECT folder FROM runs WHERE {where} ORDER BY run_id LIMIT ?", (*bounds, limit))
        return [paths for (folder,) in found if events.exists(paths := self._paths(folder)) or os.path.exists(paths.sweep)]

    def _completed(self, spec_hash: str) -> RunPaths | None:
        self._refresh("final = 0 AND status != ''")
        query = "SELECT folder FROM runs WHERE spec_hash = ? AND status = 'Completed' ORDER BY created DESC, run_id DESC"
        found = (self._paths(folder) for (folder,) in self._select(query, (spec_hash,)))
        return next((paths for paths in found if events.exists(paths)), None)

    def _paths(self, folder: bytes) -> RunPaths:
        return RunPaths(os.path.join(self.workspace.runs, os.fsdecode(folder)))

    # -- keeping runs true -----------------------------------------------------------------------------------------------

    def _refresh(self, condition: str) -> None:
        rows = self._select(f"SELECT folder, status, seen, final FROM runs WHERE {condition}")
        self._read_in([row[0] for row in rows if not self._is_unchanged(*row)])

    def _refresh_shown(self, rows: list[tuple[bytes, str, str, int]]) -> None:
        """Bring shown rows up to date, final ones included: files arrive later, and a folder is replaced under its name."""
        gone = [folder for folder, *_ in rows if not events.exists(self._paths(folder))]
        if gone:
            self._write(("DELETE FROM runs WHERE folder = ?", [(folder,) for folder in gone]))
        there = set(gone)
        self._read_in([row[0] for row in rows if row[0] not in there and not self._is_unchanged(*row)])

    def _is_unchanged(self, folder: bytes, status: str, seen: str, final: int) -> bool:
        """Whether a row still holds: the run's files are as they were, and so is its agent, if it had one."""
        paths = self._paths(folder)
        if not status:
            return not events.exists(paths) and os.path.isdir(paths.run_dir) and not os.path.exists(paths.sweep)
        if seen == "0" or seen != str(fingerprint(paths)):
            return False
        return bool(final) or status == "NotResponding" or files.is_locked(liveness.lock_of(paths))

    def _read_in(self, folders: list[bytes]) -> None:
        """Read runs from their directories into the index, a batch at a time; those that have gone are dropped."""
        for start in range(0, len(folders), BATCH):
            batch = folders[start : start + BATCH]
            marks = ",".join("?" * len(batch))
            known = dict(self._select(f"SELECT folder, row FROM runs WHERE folder IN ({marks})", batch))
            there = [folder for folder in batch if os.path.isdir(self._paths(folder).run_dir)]
            rows = [read_row(folder, self._paths(folder), known.get(folder, "{}")) for folder in there]
            self._write(
                ("DELETE FROM runs WHERE folder = ?", [(folder,) for folder in batch]),
                ("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows),
            )

    # -- finding runs ----------------------------------------------------------------------------------------------------

    def _refresh_folders(self) -> None:
        """List again every folder that has changed since it was last seen."""
        known = {path: (mtime_ns, count) for path, mtime_ns, count in self._select("SELECT path, mtime_ns, subfolders FROM folders")}
        root = _signature(self.workspace.runs)
        experiments = {path for path in known if path}
        if root != known.get(b""):
            there = set(_subfolders(self.workspace.runs))
            gone = [(experiment,) for experiment, in self._select("SELECT DISTINCT experiment FROM runs") if experiment not in there]
            gone += [(experiment,) for experiment in experiments - there]
            self._write(
                ("DELETE FROM runs WHERE experiment = ?", gone),
                ("DELETE FROM folders WHERE path = ?", gone),
                # Known from here on and not listed yet: whoever is interrupted before that leaves it to the next.
                ("INSERT OR IGNORE INTO folders VALUES (?, ?, ?)", [(experiment, *UNLISTED) for experiment in there]),
                ("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", [_settled(b"", root)]),
            )
            experiments = there
        for experiment in sorted(experiments):
            signature = _signature(os.path.join(self.workspace.runs, os.fsdecode(experiment)))
            if signature != known.get(experiment):
                self._list(experiment, signature)

    def _list(self, experiment: bytes, signature: tuple[int, int]) -> None:
        """Take in the runs of one experiment that are new, drop those that have gone, and note what the folder looked like."""
        there = {experiment + b"/" + name for name in _subfolders(os.path.join(self.workspace.runs, os.fsdecode(experiment)))}
        known = {folder for folder, in self._select("SELECT folder FROM runs WHERE experiment = ?", (experiment,))}
        self._read_in(sorted((there - known) | (known - there)))
        self._write(("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", [_settled(experiment, signature)]))

    def _add(self, runs: Iterable[RunPaths]) -> None:
        by_experiment: dict[bytes, list[bytes]] = {}
        for paths in runs:
            experiment, run_id = os.fsencode(paths.run_dir).rsplit(b"/", 2)[1:]
            by_experiment.setdefault(experiment, []).append(experiment + b"/" + run_id)
        known = {path: (mtime_ns, count) for path, mtime_ns, count in self._select("SELECT path, mtime_ns, subfolders FROM folders")}
        seen = [(b"", self.workspace.runs, len(by_experiment.keys() - known.keys()))]
        for experiment, folders in by_experiment.items():
            before = self._count(experiment)
            for start in range(0, len(folders), BATCH):
                rows = [unread_row(folder, self._paths(folder)) for folder in folders[start : start + BATCH]]
                self._write(("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows))
            seen.append((experiment, os.path.join(self.workspace.runs, os.fsdecode(experiment)), self._count(experiment) - before))
        signatures = [(path, *_moved_on(known.get(path), _signature(folder), added)) for path, folder, added in seen]
        self._write(("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", signatures))

    def _count(self, experiment: bytes) -> int:
        return int(self._select("SELECT count(*) FROM runs WHERE experiment = ?", (experiment,))[0][0])


def _signature(folder: str) -> tuple[int, int]:
    """Time of the last change and the count of links: two and one per subfolder, or 1 where that is not counted."""
    try:
        info = os.stat(folder)
    except OSError:
        return UNTRUSTED, 0
    return info.st_mtime_ns, info.st_nlink


def _settled(path: bytes, signature: tuple[int, int]) -> tuple[bytes, int, int]:
    """A folder's row after it was listed; untrusted while a further change could leave the same time stamp."""
    mtime_ns, links = signature
    return path, mtime_ns if time.time_ns() - mtime_ns > files.RACY_NS else UNTRUSTED, links


def _moved_on(before: tuple[int, int] | None, now: tuple[int, int], added: int) -> tuple[int, int]:
    """The signature to remember after `added` known subfolders: `now` when they are all that came, else an untrusted one."""
    count = 2 if before is None else before[1]
    proven = now[1] >= 2 and now[1] == count + added and (before is None or before[0] != UNTRUSTED)
    return now if proven or now == before else (UNTRUSTED, now[1])


def _subfolders(folder: str) -> Iterator[bytes]:
    """Names of the folders in a folder; none when it cannot be read."""
    try:
        with os.scandir(os.fsencode(folder)) as entries:
            for entry in entries:
                if entry.is_dir() and not entry.name.endswith(os.fsencode(REMOVING)):
                    yield entry.name
    except OSError:
        return
