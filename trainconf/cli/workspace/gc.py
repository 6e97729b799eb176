"""`trainconf gc`: remove what no run and no frozen file needs. Never a run, never through a link, and only names that are ours.

The dry run looks by the same functions. What cannot be read or removed is named, and keeps nothing else from being collected.
"""

from __future__ import annotations

import os

from trainconf.cli.screen.printer import one_line, printer, size
from trainconf.paths import is_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from trainconf.engine.client import Engine
    from trainconf.launchers.docker.leftovers import Leftover
    from trainconf.paths import RunPaths, WorkspacePaths
    from trainconf.snapshot import SnapshotStore
    from trainconf.snapshot.blobs.pins import Pin

DAY_S = 86400.0
UNLOCKED_AGE_S = 3600.0
LET_GO_AGE_S = 2.0  # between the making of a lock file and the taking of its lock
CACHE_AGE_S = 30 * DAY_S
SNAPSHOT_ID = rb"[0-9a-f]{64}"


def run(argv: list[str]) -> int:
    """Collect, and say what was removed; 1 when something had to stay because it cannot be read or removed."""
    import argparse

    from trainconf.cli.arguments.parser import Arguments
    from trainconf.paths import find_workspace

    def days(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of days")
        return value

    about = "Remove unneeded snapshots, half-made run folders, leftovers of builds and of containers, and old cache files. Never a run."
    parser = Arguments("gc", about)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument(
        "--older-than", metavar="DAYS", type=days, default=1.0, help="only snapshots not used for so many days (default: %(default)s)"
    )
    parser.add_argument(
        "--drop-pins", metavar="PIN", nargs="*",
        help="let the code of frozen files go: without a name that of files which are gone or name other code now",
    )
    asked = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    dry_run = asked.dry_run
    done = [
        _runs(workspace, dry_run=dry_run), _cache(workspace, dry_run=dry_run), _environments(workspace, dry_run=dry_run),
        _containers(workspace, dry_run=dry_run), _snapshots(workspace, asked.older_than * DAY_S, asked.drop_pins, dry_run=dry_run),
    ]  # fmt: skip
    return 0 if all(done) else 1


def _is_linked(what: str, workspace: WorkspacePaths, path: str) -> bool:
    """Whether a folder of the workspace is one only by a link: what it leads to may be somebody else's. It is told."""
    link = next((each for each in (path, workspace.state) if is_inside(path, each) and os.path.islink(each)), None)
    if link is not None:
        printer.info(f"{what}: not looked at, because {link} is a link, and nothing is removed through one")
    return link is not None


def _runs(workspace: WorkspacePaths, *, dry_run: bool) -> bool:
    what = "half-made run folders"
    if _is_linked(what, workspace, workspace.runs):
        return True
    return _remove(what, (paths.run_dir for paths in half_made_runs(workspace)), dry_run=dry_run)


def _cache(workspace: WorkspacePaths, *, dry_run: bool) -> bool:
    what = "cache files unused for 30 days"
    return _is_linked(what, workspace, workspace.cache) or _remove(what, _stale_cache(workspace), dry_run=dry_run)


def half_made_runs(workspace: WorkspacePaths) -> Iterator[RunPaths]:
    """Folders that a submission began and nobody will finish: without events, held by nobody, and all ours."""
    from trainconf.history import events

    for paths in _run_folders(workspace, links=False):
        try:
            if not events.exists(paths) and not os.path.exists(paths.sweep) and _is_ours(paths) and _is_abandoned(paths):
                yield paths
        except OSError:
            continue  # it has gone meanwhile, or cannot be looked into


def _is_abandoned(paths: RunPaths) -> bool:
    """Whether its maker is gone, who holds the run's lock or, for a trial, the list of its sweep; without either, time has to tell."""
    import time

    from trainconf import files
    from trainconf.history import liveness
    from trainconf.paths import RunPaths

    if files.is_locked(liveness.lock_of(paths)):
        return False
    sweep = RunPaths(paths.run_dir.rpartition("_")[0])
    held = next((lock for lock in (paths.lock, sweep.trials) if os.path.exists(lock)), None)
    if held is not None and files.is_locked(held):
        return False
    return time.time() - os.stat(paths.run_dir).st_mtime > (UNLOCKED_AGE_S if held is None else LET_GO_AGE_S)


def needed_snapshots(workspace: WorkspacePaths) -> tuple[set[str], list[str]]:
    """Ids that runs name, and the spec files and folders that exist but name none: what those need is unknown."""
    import re

    keep: set[str] = set()
    unreadable: list[str] = []
    for paths in _run_folders(workspace, links=True, unreadable=unreadable):
        try:
            with open(paths.spec, "rb") as stream:
                found = re.findall(rb'"snapshot"\s*:\s*"(' + SNAPSHOT_ID + rb')"', stream.read())
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            found = []
        keep.update(id_.decode() for id_ in found)
        if not found:
            unreadable.append(paths.spec)
    return keep, unreadable


def _run_folders(workspace: WorkspacePaths, *, links: bool, unreadable: list[str] | None = None) -> Iterator[RunPaths]:
    """Every folder below an experiment's, whatever it holds. A linked one may be needed, and is not ours to remove."""
    failed: list[str] = [] if unreadable is None else unreadable
    for experiment in _folders(workspace.runs, failed, links=links):
        for run_id in _folders(os.path.join(workspace.runs, experiment), failed, links=links):
            yield workspace.run(experiment, run_id)


def _folders(folder: str, unreadable: list[str], *, links: bool) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=links))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        unreadable.append(folder)
        return []


