"""Finds images in the engine, known by their metadata or their label, with one request.

A container is started from an image's id, never from its name: a name may be moved between the question and the start.
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

    from trainconf.environments.request import EnvironmentRequest

IDENTITY_LABEL = "trainconf.identity"
ENV_LABEL = "trainconf.env"


def tag_of(name: str, identity: str) -> str:
    """The name of an image that trainconf makes. An environment's name may hold characters that an image's may not."""
    repository = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "custom"
    return f"trainconf/{repository[:100]}:{identity[: store.HASH_LENGTH]}"


@contextmanager
def engine() -> Iterator[Engine]:
    """The submitter's engine. An EngineError inside the block becomes a ContainerEngineError."""
    found = address.find(os.environ)
    try:
        yield Engine(found.url)
    except EngineError as error:
        if source := address.missing_source(error):
            raise address.explain_missing_source(found, source) from error
        raise address.explain(found, error) from error


def inspect(engine: Engine, reference: str) -> dict[str, Any] | None:
    """The engine's facts about an image; None when it has none of that name or id. Raises EngineError."""
    try:
        return dict(engine.get(f"/images/{quote(reference)}/json"))
    except EngineError as error:
        if error.is_missing:
            return None
        raise


def id_of(reference: str) -> str:
    """The id of an image; empty when the engine has none of that name, or when there is no engine."""
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
        with engine() as found:
            return {str(known["Id"]) for known in found.get("/images/json", {"all": True})}
    except ContainerEngineError:
        return None


def built(engine: Engine, request: EnvironmentRequest) -> store.BuiltImage | None:
    """The image of an environment, if its metadata is in the store and the engine still has it. Raises EngineError."""
    found = store.load(request.folder, request.identity)
    return found if isinstance(found, store.BuiltImage) and inspect(engine, found.image_id) is not None else None


def is_of(known: dict[str, Any] | None, identity: str) -> bool:
    """Whether an image was made from the recipe with this identity. Its name alone may have been moved."""
    return known is not None and ((known.get("Config") or {}).get("Labels") or {}).get(IDENTITY_LABEL) == identity


def state(request: EnvironmentRequest, tag: str) -> tuple[store.BuiltImage | None, str]:
    """The image if it is ready, and its state in the words of `trainconf plan`."""
    spec = request.spec
    try:
        with engine() as client:
            found = built(client, request)
            if found is not None:
                return found, "ready"
            if spec.image:
                return None, "there" if spec.software_id and inspect(client, spec.software_id) else "will be pulled"
            return None, "there" if is_of(inspect(client, tag), request.identity) else "will be built"
    except ContainerEngineError as error:
        return None, f"unknown, because {error.mistakes[0].what}"
