"""The requirements inside conda environment files, and the reader of TOML."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, NamedTuple

import yaml

from trainconf.environments.recipe import conda
from trainconf.errors import Mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.environments.recipe.requirements import RequirementReader

CONDA_KEYS = ("channels", "dependencies", "name", "prefix", "variables")


class CondaFacts(NamedTuple):
    """The parts of a conda file besides its pip part: the Python it asks for, which may be empty, and variables."""

    python: str
    variables: dict[str, Any]


def read_conda(path: str, reader: RequirementReader) -> CondaFacts:
    """Pass what pip can install of a conda environment file to the reader. Anything that needs conda itself is a mistake."""
    text = reader.read_text(path, "the conda file", "env.conda_file")
    nothing = CondaFacts("", {})
    if text is None:
        return nothing
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        because = getattr(error, "problem", None) or "it is nested too deeply"
        place = f"{path}:{mark.line + 1}" if mark else path
        reader.mistakes.append(Mistake("the conda file is not YAML", ("from", place), ("because", because)))
        return nothing
    if not isinstance(document, dict) or not isinstance(document.get("dependencies", []), list):
        reader.mistakes.append(Mistake("the conda file must be a mapping with a list of dependencies", ("from", path)))
        return nothing
    if unknown := sorted(str(key) for key in document if key not in CONDA_KEYS):
        facts = (("from", path), ("allowed", ", ".join(CONDA_KEYS)))
        reader.mistakes.append(Mistake(f"{', '.join(unknown)}: not a key of a conda file", *facts))
    return CondaFacts(_conda_dependencies(document.get("dependencies", []), path, reader), document.get("variables") or {})


def _conda_dependencies(dependencies: list[Any], path: str, reader: RequirementReader) -> str:
    """Read what pip can install, refuse what only conda can, and return the version of Python that is asked for."""
    python = ""
    refused: list[str] = []
    taken: list[str] = []
    lines: list[str] = []
    for entry in dependencies:
        if isinstance(entry, dict) and list(entry) == ["pip"]:
            lines += [str(line) for line in entry["pip"] or ()]
        elif conda.name_of(str(entry)) == "python":
            version = conda.python_version(str(entry))
            if version is None:
                facts = (("from", path), ("allowed", "python, python=3.11, python=3.11.7"))
                reader.mistakes.append(Mistake(f"{entry} does not name one version of Python", *facts))
            python = version or python
        elif conda.name_of(str(entry)) != "pip":
            requirement = conda.as_requirement(str(entry))
            (refused if requirement is None else taken).append(str(entry) if requirement is None else requirement)
    reader.read_lines("\n".join(taken), os.path.dirname(path), f"{path} (conda)")
    reader.read_lines("\n".join(lines), os.path.dirname(path), f"{path} (pip)")
    if refused:
        reader.mistakes.append(Mistake(
            "the conda file needs conda itself, for pip has no such packages", ("from", path), ("only conda", "\n".join(refused)),
            hint="if pip has them, move them under `- pip:` by the names they have there, else leave them out; or use env=current with a "
            "conda environment's Python",
        ))
    return python


def toml_reader() -> Any:
    """The standard library's parser; before Python 3.11 the package it was made from."""
    return import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
