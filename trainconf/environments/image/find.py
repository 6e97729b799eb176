"""Images that are there: asked for with one request, known by their account or their label. Making one is `image_build.py`'s.

A container is made from an image's id, never its name: a name may be moved between the question and the start.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from urllib.parse import quote

from trainconf.engine import address
from trainconf.engine.client import Engine, EngineError, EngineUnreachable
from trainconf.environments import store
from trainconf.errors import ContainerEngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.paths import WorkspacePaths
    from trainconf.spec import EnvironmentSpec

IDENTITY_LABEL = "trainconf.identity"
ENV_LABEL = "trainconf.env"


def tag_of(name: str, identity: str) -> str:
    """What an image that we make is called. An environment's name may hold what an image's may not."""
    repository = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "custom"
    return f"trainconf/{repository[:100]}:{identity[: store.HASH_LENGTH]}"


@contextmanager
def engine() -> Iterator[Engine]:
    """The engine the submitter would speak to. What it refuses inside the block is told as a ContainerEngineError."""
    found = address.find(os.environ)
    try:
        yield Engine(found.url)
    except EngineError as error:
        if source := address.missing_source(error):
            raise address.explain_missing_source(found, source) from error
        raise address.explain(found, error) from error


def inspect(speaker: Engine, reference: str) -> dict[str, Any] | None:
    """What the engine knows of an image, None when it has none of that name or id. Raises EngineError."""
    try:
        return dict(speaker.get(f"/images/{quote(reference)}/json"))
    except EngineError as error:
        if error.is_missing:
            return None
        raise


def id_of(reference: str) -> str:
    """The id of an image; empty when the engine has none of that name, or there is nobody to ask."""
    if not reference:
        return ""
    found = address.find(os.environ)
    try:
        known = inspect(Engine(found.url), reference)
    except EngineUnreachable:
        return ""
    except EngineError as error:
        raise address.explain(found, error) from error
    return str(known["Id"]) if known else ""


def ids() -> set[str] | None:
    """The ids of all images that the engine has; None when it cannot be asked."""
    try:
        with engine() as speaker:
            return {str(known["Id"]) for known in speaker.get("/images/json", {"all": True})}
    except ContainerEngineError:
        return None


def built(speaker: Engine, workspace: WorkspacePaths, identity: str) -> store.BuiltImage | None:
    """The image of an environment, whole: its account is here and the engine still has it. Raises EngineError."""
    account = store.load(store.environment_dir(workspace, identity), identity)
    if not isinstance(account, store.BuiltImage):
        return None
    known = inspect(speaker, account.image_id)
    return account if known is not None else None


def is_of(known: dict[str, Any] | None, identity: str) -> bool:
    """Whether an image was made from the recipe with this identity: a name alone may have been moved."""
    return known is not None and ((known.get("Config") or {}).get("Labels") or {}).get(IDENTITY_LABEL) == identity


def state(spec: EnvironmentSpec, workspace: WorkspacePaths, identity: str, tag: str) -> tuple[store.BuiltImage | None, str]:
    """What `trainconf plan` says: the image if it is ready, and how things stand, in words."""
    try:
        with engine() as speaker:
            found = built(speaker, workspace, identity)
            if found is not None:
                return found, "ready"
            if spec.image:
                return None, "there" if spec.software_id and inspect(speaker, spec.software_id) else "will be pulled"
            return None, "there" if is_of(inspect(speaker, tag), identity) else "will be built"
    except ContainerEngineError as error:
        return None, f"unknown, because {error.mistakes[0].what}"
