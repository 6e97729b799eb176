"""The software a run sees: the current Python, a venv made from a recipe, or an image.

`resolve` reads recipes, `ensure` hands environments out. `build`, `image_build` and what they need are imported by the call that needs
them.
"""

from __future__ import annotations

from trainconf.environments.prepare import Prepared, Software, ensure, ensure_later, is_file, locate
from trainconf.environments.recipe import reader as recipe
from trainconf.environments.recipe.reader import identity
from trainconf.environments.removal import leftovers, remove_leftover, rm, sweep_image_leftovers
from trainconf.environments.store import BuiltEnvironment, BuiltImage, ls, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from trainconf.errors import Mistake
    from trainconf.spec import EnvironmentSpec

__all__ = [
    "BuiltEnvironment", "BuiltImage", "Prepared", "Software", "ensure", "ensure_later", "identity", "image_id", "image_ids", "image_now",
    "is_file", "is_known", "leftovers", "locate", "lock", "ls", "remove_leftover", "resolve", "rm", "show", "sweep_image_leftovers",
]  # fmt: skip


def resolve(env: dict[str, Any], root: str, mistakes: list[Mistake], *, as_image: bool = False, from_file: bool = False) -> EnvironmentSpec:
    """The facts of a recipe. Every mistake in it is appended to `mistakes`, and the result is then of no use.

    `env` is schema.EnvironmentConfig as plain values, `root` the workspace: files are looked up there, then among the shipped ones.
    `as_image`: what runs it makes containers. An image that is used as it is gets its id if the engine has it; nothing is fetched.
    `from_file`: what runs it takes an image that is there already as a file, and else a Python of the machine.
    """
    if from_file and (env.get("docker") or {}).get("image"):
        from trainconf.environments.image import file as image_file

        return image_file.resolve(env, root, mistakes)
    if as_image:
        from trainconf.environments.image.recipe import resolve_image

        return resolve_image(env, root, mistakes)
    return recipe.resolve(env, root, mistakes)


def image_id(reference: str) -> str:
    """The id of an image; empty when the engine has none of that name, or there is nobody to ask."""
    from trainconf.environments.image.find import id_of

    return id_of(reference)


def image_now(before: EnvironmentSpec, root: str) -> EnvironmentSpec:
    """An image file with the content that it has now. Raises EnvironmentRecipeError when it is gone."""
    from trainconf.environments.image import file as image_file

    return image_file.now(before, root)


def is_known(spec: EnvironmentSpec) -> bool:
    """Whether equal specs mean equal software: not where an image is known by nothing but its place."""
    return not spec.image or bool(spec.software_id)


def image_ids() -> set[str] | None:
    """The ids of all images that the engine has; None when it cannot be asked."""
    from trainconf.environments.image.find import ids

    return ids()


def lock(
    env: dict[str, Any], root: str, *, report: Callable[[str], None], as_image: bool = False, image_build: Mapping[str, Any] | None = None
) -> str:
    """The recipe with every version pinned, as the text of a requirements file: for this Python, or for an image's.

    Raises EnvironmentRecipeError (all mistakes of the recipe; nothing to pin), BuildError and StorageError.
    """
    from trainconf.errors import EnvironmentRecipeError

    mistakes: list[Mistake] = []
    spec = resolve(env, root, mistakes, as_image=as_image)
    if mistakes:
        raise EnvironmentRecipeError(mistakes)
    name = env.get("name", "custom")
    if as_image:
        from trainconf.environments.image.build import lock as lock_image

        return lock_image(spec, root, name=name, report=report, settings=image_build or {})
    from trainconf.environments.venv.build import lock as lock_venv

    return lock_venv(spec, root, name=name, report=report)
