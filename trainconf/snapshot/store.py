"""The snapshot store: source trees by their content, shared by every run of a workspace.

This module calls the others in order. It must be cheap to import: what an unchanged tree does not need is imported when needed.
"""

from __future__ import annotations

import os

from trainconf.errors import SnapshotError, StorageError
from trainconf.fast.records import Record
from trainconf.reporter import SILENT
from trainconf.snapshot.blobs.layout import StoreLayout, unnoticed
from trainconf.snapshot.tree.stat_cache import StatCache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from trainconf.reporter import Reporter
    from trainconf.snapshot.blobs.collect import GcResult
    from trainconf.snapshot.blobs.manifest import Entry, SnapshotDiff
    from trainconf.snapshot.blobs.opened import OpenSnapshot
    from trainconf.snapshot.blobs.packs import DamagedError
    from trainconf.snapshot.blobs.pins import Pin
    from trainconf.snapshot.blobs.reader import SnapshotReader

UNUSED_S = 3600.0  # a snapshot that no run holds may belong to a submission that is being prepared


class Snapshot(Record):
    """A source tree as it was taken. `leaving_links` point out of the tree; `skipped` are sockets, pipes and devices."""

    id: str
    file_count: int
    size_bytes: int
    leaving_links: list[str]
    skipped: list[str]


class SnapshotInfo(Record):
    """A stored snapshot in a list. `created` is in seconds since the epoch."""

    id: str
    created: float
    file_count: int
    size_bytes: int


