"""From what a user wrote under `env:` to the spec of an image: one that is used as it is, or a recipe on a base image or Dockerfile.

A submission whose image exists reads its recipe as well, so what reads files is imported only where there are some.
"""

from __future__ import annotations

import os
import re

from trainconf.environments.recipe.reader import RECIPE_KEYS, read_contents
from trainconf.environments.recipe.requirements import backend_of, shipped_or_own
from trainconf.errors import ContainerEngineError, Mistake
from trainconf.spec import EnvironmentSpec, Pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_PYTHON = "3.11"
DOCKERFILE, CONTEXT = "dockerfile:", "build_context:"  # mark their digests among the files of a spec

# Distribution, "reference": host[:port]/path:tag@digest; an id such as sha256:0123… is read as name and tag.
_HOST = r"(?:localhost|[\w-]*\.[\w.-]+|[\w.-]+(?=:\d))(?::\d+)?/"  # without a dot or a port it is the first part of the path
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REFERENCE = rf"(?:{_HOST})?{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
SECRET = re.compile(r"\$\{secret:")
_FROM = re.compile(r"(?im)^\s*FROM\s+\S")


def read_image_recipe(env: dict[str, Any], root: str, mistakes: list[Mistake]) -> EnvironmentSpec:
    """The facts of an image. Every mistake is appended to `mistakes`. An image used as it is gets its id when the engine has it."""
    docker, python = env.get("docker") or {}, env.get("python") or {}
    _check(docker, python, mistakes)
    if docker.get("image"):
        refuse_recipe(env, mistakes, "drop it, or name the image in env.docker.base_image to have it installed on top")
        image_id = "" if mistakes else _id_of(docker["image"], mistakes)
        return used_as_it_is(env, root, mistakes, docker["image"], image_id)
    if python.get("user_managed_dependencies"):
        mistakes.append(Mistake(
            "this environment is the Python of this machine, which no container has", ("from", "env.python.user_managed_dependencies"),
            hint="choose a recipe, such as env=minimal, or name an image that has what you need: env.docker.image=NAME",
        ))
        return EnvironmentSpec(kind="image")
    contents = read_contents(env, root, mistakes)
    if backend := backend_of(contents.requirements):
        from trainconf.environments.recipe.torch_backend import DRIVERS, refused_by_pip

        mistakes += [refused_by_pip(backend)] if backend in DRIVERS else []
    base, dockerfile = docker.get("base_image") or "", docker.get("dockerfile") or ""
    files, dockerfile, context = _build_files(docker, root, mistakes)
    wanted = contents.python
    if not base and not dockerfile:
        wanted = wanted or DEFAULT_PYTHON
        base = f"python:{wanted}-slim"
    return EnvironmentSpec(
        kind="image", interpreter=python.get("interpreter_path") or "", python=wanted, requirements=contents.requirements,
        files=tuple(sorted((*contents.files, *files))), variables=contents.variables, base_image=base, dockerfile=dockerfile,
        build_context=context, build_args=_build_args(docker, mistakes) if dockerfile else (),
    )


def _check(docker: dict[str, Any], python: dict[str, Any], mistakes: list[Mistake]) -> None:
    """Add the mistakes of the settings themselves."""
    given = [key for key in ("image", "base_image", "dockerfile") if docker.get(key)]
    if len(given) > 1:
        facts = [(f"env.docker.{key}", str(docker[key])) for key in given]
        mistakes.append(Mistake(f"{len(given)} settings say what the container is made from", ("from", f"env.docker.{given[-1]}"), *facts,
                                hint="keep one of them; an image that is used as it is goes to `image`"))
    if docker.get("build_context") and not docker.get("dockerfile"):
        mistakes.append(Mistake("a build context is for a Dockerfile, and none is given", ("from", "env.docker.build_context"),
                                hint="name it with env.docker.dockerfile=PATH"))
    for key in ("image", "base_image"):
        if (named := docker.get(key)) and not re.fullmatch(REFERENCE, named):
            mistakes.append(Mistake(f"{named!r} cannot be the name of an image", ("from", f"env.docker.{key}"),
                                    ("allowed", "such as python:3.11-slim, registry.example/team/name:tag, name@sha256:…; lower case")))
    named = python.get("interpreter_path") or ""
    if os.sep in named and not os.path.isabs(named):
        mistakes.append(Mistake(
            "in an image the interpreter is a program's name or an absolute path", ("from", "env.python.interpreter_path"),
            ("named", named),
        ))


