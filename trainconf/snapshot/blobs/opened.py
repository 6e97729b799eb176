"""One stored snapshot, opened to make folders of it. Its content is looked up once, however many folders there are."""

from __future__ import annotations

from trainconf.errors import StorageError
from trainconf.reporter import SILENT
from trainconf.snapshot.blobs import materialize
from trainconf.snapshot.blobs.packs import DamagedError, PackReader

TOLD_FILES = 1000  # of fewer nobody waits for the copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from trainconf.reporter import Reporter
    from trainconf.snapshot.blobs.layout import StoreLayout


class OpenSnapshot:
    """A context manager that holds the store's lock while it is open, so that `gc` waits.

    `damaged` makes the error for content that does not have its hash. Raises SnapshotError when there is no such snapshot,
    StorageError when the store cannot be used.
    """

    def __init__(self, store: StoreLayout, snapshot_id: str, damaged: Callable[[str, DamagedError], StorageError]) -> None:
        self.id = snapshot_id
        self._damaged = damaged
        self._lock = store.locked().__enter__()
        try:
            self._folders = materialize.layout(store.read_manifest(snapshot_id))
            store.touch(snapshot_id)
            self._reader = PackReader(store.packs, store.packs.index())
        except BaseException as error:
            self._lock.release()
            if isinstance(error, OSError):
                raise _unusable(error) from error
            raise

    def __enter__(self) -> OpenSnapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.__exit__()
        self._lock.release()

    def materialize(self, dest: str, reporter: Reporter = SILENT) -> None:
        """Make the folder `dest` hold the snapshot, whole or not at all. Raises StorageError: dest exists, disk full, damaged store."""
        count = sum(map(len, self._folders.values()))
        told = reporter if count > TOLD_FILES else SILENT
        try:
            with told.wait(f"copying {count} files of the code", is_told_often=True) as wait:
                materialize.build(dest, lambda folder: materialize.copy_tree(self._reader, self._folders, folder, wait))
        except DamagedError as error:
            raise self._damaged(self.id, error) from error
        except OSError as error:
            raise _unusable(error) from error


def _unusable(error: OSError) -> StorageError:
    return StorageError.from_os_error(error, "the snapshot store cannot be used")
