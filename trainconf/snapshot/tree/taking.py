"""Takes a snapshot of a tree that has changed since the last one."""

from __future__ import annotations

import os
import time

from trainconf import files
from trainconf.reporter import Wait
from trainconf.snapshot.blobs import manifest as manifests
from trainconf.snapshot.blobs.packs import PackWriter
from trainconf.snapshot.tree import guards
from trainconf.snapshot.tree.content import FROZEN, ContentReader
from trainconf.snapshot.tree.stat_cache import FILE_TIMES, StatCache, settled
from trainconf.snapshot.tree.walk import Walk, leaving_links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from trainconf.snapshot.blobs.layout import StoreLayout
    from trainconf.snapshot.tree.stat_cache import Folder, Summary


def take(
    store: StoreLayout, source: bytes, cache: StatCache | None, allow_keys: tuple[str, ...], *, max_mb: float, max_files: int,
    wait: Wait,
) -> Summary:
    """Walk, check the guards, read what is new, store it: in that order, so that a refusal leaves nothing. The caller holds the lock.

    Raises SnapshotError; OSError is the store's, never the source's.
    """
    started_ns = time.time_ns()
    walk = Walk(source, cache)
    folders = walk.run()
    guards.check_size(folders, max_mb=max_mb, max_files=max_files)
    guards.check_keys(source, folders, allow_keys)
    _store_contents(store, source, folders, wait, trusted=cache is not None and os.path.exists(store.manifest(cache.summary[0])))
    manifest = manifests.render(records(folders))
    snapshot_id = manifests.identify(manifest)
    skipped = sorted(os.fsdecode(folder.path + name) for folder in folders for name in folder.skipped)
    summary = (snapshot_id, *manifests.parse_header(manifest), leaving_links(folders), skipped)
    if not store.touch(snapshot_id):
        files.write_atomic(store.manifest(snapshot_id), manifest)
    _remember(walk, allow_keys, summary, started_ns).save(store.stat_cache(source))
    return summary


def manifest_of(source: bytes, cache: StatCache | None) -> bytes:
    """The manifest that `take` would store. Writes nothing."""
    folders = Walk(source, cache).run()
    ContentReader(source, (), None, Wait()).read(folders)
    return manifests.render(records(folders))


def records(folders: Iterable[Folder]) -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
    """The records of the manifest, for a walk whose contents are read."""
    for folder in folders:
        path = folder.path
        for name, (size, _, _, _, mode), blob in folder.files:
            if blob != FROZEN and blob is not None:
                yield (b"x" if mode & 0o100 else b"f", blob.hex().encode(), b"%d" % size, path + name)
        for name, target in folder.links:
            yield (b"l", target, b"", path + name)
        if not folder.names and path:
            yield (b"d", b"", b"", path[:-1])


def _store_contents(store: StoreLayout, source: bytes, folders: list[Folder], wait: Wait, *, trusted: bool) -> None:
    """Read what has no hash yet, and pack what the store lacks. `trusted`: the store has all that the cache knows."""
    if trusted and all(blob is not None for folder in folders for _, _, blob in folder.files):
        return
    index = store.packs.index()
    if not trusted:
        _forget_missing(folders, index)
    pack = PackWriter(store.packs)
    try:
        ContentReader(source, index, pack, wait).read(folders)
        pack.finish()
    finally:
        pack.abandon()


def _forget_missing(folders: Iterable[Folder], known: Collection[bytes]) -> None:
    for folder in folders:
        folder.files = [(name, seen, blob if blob == FROZEN or blob in known else None) for name, seen, blob in folder.files]


def _remember(walk: Walk, allow_keys: tuple[str, ...], summary: Summary, started_ns: int) -> StatCache:
    def sure(seen: tuple[int, ...] | None) -> tuple[int, ...] | None:
        return None if seen is None else settled(seen, FILE_TIMES, started_ns)

    return StatCache(
        source=walk.source, allow_keys=allow_keys, summary=summary,
        watched={path: sure(seen) for path, seen in walk.rules.watched.items()},
        repositories=[(folder, index, sure(seen), tracked) for folder, index, seen, tracked in walk.rules.repositories],
        folders=[folder.packed(started_ns) for folder in walk.folders],
    )
