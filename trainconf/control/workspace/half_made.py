"""Which run folders a submission began and nobody will finish, and which snapshots the others need. `gc` asks."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator

from trainconf import files
from trainconf.errors import StorageError
from trainconf.history import events, liveness, record
from trainconf.paths import RunPaths, WorkspacePaths

UNLOCKED_AGE_S = 3600.0
LET_GO_AGE_S = 2.0  # between the making of a lock file and the taking of its lock
SNAPSHOT = re.compile(rb'"snapshot"\s*:\s*"([0-9a-f]{64})"')


def half_made_runs(workspace: WorkspacePaths) -> Iterator[RunPaths]:
    """Folders without events that nobody holds and that have only files of ours."""
    for paths in _run_folders(workspace, [], links=False):
        try:
            if not events.exists(paths) and not paths.is_sweep and _is_ours(paths) and _is_abandoned(paths):
                yield paths
        except OSError:
            continue  # it has gone meanwhile, or cannot be looked into


def needed_snapshots(workspace: WorkspacePaths) -> set[str]:
    """The snapshots that runs name. Raises StorageError when a run cannot tell which it needs."""
    keep: set[str] = set()
    unreadable: list[str] = []
    for paths in _run_folders(workspace, unreadable, links=True):
        try:
            with open(files.open_regular(paths.spec), "rb") as stream:
                found = SNAPSHOT.findall(stream.read())
        except (FileNotFoundError, NotADirectoryError):
            keep.update(_snapshot_of_process(paths))
            continue
        except OSError:
            found = []
        keep.update(id_.decode() for id_ in found)
        if not found:
            unreadable.append(paths.spec)
    if unreadable:
        raise StorageError("these runs do not tell which snapshot they need", ("damaged, or not readable", "\n".join(unreadable)))
    return keep


def _snapshot_of_process(paths: RunPaths) -> set[str]:
    """That of a run that a process is: it has no spec, and its record names what was taken."""
    found = record.read_mapping(paths.record).get("snapshot")
    return {found} if isinstance(found, str) else set()


def _is_abandoned(paths: RunPaths) -> bool:
    """Whether its maker is gone, who holds the run's lock or, for a trial, the list of its sweep; without either, time has to tell."""
    if files.is_locked(liveness.lock_of(paths)):
        return False
    sweep = RunPaths(paths.run_dir.rpartition("_")[0])
    held = next((lock for lock in (paths.lock, sweep.trials) if os.path.exists(lock)), None)
    if held is not None and files.is_locked(held):
        return False
    return time.time() - os.stat(paths.run_dir).st_mtime > (UNLOCKED_AGE_S if held is None else LET_GO_AGE_S)


def _is_ours(paths: RunPaths) -> bool:
    """Whether the folder has only what a submission writes before it is done: nothing of a job's, nothing of a user's."""
    names = (
        paths.spec, paths.record, paths.plan, paths.params, paths.config, paths.git, paths.patch, paths.environment_lock, paths.events,
        paths.code, paths.outputs, paths.logs, paths.lock,
    )  # fmt: skip
    known = {os.path.basename(name) for name in names}
    there = os.listdir(paths.run_dir)
    written = [name for folder in (paths.outputs, paths.logs) if os.path.isdir(folder) for name in os.listdir(folder)]
    return not written and all(name in known or name.endswith(".tmp") for name in there)


def _run_folders(workspace: WorkspacePaths, unreadable: list[str], *, links: bool) -> Iterator[RunPaths]:
    """Every folder below an experiment's, whatever it holds. A linked one may be needed, and is not ours to remove."""
    for experiment in _folders(workspace.runs, unreadable, links=links):
        for run_id in _folders(os.path.join(workspace.runs, experiment), unreadable, links=links):
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
