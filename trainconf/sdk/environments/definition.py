"""What an `Environment` says, as the node `env` of a config; and back. Also as the text of a file `conf/env/<name>.yaml`."""

from __future__ import annotations

import os
import re

from trainconf.composition.layers import escaped
from trainconf.environments.image.fetch import DOCKER_HUB, registry_of
from trainconf.environments.recipe.requirements import logical_lines, shipped_or_own
from trainconf.paths import packaged
from trainconf.sdk.environments.conda import CondaDependencies
from trainconf.sdk.environments.requirement_lines import relative_to
from trainconf.sdk.environments.sections import DEFAULT_INTERPRETER, DockerSection, PythonSection
from trainconf.sdk.notes import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf import Environment

BARE = "bare"  # the shipped choice that has nothing: the values of an environment are all that there is
# Keys of a file of conf/env/ that no attribute stands for.
KEPT = ("requirements_file", "pyproject", "pyproject_extras", "pyproject_groups", "uv_lock", "conda_file", "torch_backend")
LOCK = re.compile(r"-r\s+(conf/env/\w+)\.lock\.txt")


def tree_of(environment: Environment) -> dict[str, Any]:
    """The node `env` that says what an environment says; what it leaves open is left out."""
    python, docker = environment.python, environment.docker
    packages = python.conda_dependencies
    is_image = docker._is_image
    image = _image_of(environment)
    tree: dict[str, Any] = {"name": environment.name, "python": {}, **environment._kept}
    if python.user_managed_dependencies and not is_image:
        tree["python"]["user_managed_dependencies"] = True
    elif packages._python or not is_image:
        tree["python"]["version"] = packages.get_python_version()
    if python.interpreter_path != DEFAULT_INTERPRETER:
        tree["python"]["interpreter_path"] = python.interpreter_path
    if python.user_managed_dependencies:
        tree["python"].pop("version", None)
    if packages.requirements:
        tree["requirements"] = packages.requirements
    tree["variables"] = {**packages._variables, **environment.environment_variables}
    if image:
        tree["docker"] = image
        if environment._build_args and "dockerfile" in image:
            tree["docker"]["build"] = {"args": environment._build_args}
    return {key: value for key, value in tree.items() if value or key == "name"}


def _image_of(environment: Environment) -> dict[str, Any]:
    docker = environment.docker
    if docker.base_image is not None:
        reference, address = docker.base_image, docker.base_image_registry.address
        if address and address != DOCKER_HUB and registry_of(reference) == DOCKER_HUB:
            reference = f"{address}/{reference}"
        return {"image" if environment.python.user_managed_dependencies else "base_image": reference}
    if docker.build_context is not None:
        return {"dockerfile": docker.build_context.dockerfile_path, "build_context": docker.build_context.path}
    return {} if docker.base_dockerfile is None else {"dockerfile": docker.base_dockerfile}


def tell_left_out(environment: Environment) -> None:
    """Say once which packages are not installed."""
    left_out = environment.python.conda_dependencies.left_out
    if left_out and left_out != environment._told:
        environment._told = left_out
        note(f"{', '.join(left_out)} not installed in environment {environment.name}: trainconf gives jobs what they log and read with")


# ---------------------------------------------------------------- from a config

def fill(environment: Environment, tree: dict[str, Any], root: str) -> None:
    """Give an environment what the node `env` of a config says. Its files are looked up in a workspace, or among the shipped ones."""
    python, docker = tree.get("python") or {}, tree.get("docker") or {}
    packages = CondaDependencies()
    for line in _unlocked([str(line) for line in tree.get("requirements") or ()], root):
        packages._add_line(line)
    if python.get("version"):
        packages.set_python_version(str(python["version"]))
    image = docker.get("image") or docker.get("base_image")
    is_user_managed = bool(python.get("user_managed_dependencies") or docker.get("image"))
    environment.python = PythonSection(is_user_managed, python.get("interpreter_path") or DEFAULT_INTERPRETER, packages)
    environment.docker = _section_of(docker, image, root)
    environment.environment_variables = dict(tree.get("variables") or {})
    environment._kept = {key: tree[key] for key in KEPT if tree.get(key)}
    environment._build_args = dict((docker.get("build") or {}).get("args") or {})


def _section_of(docker: dict[str, Any], image: str | None, root: str) -> DockerSection:
    from trainconf.environments.image.recipe import is_text
    from trainconf.sdk.environments.sections import DockerBuildContext

    named = docker.get("dockerfile")
    if not named or is_text(named):
        return DockerSection(base_image=image, base_dockerfile=named or None)
    path = shipped_or_own(named, root)
    if docker.get("build_context"):
        folder = shipped_or_own(docker["build_context"], root)
        return DockerSection(build_context=DockerBuildContext(folder, os.path.relpath(path, folder)))
    return DockerSection(base_dockerfile=path)


def _unlocked(lines: list[str], root: str) -> list[str]:
    """Lines with the locks of shipped environments replaced by what those were asked for: a lock takes nothing beside it."""
    found = []
    for line in lines:
        match = LOCK.fullmatch(line)
        if match is None or os.path.exists(os.path.join(root, f"{match[1]}.lock.txt")):
            found.append(line)
        else:
            found += _asked(packaged(f"{match[1]}.in"))
    return found


def _asked(path: str) -> list[str]:
    with open(path, encoding="utf-8") as stream:
        lines = [line for _, line in logical_lines(stream.read())]
    nested = [_asked(os.path.join(os.path.dirname(path), line[3:].strip())) if line.startswith("-r ") else [line] for line in lines]
    return [line for each in nested for line in each]


# ---------------------------------------------------------------- as a file

def portable(tree: dict[str, Any], root: str) -> dict[str, Any]:
    """The same with paths inside the workspace relative to it."""
    found = {key: dict(value) if isinstance(value, dict) else value for key, value in tree.items()}
    if "requirements" in found:
        found["requirements"] = [relative_to(line, root) for line in found["requirements"]]
    for key in ("dockerfile", "build_context"):
        path = found.get("docker", {}).get(key, "")
        if path.startswith(os.path.join(root, "")):
            found["docker"][key] = os.path.relpath(path, root)
    return found


def file_text(tree: dict[str, Any], comment: str) -> str:
    """The text of a file of `conf/env/` with these values."""
    import yaml

    body = yaml.dump(_escaped(tree), Dumper=_dumper(yaml), sort_keys=False, allow_unicode=True, width=140)
    return f"# {comment}\ndefaults:\n  - /schema/env/recipe@_here_\n  - _self_\n\n{body}"


def _dumper(yaml: Any) -> Any:
    """Of texts with several lines, such as a Dockerfile, one line each."""

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        pass

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return Dumper


def _escaped(value: Any) -> Any:
    """Values as a config file has them: `${` is text there only behind a backslash. A secret stays one."""
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return "${secret:".join(map(escaped, value.split("${secret:"))) if isinstance(value, str) else value


def read_file(document: dict[str, Any]) -> dict[str, Any]:
    """The values in a file that `file_text` has written, once it is read as YAML."""
    return {key: _unescaped(value) for key, value in document.items() if key != "defaults"}


def _unescaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unescaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unescaped(item) for item in value]
    return re.sub(r"(\\+)\$\{", lambda match: match[1][: len(match[1]) // 2] + "${", value) if isinstance(value, str) else value
