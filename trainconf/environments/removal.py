"""Removing environments: by hand unless a run uses them, and what builds left that died midway."""

from __future__ import annotations

import os

from trainconf import files
from trainconf.environments import store
from trainconf.errors import EnvironmentRecipeError
from trainconf.fast.stdlib import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainconf.paths import RunPaths, WorkspacePaths

_KEY = re.compile(rf"[0-9a-f]{{{store.HASH_LENGTH}}}")


def rm(workspace: WorkspacePaths, name_or_hash: str) -> str:
    """Remove an environment; its hash. Raises EnvironmentRecipeError when an unfinished run uses it or it is being built."""
    built = store.show(workspace, name_or_hash)
    lock, use = store.lock_of(built.folder), store.use_of(built.folder)
    if not lock.acquire(blocking=False):
        raise EnvironmentRecipeError(f"environment {built.hash} is being built or removed", ("environment", built.folder))
    is_idle = use.acquire(blocking=False)
    try:
        if users := list(_used_by(workspace, built.trace)):
            raise EnvironmentRecipeError(
                f"environment {built.hash} is in use", ("runs", "\n".join(users)), hint="wait for them, or `trainconf cancel` them",
            )
        if not is_idle:
            raise EnvironmentRecipeError(f"environment {built.hash} was just handed to a run that begins", ("environment", built.folder))
        if isinstance(built, store.BuiltImage):
            from trainconf.environments.image import leftovers as image_store

            image_store.remove(built)
        store.discard(built.folder)
    finally:
        use.release()
        lock.release()
    return built.hash


def leftovers(workspace: WorkspacePaths) -> list[str]:
    """What builds and removals left that died midway, and folders without an account: names in the store of environments.

    Only folders with names that we give, no links, and nothing that is locked.
    """
    found = [name for name in store.names_in(workspace.envs) if _is_leftover(workspace, name)]
    return [name for name in found if not files.is_locked(_lock_path(workspace, name))]


def remove_leftover(workspace: WorkspacePaths, name: str) -> bool:
    """Remove one of `leftovers`; False when it is none any more. Raises OSError."""
    import shutil

    lock = files.FileLock(_lock_path(workspace, name))
    os.makedirs(os.path.dirname(lock.path), exist_ok=True)
    if not _is_leftover(workspace, name) or not lock.acquire(blocking=False):
        return False
    try:
        if not _is_leftover(workspace, name):
            return False
        shutil.rmtree(os.path.join(workspace.envs, name))
        return True
    finally:
        lock.release()


def _is_leftover(workspace: WorkspacePaths, name: str) -> bool:
    key, dot, rest = name.partition(".")
    path = os.path.join(workspace.envs, name)
    if not _KEY.fullmatch(key) or dot + rest not in ("", store.BUILDING, store.REMOVING) or os.path.islink(path) or not os.path.isdir(path):
        return False
    return bool(dot) or not os.path.exists(os.path.join(path, store.ACCOUNT))


def _lock_path(workspace: WorkspacePaths, name: str) -> str:
    return os.path.join(workspace.envs, ".locks", name.partition(".")[0])


def sweep_image_leftovers(workspace: WorkspacePaths, *, dry_run: bool = False) -> list[str]:
    """Remove what image builds left in the engine, or only look; in words. The engine is not asked where no image was ever built.

    Raises ContainerEngineError.
    """
    if not os.path.exists(os.path.join(workspace.envs, store.IMAGES_MARK)):
        return []
    from trainconf.environments.image import leftovers as image_store

    return image_store.sweep(workspace, dry_run=dry_run)


def _used_by(workspace: WorkspacePaths, trace: str) -> Iterator[str]:
    """Ids of the runs whose plan holds the trace of this environment and that go on: somebody holds their lock, or a scheduler has them."""
    locked: dict[str, bool] = {}
    for experiment in store.names_in(workspace.runs):
        for run_id in store.names_in(os.path.join(workspace.runs, experiment)):
            run = workspace.run(experiment, run_id)
            lock = _lock_held_for(run)
            if lock not in locked:
                locked[lock] = files.is_locked(lock)
            if (locked[lock] or _is_scheduled(run)) and _holds(run, trace):
                yield run_id


def _is_scheduled(run: RunPaths) -> bool:
    """Whether it was sent to a scheduler and nothing says that it has ended. Nobody holds the lock of a job that waits."""
    try:
        with open(run.plan, encoding="utf-8") as stream:
            if '"batch":{' not in stream.read():
                return False
    except (OSError, ValueError):
        return False
    final = {"Completed", "Failed", "Canceled"}
    return not any(isinstance(line, dict) and line.get("state") in final for line in files.read_lines(run.events))


def _lock_held_for(run: RunPaths) -> str:
    try:
        return str(files.read_json(run.record)["lock"])
    except (OSError, ValueError, KeyError, TypeError):
        return run.lock


def _holds(run: RunPaths, trace: str) -> bool:
    try:
        with open(run.plan, encoding="utf-8") as stream:
            return files.dumps(trace)[1:-1] in stream.read()
    except FileNotFoundError:
        return False
