"""From what a user wrote under `env:` to the EnvironmentSpec. Reads every file that the recipe names, and installs nothing."""

from __future__ import annotations

import os
import sys

from trainconf.environments.recipe import interpreter
from trainconf.environments.recipe.installed import installed
from trainconf.environments.recipe.requirements import RequirementReader, shipped_or_own
from trainconf.errors import EnvironmentRecipeError, Mistake
from trainconf.fast.records import Record
from trainconf.fast.stdlib import re
from trainconf.paths import WorkspacePaths, is_inside
from trainconf.spec import EnvironmentSpec, Pairs, canonical, sha256_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

RECIPE_KEYS = (
    "requirements", "requirements_file", "pyproject", "pyproject_extras", "pyproject_groups", "uv_lock", "conda_file", "torch_backend",
)  # fmt: skip
VERSION = r"3\.\d+(\.\d+)?"
OLDEST_MINOR = 8  # what installers and the job's client still serve


def read_recipe(env: dict[str, Any], root: str, mistakes: list[Mistake]) -> EnvironmentSpec:
    """The facts of a recipe that becomes a venv, or of a user-managed Python. See `environments.read_recipe`."""
    docker = env.get("docker") or {}
    mistakes.extend(
        Mistake(
            f"env.docker.{key} would be ignored: this target {'runs no containers' if key == 'image' else 'builds no images'}",
            ("from", f"env.docker.{key}"),
            hint="choose compute=docker, or have it built there and name it to compute=slurm: env.docker.image=FILE; else a recipe such as "
            "env=minimal becomes a venv, and env=current is the Python you are in",
        )
        for key in ("image", "dockerfile", "build_context") if docker.get(key)
    )
    python = env.get("python") or {}
    if python.get("user_managed_dependencies"):
        return _user_managed(env, python, root, mistakes)
    return _managed(env, python, root, mistakes)


def identity(spec: EnvironmentSpec) -> str:
    """SHA-256, hex, of all that decides which software a managed environment holds. Variables and names do not.

    The platform is part of it, because machines of several kinds may share a workspace on a network disk.
    """
    facts = [spec.interpreter, spec.python, spec.requirements, spec.files, sys.platform, os.uname().machine]
    if spec.kind == "image":
        facts += [spec.kind, spec.image, spec.software_id, spec.base_image, spec.dockerfile, spec.build_context, spec.build_args]
    return sha256_hex(canonical(facts))


def current(spec: EnvironmentSpec, root: str) -> tuple[interpreter.Interpreter, list[str]]:
    """The user-managed Python of a spec as it is now; the `name==version` of all it has installed, and the PYTHONPATH of the job."""
    found = python_of(spec, root)
    inherited = {} if sys.flags.ignore_environment and not spec.interpreter else os.environ
    path = interpreter.python_path({**inherited, **dict(spec.variables)})
    packages = installed([*filter(os.path.isabs, path), *found.site_dirs])
    return found, [*packages, *(f"# PYTHONPATH {_portable(entry, root)}" for entry in path)]


def _portable(path: str, root: str) -> str:
    """Inside the workspace `./relative`, so that another clone of it has the same identity."""
    return os.path.join(".", os.path.relpath(path, root)) if os.path.isabs(path) and is_inside(path, root) else path


def python_of(spec: EnvironmentSpec, root: str) -> interpreter.Interpreter:
    """The user-managed Python of a spec. Raises EnvironmentRecipeError when it does not exist."""
    return _named_interpreter(spec.interpreter, root) if spec.interpreter else interpreter.submitting()


def packages_digest(packages: list[str]) -> str:
    """The `software_id` of a user-managed Python with these packages."""
    return sha256_hex("\n".join(packages))


def _named_interpreter(named: str, root: str) -> interpreter.Interpreter:
    return interpreter.inspect(interpreter.locate(named, root), WorkspacePaths(root).cache)


def _user_managed(env: dict[str, Any], python: dict[str, Any], root: str, mistakes: list[Mistake]) -> EnvironmentSpec:
    mistakes.extend(
        Mistake(
            f"env.{key} would not be installed: the dependencies of this environment are user-managed", ("from", f"env.{key}"),
            hint="drop it, or set env.python.user_managed_dependencies=false to have an environment made",
        )
        for key in RECIPE_KEYS if env.get(key)
    )
    named = python.get("interpreter_path") or ""
    variables = _variables(env.get("variables") or {}, mistakes)
    try:
        found, packages = current(EnvironmentSpec(interpreter=named, variables=variables), root)
    except EnvironmentRecipeError as error:
        mistakes.extend(error.mistakes)
        return EnvironmentSpec(interpreter=named, variables=variables)
    wanted = _version(python.get("version"), "env.python.version", mistakes)
    if wanted and not interpreter.fits(found.version, wanted):
        mistakes.append(_other_version(found, wanted, "env.python.version"))
    return EnvironmentSpec(
        kind="current", interpreter=named, python=found.version, software_id=packages_digest(packages), variables=variables,
    )


def _managed(env: dict[str, Any], python: dict[str, Any], root: str, mistakes: list[Mistake]) -> EnvironmentSpec:
    contents = read_contents(env, root, mistakes)
    named = python.get("interpreter_path") or ""
    return EnvironmentSpec(
        kind="venv", interpreter=named, python=_python_version(named, contents.python, root, mistakes),
        requirements=contents.requirements, files=contents.files, variables=contents.variables,
    )


