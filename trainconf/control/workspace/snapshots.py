"""Source trees as they were recorded: one is taken, found by the beginning of its id, or put back into a folder."""

from __future__ import annotations

from trainconf.errors import SnapshotError
from trainconf.limits import SNAPSHOT_MAX_FILES, SNAPSHOT_MAX_MB
from trainconf.reporter import SILENT, Reporter
from trainconf.snapshot import SnapshotStore
from trainconf.snapshot.store import Snapshot


def take(store: SnapshotStore, directory: str, reporter: Reporter = SILENT) -> Snapshot:
    """Record a folder, with the default guards against large trees and private keys. Raises SnapshotError, StorageError."""
    return store.take(directory, max_mb=SNAPSHOT_MAX_MB, max_files=SNAPSHOT_MAX_FILES, reporter=reporter)


def find(store: SnapshotStore, beginning: str) -> str:
    """The id of the one snapshot whose id begins so. Raises SnapshotError."""
    found = [info.id for info in store.ls() if info.id.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    what = "no snapshot's id begins" if not found else f"{len(found)} snapshots' ids begin"
    raise SnapshotError(f"{what} with {beginning!r}", hint="`trainconf snapshot ls` lists them")


def restore(store: SnapshotStore, beginning: str, folder: str) -> str:
    """Make `folder` hold a snapshot, whole or not at all; its id. Raises SnapshotError, StorageError for a folder that exists."""
    snapshot_id = find(store, beginning)
    store.materialize(snapshot_id, folder)
    return snapshot_id
