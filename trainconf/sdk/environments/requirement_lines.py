"""Requirement lines that a program gives: read from files, checked one by one, known by the name of their package."""

from __future__ import annotations

import os
import re

from trainconf.environments.recipe.installed import normalised
from trainconf.environments.recipe.requirements import local_requirement, logical_lines
from trainconf.errors import Mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_OPTIONS = re.compile(r"\s--(?:hash|config-settings|global-option)\b")
INCLUDES = ("-r", "--requirement", "-c", "--constraint")


def of_file(path: str) -> list[str]:
    """The lines of a requirements file, its paths absolute: includes are relative to the file, packages to the current folder, as in pip.

    Raises OSError, UnicodeDecodeError.
    """
    with open(path, encoding="utf-8-sig") as stream:
        text = stream.read()
    folder = os.path.dirname(os.path.abspath(path))
    return [with_whole_path(line, os.getcwd(), folder) for _, line in logical_lines(text)]


def with_whole_path(line: str, *folders: str) -> str:
    """A line whose local path is looked up in folders, and made absolute where it is found. An include is relative to the last folder."""
    option, _, value = line.partition(" ")
    if option in INCLUDES and "://" not in value:
        return f"{option} {os.path.join(folders[-1], value.strip())}"
    if option in ("-e", "--editable", "-f", "--find-links"):
        found = _found(value.strip(), folders)
        return f"{option} {found}" if found else line
    local = local_requirement(line)
    found = _found(local.path, folders) if local is not None else ""
    return line if local is None or not found else found + local.rest


def relative_to(line: str, root: str) -> str:
    """The line with a path inside a folder relative to it, so that the folder may be moved."""
    option, _, value = line.partition(" ")
    if option in (*INCLUDES, "-e", "--editable", "-f", "--find-links"):
        inside = _inside(value.strip(), root)
        return f"{option} {inside.removeprefix('./') if option in INCLUDES else inside}"
    local = local_requirement(line)
    return line if local is None else _inside(local.path, root) + local.rest


def _inside(path: str, root: str) -> str:
    is_inside = os.path.isabs(path) and os.path.normpath(path).startswith(os.path.join(root, ""))
    return os.path.join(".", os.path.relpath(path, root)) if is_inside else path


def _found(path: str, folders: Iterable[str]) -> str:
    candidates = (os.path.normpath(os.path.join(folder, path)) for folder in folders)
    return next((candidate for candidate in candidates if "://" not in path and os.path.exists(candidate)), "")


def name_of(line: str) -> str:
    """The name of the package that a line asks for, in one spelling; empty where it cannot be told."""
    local = local_requirement(line)
    if local is not None:
        file = os.path.basename(os.path.normpath(local.path))
        return normalised(file.split("-")[0]) if file.endswith(".whl") else ""
    match = re.match(r"([A-Za-z0-9][\w.-]*)\s*(?:\[|@|[=<>!~;]|\s|$)", line)
    return normalised(match[1]) if match else ""


def why_wrong(line: str) -> Mistake | None:
    """What is wrong with a line that asks for a package; None where it can be installed from, as far as it can be read here."""
    from packaging.requirements import InvalidRequirement, Requirement

    if local_requirement(line) is not None or "://" in line:
        return None
    try:
        Requirement(_OPTIONS.split(line, maxsplit=1)[0].strip())
    except InvalidRequirement:
        is_condas = re.fullmatch(r"[\w.-]+\s*=\s*[\w.*]+(=\S+)?", line.strip()) is not None
        hint = f"pip writes two: {re.sub(r'=', '==', line.strip(), count=1)}" if is_condas else ""
        allowed = "such as 'numpy', 'numpy==2.3.5', 'numpy>=2,<3'"
        return Mistake(f"{line!r} is no requirement that pip can read", ("allowed", allowed), hint=hint)
    return None


def merged(lines: Iterable[str]) -> tuple[list[str], list[Mistake]]:
    """One line for each package, with what all lines ask of it; two pins of one package are a mistake."""
    from packaging.requirements import InvalidRequirement, Requirement

    found: dict[str, list[Requirement]] = {}
    others: list[str] = []
    for line in lines:
        try:
            read = Requirement(line)
        except InvalidRequirement:
            others.append(line)
            continue
        found.setdefault(f"{normalised(read.name)};{read.marker or ''}", []).append(read)
    result, mistakes = [], []
    for same in found.values():
        first = same[0]
        pins = sorted({one.version for read in same for one in read.specifier if one.operator in ("==", "===") and "*" not in one.version})
        if len(pins) > 1:
            mistakes.append(Mistake(f"{first.name} is asked for in two versions", ("versions", ", ".join(pins)), hint="keep one of them"))
        extras = sorted({extra for read in same for extra in read.extras})
        versions = ",".join(dict.fromkeys(part for read in same for part in str(read.specifier).split(",") if part))
        marker = f"; {first.marker}" if first.marker else ""
        url = f" @ {first.url}" if first.url else ""
        result.append(first.name + (f"[{','.join(extras)}]" if extras else "") + versions + url + marker)
    return [*result, *others], mistakes
