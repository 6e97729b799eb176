"""What keeps the index true to the run directories.

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

import math
import os
import time
from functools import partial

from trainconf import files
from trainconf.fast.sqlite import sqlite3
from trainconf.history import events, liveness
from trainconf.history.index import columns, database
from trainconf.history.index.rows import fingerprint, read_run, unread_row
from trainconf.paths import REMOVING, RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from trainconf.history.index.rows import ReadRun
    from trainconf.history.liveness import State
    from trainconf.paths import WorkspacePaths

    Step = tuple[str, Iterable[tuple[Any, ...]]] | Callable[[sqlite3.Connection], object]

BATCH = 500  # runs written at once: nobody else waits longer than that takes
UNTRUSTED = 0  # a signature's time that never matches
UNLISTED = (UNTRUSTED, -1)  # the signature of a folder that was found, and not listed yet
FORGET = "DELETE FROM runs WHERE folder = ?"
LIVING = "final = 0 AND status > ''"  # of which SQLite makes a search of the index `living`; of `!=` it makes a scan
UNREAD = database.INSERT_RUN.format("NULL")


class KeptIndex:
    """The runs in the index, brought up to date. `progress` is told how many runs of how many were read, where they are many.

    series_s: seconds after which no further whole series are read for one question; `unread` is how many runs have any left.
    `scheduled`: what schedulers say of living runs, by run directory, for whoever has asked them.
    """

    def __init__(
        self, workspace: WorkspacePaths, progress: Callable[[int, int], object] | None = None, *, series_s: float = math.inf
    ) -> None:
        self.workspace = workspace
        self.progress = progress
        self.series_s = series_s
        self.unread = 0
        self.scheduled: Mapping[str, State] = {}
        self._db: sqlite3.Connection | None = None
        self._done = self._expected = 0

    def expect(self, count: int) -> None:
        """So many runs more will be read."""
        self._expected += count

    def told(self, count: int) -> None:
        """So many were read."""
        self._done += count
        if self.progress is not None and self._done <= self._expected:
            self.progress(self._done, self._expected)

    def _select(self, query: str, values: Iterable[Any] = ()) -> list[Any]:
        assert self._db is not None
        return self._db.execute(query, tuple(values)).fetchall()

    def _write(self, *steps: Step) -> None:
        """Statements with the rows they are for, and what else is to be done to the database, in one transaction."""
        assert self._db is not None
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for step in steps:
                if isinstance(step, tuple):
                    self._db.executemany(*step)
                else:
                    step(self._db)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # not when it was interrupted just after the COMMIT
                self._db.execute("ROLLBACK")
            raise

    def _paths(self, folder: bytes) -> RunPaths:
        return RunPaths(os.path.join(self.workspace.runs, os.fsdecode(folder)))

    # -- keeping runs true -----------------------------------------------------------------------------------------------

    def _refresh(self, condition: str) -> None:
        rows = self._select(f"SELECT folder, status, seen, final FROM runs WHERE {condition}")
        self._read_in([row[0] for row in rows if not self._is_unchanged(*row)])

    def _refresh_shown(self, rows: list[tuple[bytes, str, str, int]]) -> bool:
        """Bring shown rows up to date, final ones included: files arrive later, and a folder is replaced under its name.

        Whether any of them had changed.
        """
        gone = [folder for folder, *_ in rows if not events.exists(self._paths(folder))]
        if gone:
            self._write((FORGET, [(folder,) for folder in gone]))
        there = set(gone)
        changed = [row[0] for row in rows if row[0] not in there and not self._is_unchanged(*row)]
        self._read_in(changed)
        return bool(gone or changed)

    def _is_unchanged(self, folder: bytes, status: str, seen: str, final: int) -> bool:
        """Whether a row still holds: the run's files are as they were, and so is its agent, if it had one."""
        paths = self._paths(folder)
        if not status:
            return not events.exists(paths) and os.path.isdir(paths.run_dir) and not paths.is_sweep
        if seen == "0" or seen != str(fingerprint(paths)):
            return False
        return bool(final) or status == "NotResponding" or files.is_locked(liveness.lock_of(paths))

    def _read_in(self, folders: list[bytes]) -> None:
        """Read runs from their directories into the index, a batch at a time; those that have gone are dropped."""
        for start in range(0, len(folders), BATCH):
            batch = folders[start : start + BATCH]
            query = f"SELECT folder, row FROM runs JOIN texts ON run = id WHERE folder IN ({','.join('?' * len(batch))})"
            known = dict(self._select(query, batch))
            there = [folder for folder in batch if os.path.isdir(self._paths(folder).run_dir)]
            runs = [self._read_run(folder, known.get(folder, "{}")) for folder in there]
            self._write(partial(database.replace, folders=batch, runs=runs))
            self.told(len(batch))

    def _read_run(self, folder: bytes, row: str) -> ReadRun:
        paths = self._paths(folder)
        return read_run(folder, paths, row, self.scheduled.get(paths.run_dir))

    def _read_series(self, ids: Sequence[int] | None = None) -> bool:
        """Read the whole series of some runs' metrics, or of all's: a row has only the last values. Whether there was any to read."""
        from trainconf.history.index import extremes  # which most lists have no need of

        query, marks = "SELECT id, folder FROM runs WHERE has_series = 0 AND status != ''", ",".join("?" * len(ids or ()))
        unread = self._select(query) if ids is None else self._select(f"{query} AND id IN ({marks})", ids)
        self.expect(len(unread))
        until = time.monotonic() + self.series_s
        self.unread = len(unread)
        while self.unread and time.monotonic() < until:
            facts = []
            for run, folder in unread[len(unread) - self.unread :][:BATCH]:
                facts.append((run, extremes.facts_of(self._paths(folder))))
                if time.monotonic() >= until:
                    break
            self.unread -= len(facts)
            marked = ("UPDATE runs SET has_series = 1 WHERE id = ?", [(run,) for run, _ in facts])
            self._write(partial(columns.store, runs=facts), marked)
            self.told(len(facts))
        return bool(unread)

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
        changed: list[tuple[bytes, tuple[int, int], list[bytes]]] = []
        for experiment in sorted(experiments):
            signature = _signature(os.path.join(self.workspace.runs, os.fsdecode(experiment)))
            if signature != known.get(experiment):
                changed.append((experiment, signature, self._differing(experiment)))
        self.expect(sum(len(folders) for _, _, folders in changed))
        for experiment, signature, folders in changed:
            self._read_in(folders)
            self._write(("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", [_settled(experiment, signature)]))

    def _differing(self, experiment: bytes) -> list[bytes]:
        """The runs of one experiment that are new, and those that have gone."""
        there = {experiment + b"/" + name for name in _subfolders(os.path.join(self.workspace.runs, os.fsdecode(experiment)))}
        known = {folder for folder, in self._select("SELECT folder FROM runs WHERE experiment = ?", (experiment,))}
        return sorted((there - known) | (known - there))

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
                batch = folders[start : start + BATCH]
                rows = [unread_row(folder, self._paths(folder)) for folder in batch]
                self._write((FORGET, [(folder,) for folder in batch]), (UNREAD, rows))
            seen.append((experiment, os.path.join(self.workspace.runs, os.fsdecode(experiment)), self._count(experiment) - before))
        signatures = [(path, *_moved_on(known.get(path), _signature(folder), added)) for path, folder, added in seen]
        self._write(("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", signatures))

    def _count(self, experiment: bytes) -> int:
        return int(self._select("SELECT count(*) FROM runs WHERE experiment = ?", (experiment,))[0][0])


def signature(workspace: WorkspacePaths, count: int) -> list[tuple[int, int]]:
    """What changes when a run comes or goes, of at most `count` experiments; of more it is never the same."""
    experiments = sorted(_subfolders(workspace.runs))
    if len(experiments) > count:
        return [(time.time_ns(), 0)]
    return [_signature(workspace.runs), *(_signature(os.path.join(workspace.runs, os.fsdecode(name))) for name in experiments)]


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
