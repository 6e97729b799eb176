"""Images that no engine holds: a file (.sif, .sqsh) or the folder of an unpacked one, which whatever runs it reads where it lies.

A file is known by the SHA-256 of its bytes, which is computed once for as long as its stat stays the same. A folder has no id: its
content may change at any time.
"""

from __future__ import annotations

import os
import time

from trainconf.environments.image.recipe import refuse_recipe
from trainconf.environments.recipe.reader import read_contents
from trainconf.errors import EnvironmentRecipeError, Mistake
from trainconf.fast.records import replace
from trainconf.paths import WorkspacePaths, is_inside
from trainconf.spec import EnvironmentSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SUFFIXES = (".sif", ".sqsh", ".sqfs", ".squashfs", ".simg", ".img")
SOURCE = ("from", "env.docker.image")


def is_one(image: str) -> bool:
    """Whether the `image` of a spec is a path. It then begins as one, which no name in a registry does."""
    return image.startswith(("/", "./"))


def path_of(image: str, root: str) -> str:
    """Where it lies on this machine; `root` is the workspace."""
    return os.path.normpath(os.path.join(root, image))


def resolve(env: dict[str, Any], root: str, mistakes: list[Mistake]) -> EnvironmentSpec:
    """The facts of an image that is used as it is, by its path. Every mistake is appended to `mistakes`."""
    docker, python = env["docker"], env.get("python") or {}
    named = str(docker["image"])
    refuse_recipe(env, mistakes, "drop it, or build an image with it where an engine is")
    mistakes.extend(
        Mistake(f"env.docker.{key} and env.docker.image both say what the container is made from", ("from", f"env.docker.{key}"),
                hint="images are built where an engine is, with compute=docker; here name the finished one: env.docker.image")
        for key in ("base_image", "dockerfile", "build_context") if docker.get(key)
    )  # fmt: skip
    contents = read_contents({"python": python, "variables": env.get("variables")}, root, mistakes)
    image, digest = _as_recorded(os.path.expanduser(named), root), ""
    try:
        digest = _digest(named, root)
    except EnvironmentRecipeError as error:
        mistakes.extend(error.mistakes)
    return EnvironmentSpec(
        kind="image", interpreter=python.get("interpreter_path") or "", python=contents.python, software_id=digest,
        variables=contents.variables, image=image,
    )


def _digest(named: str, root: str) -> str:
    """sha256:<hex> of a file; empty for a folder. Raises EnvironmentRecipeError: it is no image, or cannot be read."""
    if mistakes := _mistakes(named, root):
        raise EnvironmentRecipeError(mistakes)
    path = path_of(os.path.expanduser(named), root)
    try:
        facts = os.stat(path)
        return "" if os.path.isdir(path) else f"sha256:{_file_digest(path, facts, WorkspacePaths(root))}"
    except OSError as error:
        raise EnvironmentRecipeError([Mistake(f"the image cannot be read: {error.strerror}", SOURCE, ("looked at", path))]) from error


def account(spec: EnvironmentSpec) -> str:
    """The text of environment.lock."""
    return f"# image {spec.image} {spec.software_id or '(a folder)'}\n# nobody has looked at what is installed in it\n"


def warning(spec: EnvironmentSpec) -> str:
    """What a user must know who runs in it; empty when it is known by its content."""
    if spec.software_id:
        return ""
    return (f"note: the image {spec.image} is a folder, whose content may change: no run in it counts as the same as another; "
            f"one file can be known by its content: `apptainer build FILE.sif {spec.image}`")  # fmt: skip


def now(before: EnvironmentSpec, root: str) -> EnvironmentSpec:
    """The same image with the content that it has now. Raises EnvironmentRecipeError when it is gone."""
    return replace(before, software_id=_digest(before.image, root))


def _mistakes(named: str, root: str) -> list[Mistake]:
    path = path_of(os.path.expanduser(named), root)
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


def _as_recorded(named: str, root: str) -> str:
    path = path_of(named, root)
    return os.path.join(".", os.path.relpath(path, root)) if is_inside(path, root) else path


def _file_digest(path: str, facts: os.stat_result, workspace: WorkspacePaths) -> str:
    from trainconf import files
    from trainconf.environments.recipe import contents

    cache_file = os.path.join(workspace.cache, "image_files.json")
    try:
        known = files.read_json(cache_file)
    except (OSError, ValueError):
        known = {}
    if not isinstance(known, dict):
        known = {}
    identity, looked_at_ns = files.fingerprint_of(facts), time.time_ns()
    entry = known.get(path)
    if isinstance(entry, list) and entry[:-1] == identity:
        return str(entry[-1])
    found = contents.digest(path)
    if files.is_settled(identity, looked_at_ns) and os.path.isdir(os.path.dirname(workspace.cache)):
        known[path] = [*identity, found]
        try:
            os.makedirs(workspace.cache, exist_ok=True)
            files.write_atomic(cache_file, files.dumps(known), durable=False)
        except OSError:
            return found  # only a cache: a full or read-only disk is told where something must be written
    return found
