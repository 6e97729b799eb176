"""The file of the index: its tables, how it is opened, and when a new one would help."""

from __future__ import annotations

import os
from itertools import count

from trainconf.fast.sqlite import sqlite3
from trainconf.history import liveness
from trainconf.history.index import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.history.index.rows import ReadRun

VERSION = 9

# Names are blobs: they may hold bytes that are not UTF-8. A pending folder has no status; a sweep's has none and is final.
SCHEMA = (
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, folder BLOB NOT NULL UNIQUE, experiment BLOB NOT NULL, run_id BLOB NOT NULL,"
    " created TEXT NOT NULL, status TEXT NOT NULL, final INTEGER NOT NULL, seen TEXT NOT NULL, spec_hash TEXT NOT NULL,"
    " archived INTEGER NOT NULL, has_series INTEGER NOT NULL)",
    "CREATE INDEX by_created ON runs (created, run_id)",
    "CREATE INDEX by_experiment ON runs (experiment, created, run_id)",
    "CREATE INDEX by_status ON runs (status, created, run_id)",
    "CREATE INDEX by_run_id ON runs (run_id)",
    "CREATE INDEX by_spec_hash ON runs (spec_hash)",
    "CREATE INDEX listed ON runs (archived, created, run_id) WHERE status != ''",  # a screen of a table, and how many runs it is of
    "CREATE INDEX living ON runs (status) WHERE final = 0",
    "CREATE TABLE texts (run INTEGER PRIMARY KEY, row TEXT NOT NULL)",  # on its own: whoever looks through all runs does not read it
    "CREATE TRIGGER forget AFTER DELETE ON runs BEGIN DELETE FROM texts WHERE run = old.id; END",
    *columns.SCHEMA,
    "CREATE TABLE folders (path BLOB PRIMARY KEY, mtime_ns INTEGER NOT NULL, subfolders INTEGER NOT NULL)",
    "CREATE TABLE boot (id TEXT NOT NULL)",
    f"PRAGMA user_version = {VERSION}",
)
UNRESERVED = b"/-_.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"  # in a URI (RFC 3986)
INSERT_RUN = "INSERT INTO runs VALUES ({}, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"


def replace(db: sqlite3.Connection, folders: Sequence[bytes], runs: Sequence[ReadRun]) -> None:
    """Forget what these folders were, and put the runs that they are now into all tables. Within a transaction.

    A run that was known keeps its number: somebody else may be at reading what has it.
    """
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()
    known = dict(db.execute(f"SELECT folder, id FROM runs WHERE folder IN ({','.join('?' * len(folders))})", folders))
    db.executemany("DELETE FROM runs WHERE folder = ?", [(folder,) for folder in folders])
    fresh = count(last + 1)
    numbered = [(known.get(run.columns[0]) or next(fresh), run) for run in runs]
    db.executemany(INSERT_RUN.format("?"), [(number, *run.columns) for number, run in numbered])
    db.executemany("INSERT INTO texts VALUES (?, ?)", [(number, run.text) for number, run in numbered if run.text])
    columns.store(db, [(number, run.facts) for number, run in numbered if run.facts])


def open_existing(path: str, busy_s: float) -> sqlite3.Connection:
    """The index at `path`, only to be read. Raises sqlite3.Error, also when there is none."""
    db = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", timeout=busy_s, isolation_level=None, uri=True)
    if db.execute("PRAGMA user_version").fetchone() != (VERSION,):
        db.close()
        raise sqlite3.DatabaseError("an index of another version")
    return db


def _quoted(path: str) -> str:
    """A path as a URI has it."""
    return "".join(chr(byte) if byte in UNRESERVED else f"%{byte:02X}" for byte in os.fsencode(path))


def open_index(path: str, busy_s: float) -> sqlite3.Connection:
    """The index at `path`, made when missing. Raises sqlite3.Error, DatabaseError itself when it is damaged or another version's."""
    db = sqlite3.connect(path, timeout=busy_s, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = OFF")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            _create(db)
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"index of version {version}")
        boot_id = liveness.boot_id()
        if db.execute("SELECT id FROM boot").fetchall() != [(boot_id,)]:
            db.execute("DELETE FROM folders")
            db.execute("DELETE FROM boot")
            db.execute("INSERT INTO boot VALUES (?)", (boot_id,))
    except BaseException:
        db.close()
        raise
    return db


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        if db.execute("PRAGMA user_version").fetchone() == (0,):  # nobody else was quicker
            for statement in SCHEMA:
                db.execute(statement)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def is_damage(error: Exception) -> bool:
    """Whether a new file would help: not when this one is only locked, read-only, or cannot be opened."""
    if isinstance(error, sqlite3.OperationalError):
        return str(error).startswith("no such")
    return isinstance(error, sqlite3.DatabaseError)


def remove(path: str) -> None:
    """Remove an index, as far as that can be: one that stays is opened, or passed by, as it is."""
    for name in (path, path + "-journal"):
        try:
            os.unlink(name)
        except OSError:
            continue  # not there, or not ours to remove
