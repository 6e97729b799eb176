"""Removes from the engine what image environments leave there: images and build containers that nobody needs, found by their labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from trainconf import files
from trainconf.engine.client import Engine, EngineError
from trainconf.environments import store
from trainconf.environments.image import find
from trainconf.errors import EnvironmentRecipeError
from trainconf.paths import WorkspacePaths
from trainconf.spec import sha256_hex

BUILD_LABEL = "trainconf.build"  # <workspace>-<environment>: the build that made it. The environment's lock tells whether that still runs
STAGE_LABEL = "trainconf.stage"  # the key of a stage, an image that others are built on
CONFLICT = 409


def build_label(workspace: WorkspacePaths, folder: str) -> str:
    """The value of BUILD_LABEL for the environment in a folder of the store."""
    return f"{_label_of(workspace)}-{os.path.basename(folder)}"


def remove(built: store.BuiltImage) -> None:
    """Remove an image that trainconf made, with the stages that no other one needs. Raises EnvironmentRecipeError when it is in use."""
    if not built.is_ours:
        return
    with find.engine() as engine:
        for reference in (built.image, built.image_id):
            if not find.is_of(find.inspect(engine, reference), str(built.metadata["identity"])):
                continue
            try:
                engine.delete(f"/images/{reference}", {"noprune": True})
            except EngineError as error:
                if error.status != CONFLICT:
                    raise
                raise EnvironmentRecipeError(
                    f"image {built.image} is in use", ("the engine said", error.message), hint="wait for its containers, or remove them",
                ) from error
        needed = _needed(os.path.dirname(built.folder), but=built)
        remove_unneeded(engine, [id_ for id_ in built.stages[::-1] if id_ not in needed])


def remove_container(engine: Engine, name: str) -> None:
    """Remove a build container, also while it runs; it may be gone. Raises EngineError."""
    try:
        engine.delete(f"/containers/{name}", {"force": True, "v": True})
    except EngineError as error:
        if not error.is_missing:
            raise


def sweep(workspace: WorkspacePaths, *, dry_run: bool = False) -> list[str]:
    """Remove what builds of this workspace left when they died; return it in words. A build that still runs keeps what it has.

    A dry run names what the first round would remove: the engine lists layers below only once those above them are gone.
    """
    swept = []
    with find.engine() as engine:
        ours = f"{_label_of(workspace)}-"
        found = engine.get("/containers/json", {"all": True, "filters": {"label": [BUILD_LABEL]}})
        for key, container in _orphans(workspace, found, ours):
            if not dry_run:
                remove_container(engine, container["Id"])
            swept.append(f"a build container of {key}")
        needed = _needed(workspace.envs)
        while True:
            listed = engine.get("/images/json", {"filters": {"label": [BUILD_LABEL], "dangling": ["true"]}})
            orphans = [(key, stage["Id"]) for key, stage in _orphans(workspace, listed, ours) if stage["Id"] not in needed]
            removed = {id_ for _, id_ in orphans} if dry_run else remove_unneeded(engine, [id_ for _, id_ in orphans])
            swept += [f"a layer of {key}" for key, id_ in orphans if id_ in removed]
            if not removed or dry_run:
                return swept


def _orphans(workspace: WorkspacePaths, found: list[dict[str, Any]], ours: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(environment, the engine's facts) of everything that a build of this workspace made and that no build uses now."""
    for thing in found:
        label = str(thing["Labels"][BUILD_LABEL])
        if not label.startswith(ours):
            continue
        key = label.removeprefix(ours)
        lock = store.lock_of(os.path.join(workspace.envs, key))
        if lock.acquire(blocking=False):
            try:
                yield key, thing
            finally:
                lock.release()


def remove_unneeded(engine: Engine, ids: list[str]) -> set[str]:
    """Remove images that nothing is built on and no container uses; return the ids of those that were removed.

    An image of a Dockerfile is removed with its steps. A stage is removed alone, because what is below it may be older.
    """
    removed = set()
    for id_ in ids:
        known = find.inspect(engine, id_)
        if known is None:
            continue
        is_stage = {STAGE_LABEL, find.IDENTITY_LABEL} & set((known["Config"] or {}).get("Labels") or {})
        try:
            engine.delete(f"/images/{id_}", {"noprune": bool(is_stage)})
        except EngineError as error:
            if error.status != CONFLICT and not error.is_missing:
                raise
            continue
        removed.add(id_)
    return removed


def _needed(envs: str, but: store.BuiltImage | None = None) -> set[str]:
    """Ids of the stages that the environments of a store are built on, except for one of them."""
    found = [store.load(os.path.join(envs, name)) for name in files.names_in(envs) if but is None or name != but.hash]
    return {id_ for built in found if isinstance(built, store.BuiltImage) for id_ in built.stages}


def _label_of(workspace: WorkspacePaths) -> str:
    return sha256_hex(os.path.realpath(workspace.root))[: store.HASH_LENGTH]
