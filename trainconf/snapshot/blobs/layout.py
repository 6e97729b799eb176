"""Where a snapshot store keeps what, and the lock that its users share.

    lock            shared by whoever takes or materialises; exclusive for whoever removes or repacks
    packs/          blobs
    manifests/<id>  one file per snapshot; modified when it was taken, accessed when it was last used
    stat/<hash>     the stat cache of one source folder
    pins/<name>     which frozen file needs which snapshot
"""

from __future__ import annotations

import os
import time

from trainconf.errors import SnapshotError, StorageError
from trainconf.files import FileLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.snapshot.blobs.packs import PackDir


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

        # The cache says itself whose it is; two folders that share a name only take turns.
        return os.path.join(self.root, "stat", f"{crc32(source):08x}{hexlify(source[-12:]).decode()}")

    def folders(self) -> list[str]:
        return [os.path.join(self.root, name) for name in ("packs", "manifests", "stat")]

    def create(self) -> None:
        try:
            for folder in self.folders():
                os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise StorageError.from_os_error(error, "the snapshot store cannot be made") from error

    def locked(self, *, alone: bool = False) -> FileLock:
        """The store's lock, taken, shared unless `alone`; `release` it."""
        lock = FileLock(os.path.join(self.root, "lock"))
        try:
            lock.acquire(shared=not alone)
        except OSError as error:
            raise StorageError.from_os_error(error, "the snapshot store cannot be locked") from error
        return lock

    def try_lock_alone(self) -> FileLock | None:
        """The store's lock for this process alone; None when anybody else is in the store."""
        lock = FileLock(os.path.join(self.root, "lock"))
        return lock if lock.acquire(blocking=False, patience_s=0.0) else None

    def forget_stat_caches(self) -> None:
        folder = os.path.join(self.root, "stat")
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))

    def ids(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(os.path.join(self.root, "manifests")) if not name.endswith(".tmp"))
        except FileNotFoundError:
            return []

    def read_manifest(self, snapshot_id: str) -> bytes:
        """The manifest, proven by its hash. Raises SnapshotError when there is none, StorageError when it is damaged."""
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
        """Note that a snapshot is used now, so that gc leaves it alone for a while; False when it is not there."""
        path = self.manifest(snapshot_id)
        try:
            os.utime(path, ns=(time.time_ns(), os.stat(path).st_mtime_ns))
        except FileNotFoundError:
            return False
        return True


def unnoticed(path: str, flags: int) -> int:
    """An opener that leaves the time of access alone, for that is when a snapshot was last used: looking at it is not using it."""
    try:
        return os.open(path, flags | os.O_NOATIME | os.O_CLOEXEC)
    except PermissionError:
        return os.open(path, flags | os.O_CLOEXEC)  # not our own file