def _is_ours(paths: RunPaths) -> bool:
    """Whether the folder holds only what a submission writes before it has finished: nothing of a job's, nothing of a user's."""
    names = (
        paths.spec, paths.record, paths.plan, paths.params, paths.config, paths.git, paths.patch, paths.environment_lock, paths.events,
        paths.code, paths.outputs, paths.logs, paths.lock,
    )  # fmt: skip
    known = {os.path.basename(name) for name in names}
    there = os.listdir(paths.run_dir)
    written = [name for folder in (paths.outputs, paths.logs) if os.path.isdir(folder) for name in os.listdir(folder)]
    return not written and all(name in known or name.endswith(".tmp") for name in there)


def _stale_cache(workspace: WorkspacePaths) -> Iterator[str]:
    import time
    from contextlib import suppress

    before = time.time() - CACHE_AGE_S
    for folder, _, names in os.walk(workspace.cache):
        for name in names:
            with suppress(FileNotFoundError):  # another process may tidy up at the same time
                info = os.lstat(os.path.join(folder, name))
                if max(info.st_mtime, info.st_atime) < before:
                    yield os.path.join(folder, name)


def _remove(what: str, paths: Iterable[str], *, dry_run: bool) -> bool:
    """Remove files and folders, or only say so; whether all could be."""
    count, whole = _remove_each(paths, _remove_path, dry_run=dry_run)
    printer.info(f"{what}: {count}")
    return whole


def _remove_each(paths: Iterable[str], remove: Callable[[str], bool], *, dry_run: bool) -> tuple[int, bool]:
    """How many were removed, or would be, and whether all could be; each is named. `remove` says whether there was something to remove."""
    count, whole = 0, True
    for path in paths:
        try:
            if not dry_run and not remove(path):
                continue
        except OSError as error:
            printer.info(f"{one_line(path)} stays: {error.strerror or error}")
            whole = False
            continue
        count += 1
        printer.data(f"{'would remove' if dry_run else 'removed'}  {path}")
    return count, whole


def _remove_path(path: str) -> bool:
    """A link is never followed (shutil.rmtree refuses one). Raises OSError."""
    import shutil

    try:
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _environments(workspace: WorkspacePaths, *, dry_run: bool) -> bool:
    from trainconf.environments.removal import leftovers, remove_leftover

    what = "leftovers of environment builds"
    if _is_linked(what, workspace, workspace.envs):
        return True
    paths = (os.path.join(workspace.envs, name) for name in leftovers(workspace))
    count, whole = _remove_each(paths, lambda path: remove_leftover(workspace, os.path.basename(path)), dry_run=dry_run)
    of_images = _image_leftovers(workspace, dry_run=dry_run)
    for name in of_images:
        printer.data(f"{'would remove' if dry_run else 'removed'}  {name}")
    printer.info(f"{what}: {count + len(of_images)}")
    return whole


def _image_leftovers(workspace: WorkspacePaths, *, dry_run: bool) -> list[str]:
    """What image builds left in the engine; an engine that cannot be asked keeps nothing else from being collected."""
    from trainconf.environments.removal import sweep_image_leftovers
    from trainconf.errors import ContainerEngineError

    try:
        return sweep_image_leftovers(workspace, dry_run=dry_run)
    except ContainerEngineError as error:
        printer.info(f"leftovers of image builds: not looked at\n\n{error.render()}\n")
        return []