class RecipeContents(Record):
    """The content of a recipe, for a venv or an image. `python` is the version, empty where none was given."""

    python: str
    requirements: tuple[str, ...]
    files: Pairs
    variables: Pairs


def read_contents(env: dict[str, Any], root: str, mistakes: list[Mistake]) -> RecipeContents:
    """Read the requirements with every file they name, the version of Python and the variables."""
    reader = RequirementReader(root, mistakes)
    if backend := env.get("torch_backend"):
        reader.take_torch_backend(str(backend), "env.torch_backend")
    reader.read_lines("\n".join(map(str, env.get("requirements") or ())), root, "env.requirements")
    if named := env.get("requirements_file"):
        reader.read_file(shipped_or_own(named, root), "env.requirements_file")
    variables: dict[str, Any] = {}
    wanted = _version((env.get("python") or {}).get("version"), "env.python.version", mistakes)
    _read_project(env, reader)
    if named := env.get("conda_file"):
        from trainconf.environments.recipe.formats import read_conda

        conda = read_conda(shipped_or_own(named, root), reader)
        variables.update(conda.variables)
        theirs = _version(conda.python, "env.conda_file", mistakes)
        if wanted and theirs and not (interpreter.fits(wanted, theirs) or interpreter.fits(theirs, wanted)):
            facts = (("env.python.version", wanted), ("conda_file", theirs))
            mistakes.append(Mistake("the recipe asks for two versions of Python", *facts, hint="drop one of them"))
        wanted = wanted or theirs
    variables.update(env.get("variables") or {})
    files = tuple(sorted(reader.digests.items()))
    return RecipeContents(wanted, tuple(reader.lines), files, _variables(variables, mistakes))


def _read_project(env: dict[str, Any], reader: RequirementReader) -> None:
    """Read a project's pyproject.toml or its uv.lock, with extras and groups."""
    chosen = env.get("pyproject_extras") or (), env.get("pyproject_groups") or ()
    if env.get("pyproject") and env.get("uv_lock"):
        facts = (("env.pyproject", str(env["pyproject"])), ("env.uv_lock", str(env["uv_lock"])))
        reader.mistakes.append(Mistake("a lock file has what its pyproject file asks for", *facts, hint="drop one of the two"))
    elif named := env.get("pyproject"):
        from trainconf.environments.recipe.pyproject import read_pyproject

        read_pyproject(shipped_or_own(named, reader.root), *chosen, reader)
    elif named := env.get("uv_lock"):
        from trainconf.environments.recipe.uv_lock import read_uv_lock

        read_uv_lock(os.path.normpath(os.path.join(reader.root, named)), *chosen, reader)
    else:
        reader.mistakes.extend(
            Mistake(f"env.{key} is about a project, and none is given", ("from", f"env.{key}"),
                    hint="env.pyproject=pyproject.toml, or env.uv_lock=uv.lock")
            for key in ("pyproject_extras", "pyproject_groups") if env.get(key)
        )  # fmt: skip


def _python_version(named: str, wanted: str, root: str, mistakes: list[Mistake]) -> str:
    """The version of a managed environment: as requested, else that of the interpreter it is built on."""
    if not named:
        return wanted or ".".join(map(str, sys.version_info[:2]))
    try:
        found = _named_interpreter(named, root)
    except EnvironmentRecipeError as error:
        mistakes.extend(error.mistakes)
        return wanted
    if wanted and not interpreter.fits(found.version, wanted):
        mistakes.append(_other_version(found, wanted, "env.python.version"))
    return wanted or found.minor_version


def _version(value: Any, source: str, mistakes: list[Mistake]) -> str:
    """A requested version, checked; empty when none was requested."""
    text = str(value).strip() if value is not None else ""
    if not text:
        return ""
    if not re.fullmatch(VERSION, text):
        mistakes.append(Mistake(f"{text!r} is not a version of Python", ("from", source), ("allowed", "such as 3.11 or 3.11.7")))
        return ""
    if int(text.split(".")[1]) < OLDEST_MINOR:
        hint = f'YAML reads 3.10 as the number 3.1: write "{text}0" in quotes' if text == "3.1" else ""
        mistakes.append(Mistake(f"Python {text} is too old", ("from", source), ("allowed", f"3.{OLDEST_MINOR} and later"), hint=hint))
    return text


def _other_version(found: interpreter.Interpreter, wanted: str, source: str) -> Mistake:
    facts = (("from", source), ("interpreter", found.path))
    return Mistake(f"the interpreter is Python {found.version}, not the {wanted} that was asked for", *facts, hint="drop one of the two")


def _variables(variables: Mapping[str, Any], mistakes: list[Mistake]) -> Pairs:
    for name, value in variables.items():
        if not name or "=" in name or "\0" in f"{name}{value}":
            facts = (("from", "env.variables"), ("allowed", "a name without `=`, no NUL characters"))
            mistakes.append(Mistake(f"{name!r} cannot be an environment variable", *facts))
    return tuple(sorted((str(name), str(value)) for name, value in variables.items()))