def used_as_it_is(env: dict[str, Any], root: str, mistakes: list[Mistake], image: str, software_id: str) -> EnvironmentSpec:
    """The spec of an image in which nothing is installed."""
    python = env.get("python") or {}
    contents = read_contents({"python": python, "variables": env.get("variables")}, root, mistakes)
    return EnvironmentSpec(
        kind="image", interpreter=python.get("interpreter_path") or "", python=contents.python, software_id=software_id,
        variables=contents.variables, image=image,
    )


def _id_of(image: str, mistakes: list[Mistake]) -> str:
    from trainconf.environments.image.find import id_of

    try:
        return id_of(image)
    except ContainerEngineError as error:
        mistakes.extend(error.mistakes)
        return ""


def refuse_recipe(env: dict[str, Any], mistakes: list[Mistake], hint: str) -> None:
    """Add a mistake for each part of a recipe: nothing is installed in an image that is used as it is."""
    image = str(env["docker"]["image"])
    mistakes.extend(
        Mistake(
            f"env.{key} would not be installed: the image is used as it is", ("from", f"env.{key}"), ("env.docker.image", image),
            hint=hint,
        )
        for key in RECIPE_KEYS if env.get(key)
    )


def _build_files(docker: dict[str, Any], root: str, mistakes: list[Mistake]) -> tuple[Pairs, str, str]:
    """Digests of a Dockerfile and its context, and the paths of both, relative to the workspace for what lies in it."""
    if not docker.get("dockerfile"):
        return (), "", ""
    from trainconf.environments.image import context as build_context
    from trainconf.environments.recipe.file_tree import file_digest

    path, ignore = "" if is_text(docker["dockerfile"]) else shipped_or_own(docker["dockerfile"], root), ""
    found: list[tuple[str, str]] = []
    dockerfile = docker["dockerfile"] if is_text(docker["dockerfile"]) else _named(path, root)
    if is_text(dockerfile):
        mistakes += [] if _FROM.search(dockerfile) else [Mistake(
            "the Dockerfile has no FROM", ("from", "env.docker.dockerfile"), hint="its text begins with FROM IMAGE; a path has one line",
        )]
    elif _is_there(path, "env.docker.dockerfile", "the Dockerfile", os.path.isfile, mistakes):
        found.append((DOCKERFILE + dockerfile, file_digest(path)))
        ignore = path + build_context.IGNORE
    if not docker.get("build_context"):
        return tuple(found), dockerfile, ""
    folder = shipped_or_own(docker["build_context"], root)
    if _is_there(folder, "env.docker.build_context", "the build context", os.path.isdir, mistakes):
        try:
            found.append((CONTEXT + _named(folder, root), build_context.digest(folder, ignore)))
        except (OSError, ValueError) as error:
            looked_at = getattr(error, "filename", None) or folder
            mistakes.append(Mistake(f"the build context cannot be read: {getattr(error, 'strerror', None) or error}",
                                    ("from", "env.docker.build_context"), ("looked at", str(looked_at))))
    return tuple(found), dockerfile, _named(folder, root)


def is_text(dockerfile: str) -> bool:
    """Whether `env.docker.dockerfile` is the text of a Dockerfile, and not the path of one."""
    return "\n" in dockerfile or _FROM.match(dockerfile) is not None


def name_of(dockerfile: str) -> str:
    """What messages and lock files call a Dockerfile."""
    return "env.docker.dockerfile" if is_text(dockerfile) else dockerfile


def _is_there(path: str, source: str, what: str, is_kind: Any, mistakes: list[Mistake]) -> bool:
    if is_kind(path) and os.access(path, os.R_OK):
        return True
    state = "does not exist" if not os.path.exists(path) else "cannot be read" if is_kind(path) else "is of the wrong kind"
    mistakes.append(Mistake(f"{what} {state}", ("from", source), ("looked at", path)))
    return False


def _named(path: str, root: str) -> str:
    inside = os.path.relpath(path, root)
    return path if inside.split(os.sep)[0] == ".." else inside


def _build_args(docker: dict[str, Any], mistakes: list[Mistake]) -> Pairs:
    args = (docker.get("build") or {}).get("args") or {}
    mistakes.extend(
        Mistake(f"a secret in a build argument would stay in the image's history: {name}", ("from", f"env.docker.build.args.{name}"),
                hint="an installer's credentials go into env.docker.build.pip_config; a job's into env.variables")
        for name, value in args.items() if SECRET.search(str(value))
    )
    return tuple(sorted((str(name), str(value)) for name, value in args.items()))
