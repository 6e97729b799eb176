"""What image environments leave in the engine: images and build containers, found by label, removed when nobody needs them."""

from __future__ import annotations

import os

from trainconf.engine.client import EngineError
from trainconf.environments import store
from trainconf.environments.image import find as image
from trainconf.errors import EnvironmentRecipeError
from trainconf.spec import sha256_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.engine.client import Engine
    from trainconf.paths import WorkspacePaths

BUILD_LABEL = "trainconf.build"  # whose build made a container or image: <workspace>-<environment>, whose lock tells if it still runs
STAGE_LABEL = "trainconf.stage"  # what an image that others are built on holds
CONFLICT = 409


def build_label(workspace: WorkspacePaths, folder: str) -> str:
    """The value of BUILD_LABEL for the environment in a folder of the store."""
    return f"{_label_of(workspace)}-{os.path.basename(folder)}"


def remove(built: store.BuiltImage) -> None:
    """Remove an image that we made, with the stages nobody else needs; one that is used as it is stays. Raises EnvironmentRecipeError."""
    if not built.is_ours:
        return
    with image.engine() as engine:
        for reference in (built.image, built.image_id):
            if not image.is_of(image.inspect(engine, reference), str(built.account["identity"])):
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
    """Remove a build container, also while it works; it may be gone. Raises EngineError."""
    try:
        engine.delete(f"/containers/{name}", {"force": True, "v": True})
    except EngineError as error:
        if not error.is_missing:
            raise


def sweep(workspace: WorkspacePaths, *, dry_run: bool = False) -> list[str]:
    """Remove what died builds of this workspace left; what was removed. A build that still runs keeps what it has.

    A dry run names what the first round would remove: the layers below show only once those above them are gone.
    """
    swept = []
    with image.engine() as engine:
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
    """The environment and the engine's facts of each thing that a build of this workspace made and that nobody works on now."""
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
    """Remove images that nothing is built on and no container uses; those that were removed.

    What a Dockerfile made takes its steps along; below our own stages nothing is touched that was there before.
    """
    removed = set()
    for id_ in ids:
        known = image.inspect(engine, id_)
        if known is None:
            continue
        is_stage = {STAGE_LABEL, image.IDENTITY_LABEL} & set((known["Config"] or {}).get("Labels") or {})
        try:
            engine.delete(f"/images/{id_}", {"noprune": bool(is_stage)})
        except EngineError as error:
            if error.status != CONFLICT and not error.is_missing:
                raise
            continue
        removed.add(id_)
    return removed


def _needed(envs: str, but: store.BuiltImage | None = None) -> set[str]:
    """Ids of the stages that the environments of a store are built on, save one of them."""
    accounts = [store.load(os.path.join(envs, name)) for name in os.listdir(envs) if but is None or name != but.hash]
    return {id_ for built in accounts if isinstance(built, store.BuiltImage) for id_ in built.stages}


def _label_of(workspace: WorkspacePaths) -> str:
    return sha256_hex(os.path.realpath(workspace.root))[: store.HASH_LENGTH]
