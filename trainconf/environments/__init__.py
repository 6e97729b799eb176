"""The software a run sees: the current Python, a venv made from a recipe, or an image.

    read_recipe   what the user wrote under `env:` -> EnvironmentSpec; installs nothing
    ensure        EnvironmentRequest -> the Python, and the image, that runs a job; builds what is missing
    locate        the same without building
    store         the environments of a workspace; `removal` removes them, `lock` pins their versions

This package is on the road of every submission, so it imports what builds, removes or asks an engine only when that is needed.
"""

from __future__ import annotations

from trainconf.environments.prepare import Prepared, Software, ensure, ensure_later, is_file, is_known, locate
from trainconf.environments.recipe import reader
from trainconf.environments.recipe.reader import identity
from trainconf.environments.request import EnvironmentRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.errors import Mistake
    from trainconf.spec import EnvironmentSpec

__all__ = [
    "EnvironmentRequest", "Prepared", "Software", "ensure", "ensure_later", "identity", "is_file", "is_known", "locate", "read_recipe",
]  # fmt: skip


def read_recipe(
    env: dict[str, Any], root: str, mistakes: list[Mistake], *, as_image: bool = False, from_file: bool = False
) -> EnvironmentSpec:
    """Return the facts of a recipe. Every mistake in it is appended to `mistakes`; the result is then of no use.

    env:        schema.EnvironmentConfig as plain values
    root:       the workspace. Files are looked up there, then among those that ship with trainconf
    as_image:   the target starts containers. An image that is used as it is gets its id if the engine has it; nothing is fetched
    from_file:  the target takes an image that is a file, or else a Python of the machine
    """
    if from_file and (env.get("docker") or {}).get("image"):
        from trainconf.environments.image.file import read_image_file

        return read_image_file(env, root, mistakes)
    if as_image:
        from trainconf.environments.image.recipe import read_image_recipe

        return read_image_recipe(env, root, mistakes)
    return reader.read_recipe(env, root, mistakes)
