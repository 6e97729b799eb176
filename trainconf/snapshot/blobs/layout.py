"""The files of a snapshot store, and the lock that its users share.

    lock            shared while snapshots are taken or materialised; exclusive while they are removed or repacked
    packs/          blobs
    manifests/<id>  one file per snapshot; modified when it was taken, accessed when it was last used
    stat/<hash>     the stat cache of one source folder
    pins/<name>     which frozen file needs which snapshot
"""

from __future__ import annotations

import os
import time

from trainconf.errors import SnapshotError, StorageError
from trainconf.files import FileLock, names_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.snapshot.blobs.packs import PackDir


class StoreLock(FileLock):
    """The store's lock. Raises StorageError when it cannot be taken, and in place of an OSError inside the block."""

    def __init__(self, path: str, what: str, alone: bool) -> None:
        super().__init__(path)
        self._what = what
        self._alone = alone

    def __enter__(self) -> StoreLock:
        try:
            self.acquire(shared=not self._alone)
        except OSError as error:
            raise StorageError.from_os_error(error, "the snapshot store cannot be locked") from error
        return self

    def __exit__(self, *raised: object) -> None:
        self.release()
        if isinstance(raised[1], OSError):
            raise StorageError.from_os_error(raised[1], self._what) from raised[1]


class StoreLayout:
    """The files of one store."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._packs: PackDir | None = None

    @property
    def packs(self) -> PackDir:
        if self._packs is None:
            from trainconf.snapshot.blobs.packs import PackDir

            self._packs = PackDir(os.path.join(self.root, "packs"))
        return self._packs

    def manifest(self, snapshot_id: str) -> str:
        return os.path.join(self.root, "manifests", snapshot_id)

    @property
    def pins(self) -> str:
        return os.path.join(self.root, "pins")

    def stat_cache(self, source: bytes) -> str:
        from binascii import crc32, hexlify

        # The cache holds the path of its folder, so two folders that share a name only replace each other's.
        return os.path.join(self.root, "stat", f"{crc32(source):08x}{hexlify(source[-12:]).decode()}")

    def folders(self) -> list[str]:
        return [os.path.join(self.root, name) for name in ("packs", "manifests", "stat")]

    def create(self) -> None:
        try:
            for folder in self.folders():
                os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise StorageError.from_os_error(error, "the snapshot store cannot be made") from error

    def locked(self, what: str = "the snapshot store cannot be used", *, alone: bool = False) -> StoreLock:
        """The lock, for a `with` block; shared unless `alone`. `what` is said of an OSError in that block."""
        return StoreLock(os.path.join(self.root, "lock"), what, alone)

    def try_lock_alone(self) -> FileLock | None:
        """The lock, exclusive; None when another process is in the store."""
        lock = FileLock(os.path.join(self.root, "lock"))
        return lock if lock.acquire(blocking=False, patience_s=0.0) else None

    def forget_stat_caches(self) -> None:
        folder = os.path.join(self.root, "stat")
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))

    def ids(self) -> list[str]:
        return [name for name in names_in(os.path.join(self.root, "manifests")) if not name.endswith(".tmp")]

    def read_manifest(self, snapshot_id: str) -> bytes:
        """The manifest, checked by its hash. Raises SnapshotError when there is none, StorageError when it is damaged."""
        from trainconf.snapshot.blobs.manifest import identify

        path = self.manifest(snapshot_id)
        try:
            with open(path, "rb", opener=unnoticed) as stream:
                data = stream.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
            what = f"no snapshot {snapshot_id} in this store"
            raise SnapshotError(what, ("store", self.root), hint="`trainconf snapshot ls` lists them") from None
        if identify(data) != snapshot_id:
            what = f"the manifest of snapshot {snapshot_id} is damaged"
            raise StorageError(what, ("path", path), hint="remove that file, and take the snapshot again")
        return data

    def touch(self, snapshot_id: str) -> bool:
        """Record that a snapshot is used now, so that gc keeps it for a while; False when it does not exist."""
        path = self.manifest(snapshot_id)
        try:
            os.utime(path, ns=(time.time_ns(), os.stat(path).st_mtime_ns))
        except FileNotFoundError:
            return False
        return True


def unnoticed(path: str, flags: int) -> int:
    """An opener that keeps the time of access, which says when a snapshot was last used. Listing it is not using it."""
    try:
        return os.open(path, flags | os.O_NOATIME | os.O_CLOEXEC)
    except PermissionError:
        return os.open(path, flags | os.O_CLOEXEC)  # not our own file