def _containers(workspace: WorkspacePaths, *, dry_run: bool) -> bool:
    """What runs left in the engine that would be used now. An engine that cannot be asked is told, and no failure."""
    from trainconf.launchers.docker import leftovers as container_leftovers

    if not container_leftovers.may_exist(workspace):
        return True
    from trainconf.engine import address
    from trainconf.engine.client import Engine, EngineError
    from trainconf.errors import ContainerEngineError

    try:
        where = address.find(os.environ)
        engine = Engine(where.url)
        try:
            found = container_leftovers.find(engine, workspace)
            for leftover in found:
                _container_leftover(engine, leftover, dry_run=dry_run)
        except EngineError as error:
            raise address.explain(where, error) from error
    except ContainerEngineError as error:
        printer.info(f"containers and networks of runs: not looked at\n\n{error.render()}\n")
        return True
    printer.info(f"containers and networks of runs: {sum(len(each.containers) + len(each.networks) for each in found if each.may_go)}")
    return True


def _container_leftover(engine: Engine, leftover: Leftover, *, dry_run: bool) -> None:
    from trainconf.launchers.docker import leftovers as container_leftovers

    if not leftover.may_go:
        run_id = os.path.basename(leftover.run_dir)
        printer.info(f"container {', '.join(leftover.containers)} stays: {leftover.why}; `trainconf cancel {run_id}` ends it")
        return
    if not dry_run:
        container_leftovers.remove(engine, leftover)
    for kind, names in (("container", leftover.containers), ("network", leftover.networks)):
        for name in names:
            printer.data(f"{'would remove' if dry_run else 'removed'}  {kind} {name}: {leftover.why}")


def _snapshots(workspace: WorkspacePaths, unused_s: float, drop: list[str] | None, *, dry_run: bool) -> bool:
    from trainconf.errors import StorageError
    from trainconf.snapshot import SnapshotStore

    if not os.path.isdir(workspace.snapshots):
        printer.info("snapshots: 0")
        return True
    if _is_linked("snapshots", workspace, workspace.snapshots):
        return True
    store = SnapshotStore(workspace.snapshots)
    try:
        dropped = _pins(store, drop, dry_run=dry_run)
        if dry_run:
            unneeded = store.unneeded(_needed(workspace), unused_s=unused_s, but_for=dropped)
            sizes = {info.id: info.size_bytes for info in store.ls()}
            told = f"{len(unneeded)}, {size(sum(sizes.get(id_, 0) for id_ in unneeded))} less what others share"
        else:
            result = store.gc(lambda: _needed(workspace), unused_s=unused_s)
            unneeded = result.removed
            told = f"{len(unneeded)}, {size(max(0, result.freed_bytes))} freed"
    except StorageError as error:
        printer.info("snapshots: all stay\n")
        printer.error(error)
        return False
    for id_ in unneeded:
        printer.data(f"{'would remove' if dry_run else 'removed'}  snapshot {id_}")
    printer.info(f"snapshots: {told}")
    return True


def _needed(workspace: WorkspacePaths) -> set[str]:
    """The snapshots that runs need. Raises StorageError when one does not tell."""
    from trainconf.errors import StorageError

    keep, unreadable = needed_snapshots(workspace)
    if unreadable:
        raise StorageError("these runs do not tell which snapshot they need", ("damaged, or not readable", "\n".join(unreadable)))
    return keep


def _pins(store: SnapshotStore, drop: list[str] | None, *, dry_run: bool) -> list[Pin]:
    """Show the pins whose frozen file may not need them, and drop what is asked for; those that were, or would be, dropped."""
    from trainconf.errors import UserError

    pins = store.pins()
    unknown = [name for name in drop or () if name not in {pin.name for pin in pins}]
    if unknown:
        raise UserError(f"there is no pin {unknown[0]!r}", ("allowed", ", ".join(pin.name for pin in pins) or "there are none"))
    idle = {pin.name: pin.why_idle for pin in pins}
    dropped = [pin for pin in pins if drop is not None and (pin.name in drop if drop else idle[pin.name])]
    for pin in pins:
        if pin in dropped:
            if not dry_run:
                store.unpin(pin)
            printer.data(f"{'would remove' if dry_run else 'removed'}  pin {pin.name} of {pin.file_text}")
        elif idle[pin.name]:
            printer.info(f"pin {pin.name} of {one_line(pin.file_text)} stays: {idle[pin.name]}; `trainconf gc --drop-pins` lets it go")
        elif not pin.path:
            printer.info(f"pin {pin.name} of {pin.file_text} stays; `trainconf gc --drop-pins {pin.name}` lets it go")
    printer.info(f"pins of frozen files: {len(pins) - len(dropped)} kept, {len(dropped)} {'to drop' if dry_run else 'dropped'}")
    return dropped
