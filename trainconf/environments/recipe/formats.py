"""The requirements inside other files: pyproject.toml and conda environment files."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import Any, NamedTuple

import yaml

from trainconf.environments.recipe.installed import normalised
from trainconf.errors import Mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.environments.recipe.requirements import RequirementReader

CONDA_KEYS = ("channels", "dependencies", "name", "prefix", "variables")
CONDA_SPEC = re.compile(r"(?:[\w.-]+::)?(?P<name>[\w.-]+)\s*(?P<version>.*)")
CONDA_EXACT = re.compile(r"={1,2}\s*(?P<version>\d+(\.\d+)+)(\.\*)?(=\S+)?")


class CondaFacts(NamedTuple):
    """The parts of a conda file besides its pip part: the Python it asks for, which may be empty, and variables."""

    python: str
    variables: dict[str, Any]


def read_pyproject(path: str, reader: RequirementReader) -> None:
    """Pass `project.dependencies` of a pyproject.toml to the reader. What cannot be obeyed is a mistake."""
    text = reader.read_text(path, "the pyproject file", "env.pyproject")
    if text is None:
        return
    toml = toml_reader()
    try:
        document = toml.loads(text)
    except toml.TOMLDecodeError as error:
        reader.mistakes.append(Mistake(f"the pyproject file is not TOML: {error}", ("from", path)))
        return
    project = document.get("project", {})
    if "dependencies" in project.get("dynamic", ()) or "dependencies" not in project:
        reader.mistakes.append(Mistake(
            "the pyproject file does not list its dependencies", ("from", path), ("looked at", "project.dependencies"),
            hint="to install the project with what its build works out, write its folder as a requirement: env.requirements=[.]",
        ))
        return
    sources = {normalised(name) for name in document.get("tool", {}).get("uv", {}).get("sources", {})}
    redirected = [line for line in project["dependencies"] if normalised(re.split(r"[^\w.-]", line, maxsplit=1)[0]) in sources]
    if redirected:
        reader.mistakes.append(Mistake(
            "the pyproject file takes dependencies from places that only uv's project commands read", ("from", path),
            ("tool.uv.sources", "\n".join(redirected)),
            hint="`uv export --no-hashes -o requirements.txt`, and name that in env.requirements_file",
        ))
    reader.read_lines("\n".join(project["dependencies"]), os.path.dirname(path), "project.dependencies")


def read_conda(path: str, reader: RequirementReader) -> CondaFacts:
    """Pass the pip part of a conda environment file to the reader. Anything that needs conda itself is a mistake."""
    text = reader.read_text(path, "the conda file", "env.conda_file")
    nothing = CondaFacts("", {})
    if text is None:
        return nothing
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        reader.mistakes.append(Mistake("the conda file is not YAML", ("from", path), ("problem", str(error))))
        return nothing
    if not isinstance(document, dict) or not isinstance(document.get("dependencies", []), list):
        reader.mistakes.append(Mistake("the conda file must be a mapping with a list of dependencies", ("from", path)))
        return nothing
    if unknown := sorted(str(key) for key in document if key not in CONDA_KEYS):
        facts = (("from", path), ("allowed", ", ".join(CONDA_KEYS)))
        reader.mistakes.append(Mistake(f"{', '.join(unknown)}: not a key of a conda file", *facts))
    return CondaFacts(_conda_dependencies(document.get("dependencies", []), path, reader), document.get("variables") or {})


def _conda_dependencies(dependencies: list[Any], path: str, reader: RequirementReader) -> str:
    """Read the pip part, refuse what only conda can install, and return the version of Python that is asked for."""
    python = ""
    refused = []
    for entry in dependencies:
        if isinstance(entry, dict) and list(entry) == ["pip"]:
            reader.read_lines("\n".join(map(str, entry["pip"] or ())), os.path.dirname(path), f"{path} (pip)")
            continue
        match = CONDA_SPEC.fullmatch(str(entry).strip())
        if match and match["name"] == "python":
            exact = CONDA_EXACT.fullmatch(match["version"])
            if exact:
                python = exact["version"]
            elif match["version"]:
                facts = (("from", path), ("allowed", "python, python=3.11, python=3.11.7"))
                reader.mistakes.append(Mistake(f"{entry} does not name one version of Python", *facts))
        elif not match or match["name"] != "pip":
            refused.append(str(entry))
    if refused:
        reader.mistakes.append(Mistake(
            "the conda file needs conda itself; only its pip part can be installed", ("from", path), ("only conda", "\n".join(refused)),
            hint="move them under `- pip:` by the names they have there; or use env=current with a conda environment's Python",
        ))
    return python


def toml_reader() -> Any:
    """The standard library's parser; before Python 3.11 the package it was made from."""
    return import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
