"""Pins every version of a recipe, for `trainconf env lock`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainconf.environments import EnvironmentRequest, read_recipe
from trainconf.errors import EnvironmentRecipeError, Mistake
from trainconf.paths import WorkspacePaths
from trainconf.reporter import Reporter


def lock(
    env: dict[str, Any], root: str, *, reporter: Reporter, as_image: bool = False, image_build: Mapping[str, Any] | None = None
) -> str:
    """Return the recipe with every version pinned, as the text of a requirements file: for this Python, or for that of an image.

    Raises EnvironmentRecipeError (all mistakes of the recipe; nothing to pin), BuildError and StorageError.
    """
    mistakes: list[Mistake] = []
    spec = read_recipe(env, root, mistakes, as_image=as_image)
    if mistakes:
        raise EnvironmentRecipeError(mistakes)
    request = EnvironmentRequest(spec, WorkspacePaths(root), env.get("name", "custom"), reporter, image_build=image_build)
    if as_image:
        from trainconf.environments.image.build import pinned  # needs an engine's client, which a venv does not
    else:
        from trainconf.environments.venv.build import pinned
    return pinned(request)
