"""`trainconf gc`: remove what no run and no frozen file needs. Never a run."""

from __future__ import annotations

import os

from trainconf.cli.printer import printer, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainconf.engine.client import Engine
    from trainconf.launchers.container_leftovers import Leftover
    from trainconf.paths import RunPaths, WorkspacePaths

HELP = "remove unneeded snapshots, half-made runs and leftovers of builds"
DAY_S = 86400.0
UNLOCKED_AGE_S = 3600.0
LET_GO_AGE_S = 2.0  # between the making of a lock file and the taking of its lock
CACHE_AGE_S = 30 * DAY_S
SNAPSHOT_ID = rb"[0-9a-f]{64}"


def run(argv: list[str]) -> int:
    """Collect, and say what was removed; 1 when snapshots had to stay because a run's spec cannot be read."""
    import argparse

    from trainconf.cli.arguments import Arguments
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
    asked = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    half_made = [paths.run_dir for paths in half_made_runs(workspace)]
    _remove("half-made run folders", half_made, dry_run=asked.dry_run)
    _remove("cache files unused for 30 days", list(_stale_cache(workspace)), dry_run=asked.dry_run)
    _environments(workspace, dry_run=asked.dry_run)
    _containers(workspace, dry_run=asked.dry_run)
    return _snapshots(workspace, asked.older_than * DAY_S, dry_run=asked.dry_run)


def half_made_runs(workspace: WorkspacePaths) -> Iterator[RunPaths]:
    """Folders that a submission began and nobody will finish: without events, held by nobody, and all ours."""
    from trainconf.history import events

    for paths in _run_folders(workspace):
        if not events.exists(paths) and not os.path.exists(paths.sweep) and _is_ours(paths) and _is_abandoned(paths):
            yield paths


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
    """Ids that a run or a frozen file names, and the spec files that exist but name none: what those need is unknown."""
    import re

    keep: set[str] = set()
    unreadable = []
    for paths in _run_folders(workspace):
        try:
            with open(paths.spec, "rb") as stream:
                found = re.findall(rb'"snapshot"\s*:\s*"(' + SNAPSHOT_ID + rb')"', stream.read())
        except FileNotFoundError:
            continue
        except OSError:
            found = []
        keep.update(id_.decode() for id_ in found)
        if not found:
            unreadable.append(paths.spec)
    for path in _frozen_files(workspace):
        with open(path, "rb") as stream:
            keep.update(id_.decode() for id_ in re.findall(SNAPSHOT_ID, stream.read()))
    return keep, unreadable


def _run_folders(workspace: WorkspacePaths) -> Iterator[RunPaths]:
    """Every folder below an experiment's, whatever it holds. Links are not followed: what they lead to is not ours to remove."""
    for experiment in _folders(workspace.runs):
        for run_id in _folders(os.path.join(workspace.runs, experiment)):
            yield workspace.run(experiment, run_id)


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
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


def _frozen_files(workspace: WorkspacePaths) -> Iterator[str]:
    """Every file of the workspace that says in its first line that it is a frozen run."""
    from trainconf.snapshot.content import FROZEN_LINE, FROZEN_SUFFIXES

    for folder, folders, names in os.walk(workspace.root):
        if folder == workspace.root:
            folders[:] = [name for name in folders if os.path.join(folder, name) not in (workspace.runs, workspace.state)]
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = os.path.join(folder, name)
            if os.fsencode(name).endswith(FROZEN_SUFFIXES) and os.path.isfile(path):
                with open(path, "rb") as stream:
                    if stream.read(len(FROZEN_LINE)) == FROZEN_LINE:
                        yield path


def _stale_cache(workspace: WorkspacePaths) -> Iterator[str]:
    import time

    before = time.time() - CACHE_AGE_S
    for folder, _, names in os.walk(workspace.cache):
        for name in names:
            info = os.lstat(os.path.join(folder, name))
            if max(info.st_mtime, info.st_atime) < before:
                yield os.path.join(folder, name)


def _remove(what: str, paths: list[str], *, dry_run: bool) -> None:
    import shutil

    for path in paths:
        printer.data(f"{'would remove' if dry_run else 'removed'}  {path}")
        if dry_run:
            continue
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    printer.talk(f"{what}: {len(paths)}")


def _environments(workspace: WorkspacePaths, *, dry_run: bool) -> None:
    from trainconf.environments import sweep_leftovers

    if dry_run:
        printer.talk("leftovers of environment builds: not looked at in a dry run")
        return
    swept = sweep_leftovers(workspace) if os.path.isdir(workspace.envs) else []
    swept_images = _image_leftovers(workspace)
    for name in [*(os.path.join(workspace.envs, name) for name in swept), *swept_images]:
        printer.data(f"removed  {name}")
    printer.talk(f"leftovers of environment builds: {len(swept) + len(swept_images)}")


def _image_leftovers(workspace: WorkspacePaths) -> list[str]:
    """What image builds left in the engine; an engine that cannot be asked keeps nothing else from being collected."""
    from trainconf.environments import sweep_image_leftovers
    from trainconf.errors import ContainerEngineError

    try:
        return sweep_image_leftovers(workspace)
    except ContainerEngineError as error:
        printer.talk(f"leftovers of image builds: not looked at\n\n{error.render()}\n")
        return []


def _containers(workspace: WorkspacePaths, *, dry_run: bool) -> None:
    """What runs left in the engine that would be used now."""
    from trainconf.launchers import container_leftovers

    if not container_leftovers.may_exist(workspace):
        return
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
        printer.talk(f"containers and networks of runs: not looked at\n\n{error.render()}\n")
        return
    printer.talk(f"containers and networks of runs: {sum(len(each.containers) + len(each.networks) for each in found if each.may_go)}")


def _container_leftover(engine: Engine, leftover: Leftover, *, dry_run: bool) -> None:
    from trainconf.launchers import container_leftovers

    if not leftover.may_go:
        run_id = os.path.basename(leftover.run_dir)
        printer.talk(f"container {', '.join(leftover.containers)} stays: {leftover.why}; `trainconf cancel {run_id}` ends it")
        return
    if not dry_run:
        container_leftovers.remove(engine, leftover)
    for kind, names in (("container", leftover.containers), ("network", leftover.networks)):
        for name in names:
            printer.data(f"{'would remove' if dry_run else 'removed'}  {kind} {name}: {leftover.why}")


def _snapshots(workspace: WorkspacePaths, unused_s: float, *, dry_run: bool) -> int:
    import time

    from trainconf.snapshot import SnapshotStore

    if not os.path.isdir(workspace.snapshots):
        printer.talk("snapshots: 0")
        return 0
    keep, unreadable = needed_snapshots(workspace)
    if unreadable:
        printer.talk("snapshots: all stay, because these do not tell which one they need:\n  " + "\n  ".join(unreadable))
        return 1
    store = SnapshotStore(workspace.snapshots)
    if dry_run:
        before = time.time() - unused_s
        unneeded = [info for info in store.ls() if info.id not in keep and info.created < before]
        for info in unneeded:
            printer.data(f"would remove  snapshot {info.id}")
        printer.talk(f"snapshots: {len(unneeded)}, {size(sum(info.size_bytes for info in unneeded))} less what others share")
        return 0
    result = store.gc(keep, unused_s=unused_s)
    for id_ in result.removed:
        printer.data(f"removed  snapshot {id_}")
    printer.talk(f"snapshots: {len(result.removed)}, {size(max(0, result.freed_bytes))} freed")
    return 0
