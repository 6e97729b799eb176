"""Removes environments: those a user names, unless a run uses them, and what is left of builds that died."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable

from trainconf import files
from trainconf.environments import store
from trainconf.errors import EnvironmentRecipeError
from trainconf.paths import WorkspacePaths

KEY = re.compile(rf"[0-9a-f]{{{store.HASH_LENGTH}}}")


def rm(workspace: WorkspacePaths, name_or_hash: str, users: Callable[[str], Iterable[str]]) -> str:
    """Remove an environment; return its hash.

    `users` gives the ids of the unfinished runs whose plan holds a text, which is the environment's `trace`.
    Raises EnvironmentRecipeError when a run uses the environment, or when it is being built.
    """
    built = store.show(workspace, name_or_hash)
    lock, use = store.lock_of(built.folder), store.use_of(built.folder)
    if not lock.acquire(blocking=False):
        raise EnvironmentRecipeError(f"environment {built.hash} is being built or removed", ("environment", built.folder))
    is_idle = use.acquire(blocking=False)
    try:
        if runs := list(users(built.trace)):
            raise EnvironmentRecipeError(
                f"environment {built.hash} is in use", ("runs", "\n".join(runs)), hint="wait for them, or `trainconf cancel` them",
            )
        if not is_idle:
            raise EnvironmentRecipeError(f"environment {built.hash} was just handed to a run that begins", ("environment", built.folder))
        if isinstance(built, store.BuiltImage):
            from trainconf.environments.image import leftovers as image_leftovers  # needs the engine

            image_leftovers.remove(built)
        store.discard(built.folder)
    finally:
        use.release()
        lock.release()
    return built.hash


def leftovers(workspace: WorkspacePaths) -> list[str]:
    """The folders of the store that builds and removals left when they died, and those without metadata.

    Only folders with names that trainconf gives; no links, and nothing that is locked.
    """
    found = [name for name in files.names_in(workspace.envs) if _is_leftover(workspace, name)]
    return [name for name in found if not files.is_locked(_lock_path(workspace, name))]


def remove_leftover(workspace: WorkspacePaths, name: str) -> bool:
    """Remove one of `leftovers`; False when it no longer is one. Raises OSError."""
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


def sweep_image_leftovers(workspace: WorkspacePaths, *, dry_run: bool = False) -> list[str]:
    """Remove what image builds left in the engine, or only look; return it in words.

    Does not ask the engine where no image was ever built. Raises ContainerEngineError.
    """
    if not os.path.exists(os.path.join(workspace.envs, store.IMAGES_MARK)):
        return []
    from trainconf.environments.image import leftovers as image_leftovers

    return image_leftovers.sweep(workspace, dry_run=dry_run)


def _is_leftover(workspace: WorkspacePaths, name: str) -> bool:
    key, dot, rest = name.partition(".")
    path = os.path.join(workspace.envs, name)
    if not KEY.fullmatch(key) or dot + rest not in ("", store.BUILDING, store.REMOVING) or os.path.islink(path) or not os.path.isdir(path):
        return False
    return bool(dot) or not os.path.exists(os.path.join(path, store.METADATA))


def _lock_path(workspace: WorkspacePaths, name: str) -> str:
    return os.path.join(workspace.envs, ".locks", name.partition(".")[0])
