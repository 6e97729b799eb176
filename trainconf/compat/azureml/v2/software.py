"""The environment of a job: an image, a Dockerfile, a conda file, or a name, as a choice of `env` and what it changes of it."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

from trainconf.compat.azureml.v2.document import Document, Field
from trainconf.control.compose import ComposeRequest, compose
from trainconf.environments.recipe import conda
from trainconf.errors import UserError
from trainconf.resolve.search import config_dirs, groups
from trainconf.sdk.environments.curated import stand_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import WorkspacePaths

_FIELDS = {
    "name": Field("scalar"), "version": Field("scalar"), "description": Field(), "tags": Field("mapping"),
    "image": Field(), "build": Field("mapping"), "conda_file": Field("any"), "$schema": Field(),
    "os_type": Field(choices=("linux",)), "datastore": Field(told="has no meaning here: nothing is uploaded"),
    "inference_config": Field("any", told="has no meaning here: nothing is served"), "properties": Field("any"),
}
_BUILD = {"path": Field(is_required=True), "dockerfile_path": Field()}
_ASSET = re.compile(r"(?:azureml:)?(?P<name>[\w.-]+)(?:[:@](?P<version>[\w.-]+))?")
_REGISTRY = re.compile(r"azureml://registries/[\w.-]+/environments/(?P<name>[\w.-]+)(?:/(?:versions|labels)/(?P<version>[\w.-]+))?")


class Software(NamedTuple):
    """choice: of `env`. values: what is set below `env`, each with the keys of the file. needs_container: it is an image."""

    choice: str
    values: list[tuple[tuple[str, ...], dict[str, Any]]]
    needs_container: bool = False
    note: str = ""


def read(document: Document, keys: tuple[str, ...], workspace: WorkspacePaths) -> Software | None:
    """The environment at a path of keys; None where it is wrong, which is noted."""
    given = document.at(*keys)
    if isinstance(given, dict):
        return _inline(document, keys, workspace)
    if not isinstance(given, str):
        allowed = "the name of an environment, or a mapping with image, build or conda_file"
        document.wrong(keys, f"{'.'.join(keys)} is {given!r}", ("allowed", allowed))
        return None
    if given.startswith("file:") or given.endswith((".yml", ".yaml")):
        return _from_file(document, keys, given, workspace)
    match = _REGISTRY.fullmatch(given) or _ASSET.fullmatch(given)
    if match is None:
        document.wrong(keys, f"{given} names no environment", ("allowed", "azureml:NAME:VERSION, azureml:NAME@latest, file:PATH"))
        return None
    return named(document, keys, match["name"], match["version"] or "", workspace)


def named(document: Document, keys: tuple[str, ...], name: str, version: str, workspace: WorkspacePaths) -> Software | None:
    """An environment by its name: one of `conf/env/`, or a curated one of the original."""
    known = groups(config_dirs(workspace)).get("env", [])
    if name in known:
        return Software(name, [], needs_container=_is_image(name, workspace))
    curated = stand_in(name)
    if curated is not None:
        choice, packages = curated
        return Software(choice, [], note=f"{name}{f':{version}' if version else ''} is env={choice} here: {packages}")
    document.wrong(
        keys, f"there is no environment {name!r}", ("there are", ", ".join(known)),
        hint=f"add env=current to this command for the Python you are in, or write its recipe into conf/env/{name}.yaml",
    )
    return None


def _is_image(choice: str, workspace: WorkspacePaths) -> bool:
    """Whether a choice of `env` is an image. Raises ConfigError."""
    docker = compose(ComposeRequest([f"env={choice}", "experiment=adhoc"]), workspace).config["env"]["docker"]
    return any(docker[key] for key in ("image", "base_image", "dockerfile", "build_context"))


def _from_file(document: Document, keys: tuple[str, ...], given: str, workspace: WorkspacePaths) -> Software | None:
    """An environment in a file of its own."""
    path = document.local(given)
    try:
        other = Document(path)
    except UserError as error:
        document.wrong(keys, f"the environment {given} cannot be read", ("path", path), ("because", str(error.mistakes[0].what)))
        return None
    found = _inline(other, (), workspace)
    document.mistakes += other.mistakes
    document.notes += other.notes
    return found and found._replace(values=[(keys, tree) for _, tree in found.values])


def _inline(document: Document, keys: tuple[str, ...], workspace: WorkspacePaths) -> Software | None:
    given = document.read(keys, _FIELDS)
    build = document.read((*keys, "build"), _BUILD) if "build" in given else {}
    before = len(document.mistakes)
    if ("image" in given) + bool(build) > 1:
        document.wrong(keys, "an environment has image or build, and not both")
    if not {"image", "build", "conda_file"} & set(given):
        document.wrong(keys, "the environment says nothing of what is in it", ("allowed", "image, build or conda_file"))
    docker: dict[str, Any] = {}
    values: list[tuple[tuple[str, ...], dict[str, Any]]] = [(keys, {"name": str(given.get("name") or "custom")})]
    if "conda_file" in given:
        values += _conda(document, (*keys, "conda_file"), given["conda_file"], workspace)
    if "image" in given:
        image = re.sub(r"^(docker\.io/)?library/", "", given["image"])
        docker = {"base_image" if "conda_file" in given else "image": image}
        values.append(((*keys, "image"), {"docker": docker}))
    if build:
        docker = _build(document, (*keys, "build"), build, workspace)
        values.append(((*keys, "build"), {"docker": docker}))
    return Software("bare", values, bool(docker)) if len(document.mistakes) == before else None


def _build(document: Document, keys: tuple[str, ...], build: dict[str, Any], workspace: WorkspacePaths) -> dict[str, Any]:
    if re.match(r"https?:|git", build.get("path", "")):
        document.wrong((*keys, "path"), f"{build['path']} is not on this machine", hint="clone it, and write the path of its folder")
        return {}
    context = document.local(build.get("path", "."))
    dockerfile = os.path.join(context, build.get("dockerfile_path", "Dockerfile"))
    if not os.path.isfile(dockerfile):
        document.wrong(keys, "the Dockerfile does not exist", ("path", dockerfile))
    return {"dockerfile": relative(dockerfile, workspace), "build_context": relative(context, workspace)}


def _conda(
    document: Document, keys: tuple[str, ...], given: Any, workspace: WorkspacePaths
) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    """A conda file by its path; one that is written in the job as the lines of requirements that it stands for."""
    if isinstance(given, str):
        path = document.local(given)
        if not os.path.isfile(path):
            document.wrong(keys, "the conda file does not exist", ("path", path))
        return [(keys, {"conda_file": relative(path, workspace)})]
    if not isinstance(given, dict):
        document.wrong(keys, f"conda_file is {given!r}", ("allowed", "the path of a conda file, or what it holds"))
        return []
    dependencies = given.get("dependencies") or []
    is_list = isinstance(dependencies, list)
    lists = [entry.get("pip") or [] for entry in dependencies if isinstance(entry, dict)] if is_list else [dependencies]
    if not all(isinstance(one, list) for one in lists):
        allowed = "dependencies: [python=3.11, {pip: [numpy]}]"
        document.wrong(keys, "the conda file has no list of dependencies or of pip's packages", ("allowed", allowed))
        return []
    return [(keys, _recipe(document, (*keys, "dependencies"), dependencies))]


def _recipe(document: Document, keys: tuple[str, ...], dependencies: list[Any]) -> dict[str, Any]:
    """What pip can install of conda's dependencies; what it cannot is noted by name."""
    python, lines, pip_lines = "", [], []
    for entry in dependencies:
        if isinstance(entry, dict):
            pip_lines += [str(line) for line in entry.get("pip") or []]
            continue
        name, line = conda.name_of(str(entry)), conda.as_requirement(str(entry))
        if name == "python":
            version = conda.python_version(str(entry))
            if version is None:
                document.wrong(keys, f"{entry} does not name one version of Python", ("allowed", "python, python=3.11, python=3.11.7"))
            python = version or python
        elif name != "pip" and line is None:
            document.wrong(keys, f"{entry} needs conda itself", hint="if pip has it, move it under `- pip:` by the name it has there")
        elif name != "pip":
            lines.append(str(line))
    return {"requirements": lines + pip_lines, **({"python": {"version": python}} if python else {})}


def relative(path: str, workspace: WorkspacePaths) -> str:
    """A path as a config file has it: relative to the workspace, where it lies in it."""
    inside = os.path.join(os.path.realpath(workspace.root), "")
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    return os.path.relpath(real, inside) if f"{real}/".startswith(inside) else path
