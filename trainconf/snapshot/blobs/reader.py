"""One stored snapshot, opened to be read and compared: what it holds, and the content of its files."""

from __future__ import annotations

from trainconf.errors import StorageError
from trainconf.snapshot.blobs import manifest as manifests
from trainconf.snapshot.blobs.packs import DamagedError, PackReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from trainconf.snapshot.blobs.layout import StoreLayout
    from trainconf.snapshot.blobs.manifest import Entry


class SnapshotReader:
    """A context manager that holds the store's lock while it is open, so that `gc` waits.

    `damaged` makes the error for content that does not have its hash. Raises SnapshotError when there is no such snapshot,
    StorageError when the store cannot be read.
    """

    def __init__(self, store: StoreLayout, snapshot_id: str, damaged: Callable[[str, DamagedError], StorageError]) -> None:
        self.id = snapshot_id
        self._store = store
        self._damaged = damaged
        self._packs: PackReader | None = None
        self._lock = store.locked("the snapshot store cannot be read").__enter__()
        try:
            self.manifest = store.read_manifest(snapshot_id)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> SnapshotReader:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._packs is not None:
            self._packs.__exit__()
        self._lock.__exit__(*raised)

    def changes_to(self, manifest: bytes) -> list[tuple[Entry | None, Entry | None]]:
        """What differs in the tree of another manifest, sorted by path: the entry here and there, None where it is not."""
        return manifests.changes(self.manifest, manifest)

    def read(self, file: Entry) -> bytes:
        """The content of a file. Raises StorageError."""
        if self._packs is None:
            self._packs = PackReader(self._store.packs, self._store.packs.index())
        try:
            return b"".join(self._packs.chunks(bytes.fromhex(file.content)))
        except DamagedError as error:
            raise self._damaged(self.id, error) from error