class SnapshotStore:
    """Takes, keeps and gives back source trees. Any number of processes may use one store at once, and killing one does no harm."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._store = StoreLayout(root)

    def take(
        self, source_directory: str, *, max_mb: float, max_files: int, allow_keys: Sequence[str] = (), reporter: Reporter = SILENT
    ) -> Snapshot:
        """Record the tree as it is now, without files whose first line says that they are frozen runs.

        Raises SnapshotError (missing, too large, keys, unreadable, restless) and StorageError.
        """
        source = source_path(source_directory)
        allowed = tuple(allow_keys)
        store = self._store
        self._create()
        with store.locked():  # OSErrors of the source are SnapshotErrors by then
            cache = StatCache.load(store.stat_cache(source), source)
            is_same = cache and cache.allow_keys == allowed and cache.fits(max_mb, max_files) and cache.is_current()
            if cache and is_same and store.touch(cache.summary[0]):
                return Snapshot(*cache.summary)
            from trainconf.snapshot.tree.taking import take

            with reporter.wait(f"recording {source_directory}", is_told_often=True) as wait:
                snapshot = Snapshot(*take(store, source, cache, allowed, max_mb=max_mb, max_files=max_files, wait=wait))
        self._tidy()
        return snapshot

    def materialize(self, snapshot_id: str, dest: str) -> None:
        """Make the folder `dest` hold the snapshot, whole or not at all.

        Raises SnapshotError (no such snapshot) and StorageError (dest exists, disk full, damaged store).
        """
        with self.opened(snapshot_id) as snapshot:
            snapshot.materialize(dest)

    def opened(self, snapshot_id: str) -> OpenSnapshot:
        """The snapshot, to make one folder or thousands of it. `gc` waits until it is closed. Raises as `materialize` does."""
        from trainconf.snapshot.blobs.opened import OpenSnapshot

        return OpenSnapshot(self._store, snapshot_id, self._damaged)

    def exists(self, snapshot_id: str) -> bool:
        return snapshot_id in self._store.ids()

    def ls(self) -> list[SnapshotInfo]:
        """Every stored snapshot, newest first."""
        from trainconf.snapshot.blobs.manifest import ManifestError, parse_header

        found = []
        for id_ in self._store.ids():
            try:
                with open(self._store.manifest(id_), "rb", opener=unnoticed) as stream:
                    count, size = parse_header(stream.read(200))
                    found.append(SnapshotInfo(id_, os.fstat(stream.fileno()).st_mtime, count, size))
            except FileNotFoundError:
                continue  # collected since it was listed
            except ManifestError as error:
                raise StorageError(f"the manifest of snapshot {id_} is damaged", ("path", self._store.manifest(id_))) from error
        return sorted(found, key=lambda info: (-info.created, info.id))

    def show(self, snapshot_id: str) -> list[Entry]:
        """The entries of a snapshot, sorted by path. Raises SnapshotError, StorageError."""
        from trainconf.snapshot.blobs.manifest import entries

        return entries(self._store.read_manifest(snapshot_id))

    def read(self, snapshot_id: str, file: Entry) -> bytes:
        """The content of one file of a snapshot, as `show` names it. Raises SnapshotError, StorageError."""
        with self.reader(snapshot_id) as reader:
            return reader.read(file)

    def reader(self, snapshot_id: str) -> SnapshotReader:
        """The snapshot, to read many of its files and to compare it. `gc` waits until it is closed. Raises SnapshotError, StorageError."""
        from trainconf.snapshot.blobs.reader import SnapshotReader

        return SnapshotReader(self._store, snapshot_id, self._damaged)

    def diff(self, a: str, b: str) -> SnapshotDiff:
        """The difference from `a` to `b`. Raises SnapshotError, StorageError."""
        from trainconf.snapshot.blobs.manifest import compare

        return compare(self._store.read_manifest(a), self._store.read_manifest(b))

    def verify(self, snapshot_id: str) -> list[str]:
        """Read every byte of a snapshot; return the paths whose content is missing or damaged. Raises SnapshotError, StorageError."""
        from trainconf.snapshot.blobs.manifest import blobs
        from trainconf.snapshot.blobs.packs import DamagedError, PackReader

        bad = []
        with self._store.locked(), PackReader(self._store.packs, self._store.packs.index()) as reader:
            for digest, path in blobs(self._store.read_manifest(snapshot_id)):
                try:
                    for _ in reader.chunks(digest):
                        pass
                except DamagedError as error:
                    self._distrust(error)
                    bad.append(os.fsdecode(path))
        return bad

    def unneeded(self, keep: Collection[str], *, unused_s: float = UNUSED_S, but_for: Collection[Pin] = ()) -> list[str]:
        """The snapshots that `gc` would remove now if those pins were dropped. Removes nothing. Raises StorageError."""
        from trainconf.snapshot.blobs.collect import unneeded

        try:
            return unneeded(self._store, keep, unused_s, {pin.name for pin in but_for})
        except OSError as error:
            raise StorageError.from_os_error(error, "the snapshot store cannot be read") from error

    def pin(self, snapshot_id: str, file: str, file_hash: str) -> Pin:
        """Keep a snapshot for the frozen file at a path; `file` is empty for one that was written to a pipe.

        Raises SnapshotError when it was collected meanwhile, StorageError.
        """
        from trainconf.snapshot.blobs.pins import write

        self._create()
        with self._store.locked("the snapshot cannot be pinned for the frozen file"):  # `gc` reads the pins with the store to itself
            self._store.read_manifest(snapshot_id)
            return write(self._store, [snapshot_id], file, file_hash)

    def pins(self) -> list[Pin]:
        """Every pin, oldest first. Raises StorageError."""
        from trainconf.snapshot.blobs.pins import read

        return read(self._store)

    def unpin(self, pin: Pin) -> None:
        """Drop a pin, so that `gc` may remove what only this pin kept. Raises StorageError."""
        from trainconf.snapshot.blobs.pins import remove

        remove(self._store, pin)

    def gc(self, keep: Callable[[], Collection[str]], *, unused_s: float = UNUSED_S) -> GcResult:
        """Remove every snapshot that is neither pinned nor kept, and was not taken or materialised in the last `unused_s` seconds.

        Waits until nobody takes or materialises, and only then calls `keep`. Raises StorageError; the snapshots that stay are whole.
        """
        from trainconf.snapshot.blobs.collect import collect

        self._create()
        with self._store.locked("the snapshot store cannot be cleaned", alone=True):
            return collect(self._store, keep(), unused_s)

    def _create(self) -> None:
        """Make the store's folders. In a store of an older trainconf also a pin for everything in it. Raises StorageError."""
        if not os.path.isdir(self._store.pins):
            from trainconf.snapshot.blobs.pins import begin

            try:
                begin(self._store)
            except OSError as error:
                raise StorageError.from_os_error(error, "the snapshot store cannot be made") from error
        self._store.create()

    def _tidy(self) -> None:
        """Join small packs when there are many and no other process is in the store."""
        from trainconf.snapshot.blobs import collect

        if collect.has_many_small_packs(self._store) and (lock := self._store.try_lock_alone()):
            try:
                collect.consolidate(self._store)
            finally:
                lock.release()

    def _damaged(self, snapshot_id: str, error: DamagedError) -> StorageError:
        """The error for damaged content. The next take stores that content anew."""
        self._distrust(error)
        where = ("pack", self._store.packs.path(error.place[0])) if error.place else ("missing from", self._store.packs.root)
        hint = "submit from the working tree again: what is damaged will be stored anew"
        return StorageError(f"the stored content of snapshot {snapshot_id} is damaged", ("content", error.digest.hex()), where, hint=hint)

    def _distrust(self, error: DamagedError) -> None:
        """Make the next take store this content anew, which a stat cache would prevent."""
        if error.place:
            self._store.packs.mark_damaged(error.place)
        self._store.forget_stat_caches()


def hash_tree(source_directory: str, *, store: SnapshotStore | None = None) -> str:
    """The id a snapshot of the tree would have; nothing is written. With a store, its stat cache saves reading what it knows.

    Raises SnapshotError (missing, unreadable, restless).
    """
    source = source_path(source_directory)
    cache = _stat_cache(source, store)
    if cache and cache.is_current():
        return str(cache.summary[0])
    from trainconf.snapshot.blobs.manifest import identify

    return identify(tree_manifest(source_directory, store=store))


def tree_manifest(source_directory: str, *, store: SnapshotStore | None = None) -> bytes:
    """The manifest that a snapshot of the tree would have. Writes nothing. Raises as `hash_tree` does."""
    from trainconf.snapshot.tree.taking import manifest_of

    source = source_path(source_directory)
    return manifest_of(source, _stat_cache(source, store))


def _stat_cache(source: bytes, store: SnapshotStore | None) -> StatCache | None:
    return StatCache.load(StoreLayout(store.root).stat_cache(source), source) if store else None


def source_path(source_directory: str) -> bytes:
    """The real path of a source directory. Raises SnapshotError when it is none."""
    source = os.path.realpath(source_directory)
    if not os.path.isdir(source):
        what = "is not a folder" if os.path.lexists(source) else "does not exist"
        raise SnapshotError(f"the source directory {what}", ("source_directory", source_directory))
    return os.fsencode(source)
