"""Finds and removes what no run and no frozen file needs. Never a run, never through a link, and only names that are ours.

What cannot be read or removed is named, and keeps nothing else from being collected.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from trainconf.control.remove import finish, unfinished
from trainconf.control.workspace.half_made import half_made_runs, needed_snapshots
from trainconf.engine import address
from trainconf.engine.client import Engine, EngineError
from trainconf.environments import removal
from trainconf.environments import store as environment_store
from trainconf.errors import ContainerEngineError, StorageError, TrainconfError, UserError
from trainconf.fast.records import Record
from trainconf.history.users import users
from trainconf.launchers.docker import leftovers as container_leftovers
from trainconf.paths import WorkspacePaths, is_inside
from trainconf.snapshot import SnapshotStore
from trainconf.snapshot.blobs.pins import Pin

DAY_S = 86400.0
CACHE_AGE_S = 30 * DAY_S


class Garbage(Record):
    """What of one kind may go.

    what: the kind, in words
    names: one for each thing
    stays: lines on what stays or was not looked at, and why
    size_bytes: of all together, where it is known
    error: why nothing of this kind can go
    is_whole: whether all could be read, and removed
    how: removes it, and says what went in the same form
    """

    what: str
    names: Sequence[str] = ()
    stays: Sequence[str] = ()
    size_bytes: int | None = None
    error: TrainconfError | None = None
    is_whole: bool = True
    how: Callable[[], Garbage] | None = None

    def remove(self) -> Garbage:
        """Remove it; what went, in the same form. What is needed again meanwhile stays."""
        return self if self.how is None else self.how()


def find(
    workspace: WorkspacePaths, *, unused_s: float = DAY_S, drop_pins: list[str] | None = None, unused_envs_s: float | None = None
) -> Iterator[Garbage]:  # fmt: skip
    """What would go, kind by kind: nothing is removed.

    `unused_s` is how long a snapshot must not have been used. `drop_pins` names pins of frozen files that may go, too: an empty list is all
    whose file is gone or names other code. Environments go when nothing has used them for `unused_envs_s`; None keeps them all.
    Raises UserError for a pin that does not exist.
    """
    store = SnapshotStore(workspace.snapshots)
    _check_pins(store, drop_pins or [])
    return _find(workspace, store, unused_s, drop_pins, unused_envs_s)


def _find(
    workspace: WorkspacePaths, store: SnapshotStore, unused_s: float, drop_pins: list[str] | None, unused_envs_s: float | None
) -> Iterator[Garbage]:  # fmt: skip
    what = "runs whose removal was interrupted"
    yield _linked(what, workspace, workspace.runs) or _of_paths(what, unfinished(workspace), finish)
    runs = (paths.run_dir for paths in half_made_runs(workspace))
    yield _linked("half-made run folders", workspace, workspace.runs) or _of_paths("half-made run folders", runs, _remove_path)
    what = "cache files unused for 30 days"
    yield _linked(what, workspace, workspace.cache) or _of_paths(what, _old_cache(workspace), _remove_path)
    what = "leftovers of environment builds"
    yield _linked(what, workspace, workspace.envs) or _of_paths(
        what, (os.path.join(workspace.envs, name) for name in removal.leftovers(workspace)),
        lambda path: removal.remove_leftover(workspace, os.path.basename(path)),
    )  # fmt: skip
    if unused_envs_s is not None:
        yield _environments(workspace, unused_envs_s)
    yield from _images(workspace)
    yield from _containers(workspace)
    if not os.path.isdir(store.root):
        yield Garbage("snapshots")
        return
    if linked := _linked("snapshots", workspace, store.root):
        yield linked
        return
    try:
        pins = store.pins()
        dropped = [pin for pin in pins if drop_pins is not None and (pin.name in drop_pins if drop_pins else pin.why_idle)]
        yield _pins(store, pins, dropped)
        yield _snapshots(workspace, store, unused_s, dropped)
    except StorageError as error:
        yield Garbage("snapshots", error=error, is_whole=False)


def _linked(what: str, workspace: WorkspacePaths, path: str) -> Garbage | None:
    """For a folder of the workspace that is one only by a link: what it leads to may be somebody else's."""
    link = next((each for each in (path, workspace.state) if is_inside(path, each) and os.path.islink(each)), None)
    return Garbage(what, stays=[f"{what}: not looked at, because {link} is a link, and gc removes nothing through one"]) if link else None


def _of_paths(what: str, paths: Iterable[str], remove: Callable[[str], bool]) -> Garbage:
    """Files and folders. `remove` says whether there was something to remove."""
    found = list(paths)

    def remove_all() -> Garbage:
        names, stays = [], []
        for path in found:
            try:
                if remove(path):
                    names.append(path)
            except OSError as error:
                stays.append(f"{path} stays: {error.strerror or error}")
        return Garbage(what, names, stays, is_whole=not stays)

    return Garbage(what, found, how=remove_all)


def _remove_path(path: str) -> bool:
    """A link is never followed (shutil.rmtree refuses one). Raises OSError."""
    try:
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _old_cache(workspace: WorkspacePaths) -> Iterator[str]:
    before = time.time() - CACHE_AGE_S
    for folder, _, names in os.walk(workspace.cache):
        for name in names:
            with suppress(FileNotFoundError):  # another process may tidy up at the same time
                info = os.lstat(os.path.join(folder, name))
                if max(info.st_mtime, info.st_atime) < before:
                    yield os.path.join(folder, name)


