"""Garbage collection and repacking, both with the store's lock held exclusively.

The order makes a kill harmless: first the new packs are put in place, then manifests are removed, then the packs they needed. Removing
last also keeps the disk fast: ext4 does not reuse fresh inodes, and scans past them.
"""

from __future__ import annotations

import os
import time

from trainconf.errors import StorageError
from trainconf.fast.records import Record
from trainconf.snapshot.blobs import manifest as manifests
from trainconf.snapshot.blobs import pins
from trainconf.snapshot.blobs.materialize import remove_tree
from trainconf.snapshot.blobs.packs import DamagedError, PackReader, PackWriter, read_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from trainconf.snapshot.blobs.layout import StoreLayout

SMALL_PACK_BYTES = 8_000_000
SMALL_PACKS = 64  # every changed submission adds a pack; with more small ones than this they become one


class GcResult(Record):
    """The result of a collection: the removed ids, and the freed bytes of packs and manifests."""

    removed: list[str]
    freed_bytes: int


def collect(store: StoreLayout, keep: Collection[str], unused_s: float) -> GcResult:
    """Remove the snapshots that nobody needs (`unneeded`). The caller holds the lock exclusively.

    Raises StorageError, and removes nothing, when a manifest that stays cannot be read: what it needs is then unknown.
    """
    before = _disk_bytes(store)
    remove_debris(store)
    goners = unneeded(store, keep, unused_s)
    staying = set(store.ids()).difference(goners)
    live: set[bytes] = set()
    for id_ in staying:
        live.update(digest for digest, _ in manifests.blobs(store.read_manifest(id_)))
    old = repack(store, lambda digests, _: not live.issuperset(digests), live)
    for id_ in goners:
        os.unlink(store.manifest(id_))
    _remove_packs(store, old)
    return GcResult(goners, before - _disk_bytes(store))


def unneeded(store: StoreLayout, keep: Collection[str], unused_s: float, dropped: Collection[str] = ()) -> list[str]:
    """Ids of the snapshots that are not in `keep`, not used in the last `unused_s` seconds, and have no pin but `dropped` ones; sorted."""
    pinned = {id_ for pin in pins.read(store) if pin.name not in dropped for id_ in pin.snapshots}
    used_before = time.time() - unused_s
    candidates = [id_ for id_ in store.ids() if id_ not in keep and id_ not in pinned]
    return [id_ for id_ in candidates if os.stat(store.manifest(id_)).st_atime <= used_before]


def consolidate(store: StoreLayout) -> None:
    """Make one pack of many small ones. The caller holds the lock exclusively."""
    old = repack(store, lambda _, size: size < SMALL_PACK_BYTES, None)
    _remove_packs(store, old)


def has_many_small_packs(store: StoreLayout) -> bool:
    names = store.packs.names()
    return len(names) > SMALL_PACKS and sum(os.path.getsize(store.packs.path(name)) < SMALL_PACK_BYTES for name in names) > SMALL_PACKS


def repack(store: StoreLayout, chosen: Callable[[list[bytes], int], bool], live: set[bytes] | None) -> list[str]:
    """Copy the live blobs (None: all) of the chosen packs (by hashes and size in bytes) into one new pack.

    Returns the packs that are no longer needed. One with a damaged blob stays, because its other blobs are needed.
    """
    index = store.packs.index()
    replaced: list[str] = []
    writer = PackWriter(store.packs)
    try:
        with PackReader(store.packs, index) as reader:
            for name in store.packs.names():
                path = store.packs.path(name)
                digests = [digest for digest, _, _ in read_index(path) or ()]
                if digests and chosen(digests, os.path.getsize(path)) and _copy(reader, writer, name, digests, live):
                    replaced.append(name)
        if len(replaced) == 1 and live is None:
            writer.abandon()
            return []
        written = writer.finish()
    except BaseException:
        writer.abandon()
        raise
    return [name for name in replaced if name != written]


def _copy(reader: PackReader, writer: PackWriter, name: str, digests: list[bytes], live: set[bytes] | None) -> bool:
    """Copy those blobs of one pack that are live and that this pack is to provide; False when one is damaged."""
    for digest in digests:
        place = reader.index.get(digest)
        if place is None or place[0] != name or digest in writer.places or (live is not None and digest not in live):
            continue
        writer.start(place[2])
        try:
            for data in reader.chunks(digest):
                writer.write(data)
        except DamagedError:
            writer.discard()
            return False
        writer.commit(digest, place[2])
    return True


def _remove_packs(store: StoreLayout, names: list[str]) -> None:
    for name in names:
        os.unlink(store.packs.path(name))
    store.packs.forget_damaged(names)


def remove_debris(store: StoreLayout) -> None:
    """Remove what killed writers left, and the trees that version 0.1 kept for hard links. The lock is held, so nobody is writing."""
    remove_tree(os.fsencode(os.path.join(store.root, "trees")))
    for folder in store.folders():
        for name in os.listdir(folder):
            if name.endswith(".tmp"):
                path = os.path.join(folder, name)
                remove_tree(os.fsencode(path)) if os.path.isdir(path) else os.unlink(path)


def _disk_bytes(store: StoreLayout) -> int:
    try:
        packs = sum(os.path.getsize(store.packs.path(name)) for name in store.packs.names())
        return packs + sum(os.path.getsize(store.manifest(id_)) for id_ in store.ids())
    except OSError as error:
        raise StorageError.from_os_error(error, "the snapshot store cannot be read") from error
