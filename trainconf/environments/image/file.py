"""Images that are in no engine: a file (.sif, .sqsh) or the folder of an unpacked one, which is used where it lies.

A file is known by the SHA-256 of its bytes, computed once for as long as its status stays the same. A folder has no id, because its content
may change at any time.
"""

from __future__ import annotations

import os
import time

from trainconf import files
from trainconf.environments.image.recipe import refuse_recipe, used_as_it_is
from trainconf.environments.recipe import answers, file_tree
from trainconf.errors import EnvironmentRecipeError, Mistake
from trainconf.fast.records import replace
from trainconf.paths import WorkspacePaths, is_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.spec import EnvironmentSpec

SUFFIXES = (".sif", ".sqsh", ".sqfs", ".squashfs", ".simg", ".img")
SOURCE = ("from", "env.docker.image")


def read_image_file(env: dict[str, Any], root: str, mistakes: list[Mistake]) -> EnvironmentSpec:
    """The facts of an image that is used as it is, by its path. Every mistake is appended to `mistakes`."""
    docker, digest = env["docker"], ""
    refuse_recipe(env, mistakes, "drop it, or build an image with it where an engine is")
    mistakes.extend(
        Mistake(f"env.docker.{key} and env.docker.image both say what the container is made from", ("from", f"env.docker.{key}"),
                hint="images are built where an engine is, with compute=docker; here name the finished one: env.docker.image")
        for key in ("base_image", "dockerfile", "build_context") if docker.get(key)
    )  # fmt: skip
    path = _path_of(str(docker["image"]), root)
    try:
        digest = _digest(str(docker["image"]), root)
    except EnvironmentRecipeError as error:
        mistakes.extend(error.mistakes)
    return used_as_it_is(env, root, mistakes, os.path.join(".", os.path.relpath(path, root)) if is_inside(path, root) else path, digest)


def image_now(before: EnvironmentSpec, root: str) -> EnvironmentSpec:
    """The same image with the content that it has now. Raises EnvironmentRecipeError when it is gone."""
    return replace(before, software_id=_digest(before.image, root))


def _path_of(image: str, root: str) -> str:
    return os.path.normpath(os.path.join(root, os.path.expanduser(image)))


def _digest(named: str, root: str) -> str:
    """sha256:<hex> of a file; empty for a folder. Raises EnvironmentRecipeError: it is no image, or cannot be read."""
    if mistakes := _mistakes(named, root):
        raise EnvironmentRecipeError(mistakes)
    path = _path_of(named, root)
    try:
        facts = os.stat(path)
        return "" if os.path.isdir(path) else f"sha256:{_file_digest(path, facts, WorkspacePaths(root))}"
    except OSError as error:
        raise EnvironmentRecipeError([Mistake(f"the image cannot be read: {error.strerror}", SOURCE, ("looked at", path))]) from error


def _mistakes(named: str, root: str) -> list[Mistake]:
    path = _path_of(named, root)
    is_path = named.startswith(("/", ".", "~")) or named.lower().endswith(SUFFIXES)
    if not is_path and not os.path.exists(path):
        return [Mistake(
            f"compute=slurm runs an image that is a file on the shared disk, and {named!r} names one in a registry", SOURCE,
            ("allowed", "the path of a .sif or .sqsh file, or of an unpacked image's folder"),
            hint=f"fetch it once, `apptainer pull FILE.sif docker://{named}` or `enroot import -o FILE.sqsh docker://{named}`; name FILE",
        )]  # fmt: skip
    if not os.path.exists(path):
        return [Mistake("the image does not exist", SOURCE, ("looked at", path), hint="a relative path begins at the workspace")]
    if not os.access(path, os.R_OK):
        return [Mistake("the image cannot be read", SOURCE, ("looked at", path))]
    if os.path.isdir(path) and not os.path.lexists(os.path.join(path, "bin")):
        return [Mistake("the folder is no unpacked image: it has no bin", SOURCE, ("looked at", path))]
    return []


def _file_digest(path: str, facts: os.stat_result, workspace: WorkspacePaths) -> str:
    cache_file = os.path.join(workspace.cache, "image_files.json")
    known = answers.read(cache_file)
    identity, looked_at_ns = files.fingerprint_of(facts), time.time_ns()
    entry = known.get(path)
    if isinstance(entry, list) and entry[:-1] == identity:
        return str(entry[-1])
    found = file_tree.file_digest(path)
    if files.is_settled(identity, looked_at_ns):
        answers.write(cache_file, known | {path: [*identity, found]})
    return found