def _environments(workspace: WorkspacePaths, unused_s: float) -> Garbage:
    """Environments that no run has used for so long. What is in use stays, whenever that began."""
    what = "unused environments"
    unused = [built for built in environment_store.ls(workspace) if time.time() - built.last_used >= unused_s]
    texts = {built.hash: f"environment {built.hash} {built.name} ({built.kind})" for built in unused}
    sizes = {built.hash: built.disk_bytes()[1] for built in unused}

    def remove() -> Garbage:
        names, stays, freed = [], [], 0
        for hash_, text in texts.items():
            try:
                removal.rm(workspace, hash_, partial(users, workspace))
            except (TrainconfError, OSError) as error:
                stays.append(f"{text} stays: {str(error).splitlines()[0]}")
            else:
                names.append(text)
                freed += sizes[hash_]
        return Garbage(what, names, stays, size_bytes=freed)

    return Garbage(what, list(texts.values()), size_bytes=sum(sizes.values()), how=remove)


def _images(workspace: WorkspacePaths) -> Iterator[Garbage]:
    """What image builds left in the engine."""
    what = "leftovers of image builds"
    try:
        found = removal.sweep_image_leftovers(workspace, dry_run=True)
    except ContainerEngineError as error:
        yield Garbage(what, error=error)
        return
    yield Garbage(what, found, how=lambda: Garbage(what, removal.sweep_image_leftovers(workspace)))


def _containers(workspace: WorkspacePaths) -> Iterator[Garbage]:
    """What runs left in the engine that a run would use now. An engine that does not answer is named, and is no failure."""
    if not container_leftovers.may_exist(workspace):
        return
    what = "containers and networks of runs"
    try:
        where = address.find(os.environ)
        engine = Engine(where.url)
        try:
            found = container_leftovers.find(engine, workspace)
        except EngineError as error:
            raise address.explain(where, error) from error
    except ContainerEngineError as error:
        yield Garbage(what, error=error)
        return
    goners = [leftover for leftover in found if leftover.may_go]
    stays = [
        f"container {', '.join(left.containers)} stays: {left.why}; `trainconf cancel {os.path.basename(left.run_dir)}` ends it"
        for left in found if not left.may_go
    ]  # fmt: skip

    def remove() -> Garbage:
        try:
            for leftover in goners:
                container_leftovers.remove(engine, leftover)
        except EngineError as error:
            return Garbage(what, stays=stays, error=address.explain(where, error))
        return Garbage(what, names, stays)

    names = [
        f"{kind} {name}: {left.why}"
        for left in goners for kind, of in (("container", left.containers), ("network", left.networks)) for name in of
    ]  # fmt: skip
    yield Garbage(what, names, stays, how=remove)


def _check_pins(store: SnapshotStore, names: list[str]) -> None:
    if not names:
        return
    pins = [pin.name for pin in store.pins()]
    if unknown := [name for name in names if name not in pins]:
        raise UserError(f"there is no pin {unknown[0]!r}", ("allowed", ", ".join(pins) or "there are none"))


def _pins(store: SnapshotStore, pins: list[Pin], dropped: list[Pin]) -> Garbage:
    """The pins of frozen files, and those that keep a snapshot nobody may need."""
    stays = [f"pins of frozen files that stay: {len(pins) - len(dropped)}"] if len(pins) > len(dropped) else []
    for pin in pins:
        if pin not in dropped and pin.why_idle:
            stays.append(f"pin {pin.name} of {pin.file_text} stays: {pin.why_idle}; `trainconf gc --drop-pins` lets it go")
        elif pin not in dropped and not pin.path:
            stays.append(f"pin {pin.name} of {pin.file_text} stays; `trainconf gc --drop-pins {pin.name}` lets it go")

    def remove() -> Garbage:
        for pin in dropped:
            store.unpin(pin)
        return Garbage(what, names, stays)

    what, names = "pins of frozen files", [f"pin {pin.name} of {pin.file_text}" for pin in dropped]
    return Garbage(what, names, stays, how=remove)


def _snapshots(workspace: WorkspacePaths, store: SnapshotStore, unused_s: float, dropped: list[Pin]) -> Garbage:
    unneeded = store.unneeded(needed_snapshots(workspace), unused_s=unused_s, but_for=dropped)
    sizes = {info.id: info.size_bytes for info in store.ls()}

    def needed_or_not_listed() -> set[str]:
        return needed_snapshots(workspace) | {info.id for info in store.ls()}.difference(unneeded)

    def remove() -> Garbage:
        try:
            result = store.gc(needed_or_not_listed, unused_s=unused_s)
        except StorageError as error:
            return Garbage("snapshots", error=error, is_whole=False)
        return Garbage("snapshots", list(map(_snapshot, result.removed)), size_bytes=max(0, result.freed_bytes))

    return Garbage("snapshots", list(map(_snapshot, unneeded)), size_bytes=sum(sizes.get(id_, 0) for id_ in unneeded), how=remove)


def _snapshot(id_: str) -> str:
    return f"snapshot {id_}"
