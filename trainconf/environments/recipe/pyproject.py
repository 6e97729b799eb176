"""The requirements of a pyproject.toml: `project.dependencies`, extras, and dependency groups (PEP 735)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from typing import Any

from trainconf.environments.recipe.formats import toml_reader
from trainconf.environments.recipe.installed import normalised
from trainconf.errors import Mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.environments.recipe.requirements import RequirementReader

# Extras of the project itself, as in `all = ["name[train,dev]"]`.
OWN_EXTRAS = re.compile(r"\s*([\w.-]+)\s*\[([^\]]*)\]\s*")


def read_pyproject(path: str, extras: Sequence[str], groups: Sequence[str], reader: RequirementReader) -> None:
    """Pass the requirements of a pyproject.toml to the reader. What cannot be obeyed is a mistake."""
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
    if "dependencies" in project.get("dynamic", ()) or ("dependencies" not in project and not extras and not groups):
        reader.mistakes.append(Mistake(
            "the pyproject file does not list its dependencies", ("from", path), ("looked at", "project.dependencies"),
            hint="to install the project with what its build works out, write its folder as a requirement: env.requirements=[.]",
        ))
        return
    found = _Pyproject(path, document, reader.mistakes)
    lines: dict[str, str] = {}  # the table that has each
    for table, line in chain(found.dependencies(), found.of_extras(extras), found.of_groups(groups)):
        lines.setdefault(line, table)
    sources = {normalised(name) for name in document.get("tool", {}).get("uv", {}).get("sources", {})}
    redirected = [line for line in lines if normalised(re.split(r"[^\w.-]", line.strip(), maxsplit=1)[0]) in sources]
    if redirected:
        reader.mistakes.append(Mistake(
            "the pyproject file takes dependencies from places that only uv's project commands read", ("from", path),
            ("tool.uv.sources", "\n".join(redirected)),
            hint="`uv export --no-hashes -o requirements.txt`, and name that in env.requirements_file",
        ))
    for table, of_table in groupby(lines, key=lines.__getitem__):
        reader.read_lines("\n".join(of_table), os.path.dirname(path), table)


def optional_names(path: str) -> tuple[list[str], list[str]]:
    """The extras and the dependency groups of a pyproject.toml, as it writes them; none where it cannot be read."""
    try:
        with open(path, encoding="utf-8-sig") as stream:
            document = toml_reader().loads(stream.read())
    except (OSError, ValueError):
        return [], []
    tables = (document.get("project", {}).get("optional-dependencies", {}), document.get("dependency-groups", {}))
    extras, groups = (list(table) if isinstance(table, dict) else [] for table in tables)
    return extras, groups


def are_known(path: str, text: str, extras: Sequence[str], groups: Sequence[str], mistakes: list[Mistake]) -> bool:
    """Whether a pyproject.toml is TOML and has these extras and groups; each thing that is wrong is a mistake."""
    toml, before = toml_reader(), len(mistakes)
    try:
        found = _Pyproject(path, toml.loads(text), mistakes)
    except toml.TOMLDecodeError as error:
        mistakes.append(Mistake(f"the pyproject file is not TOML: {error}", ("from", path)))
        return False
    for names, tables, what, key in ((extras, found.extras, "extra", "extras"), (groups, found.groups, "dependency group", "groups")):
        for name in names:
            found.named(name, tables, what, f"env.pyproject_{key}")
    return len(mistakes) == before


class _Pyproject:
    """The tables of one file. Each line is found with the table that has it."""

    def __init__(self, path: str, document: dict[str, Any], mistakes: list[Mistake]) -> None:
        self.path = path
        self.project: dict[str, Any] = document.get("project", {})
        self.extras: dict[str, Any] = self.project.get("optional-dependencies", {})
        self.groups: dict[str, Any] = document.get("dependency-groups", {})
        self.mistakes = mistakes
        self._seen: set[str] = set()  # extras that were read: one may name another, and that one the first

    def dependencies(self) -> Iterator[tuple[str, str]]:
        yield from self._lines("project.dependencies", self.project.get("dependencies", []))

    def of_extras(self, names: Sequence[str], source: str = "env.pyproject_extras") -> Iterator[tuple[str, str]]:
        if names and "optional-dependencies" in self.project.get("dynamic", ()):
            self._wrong("the pyproject file does not list its extras", ("looked at", "project.dynamic"),
                        hint="to install the project with what its build works out: env.requirements=['.[NAME]']")  # fmt: skip
            return
        for name in names:
            table = self.named(name, self.extras, "extra", source)
            if table is not None and table not in self._seen:
                self._seen.add(table)
                yield from self._lines(f"project.optional-dependencies.{table}", self.extras[table])

    def of_groups(
        self, names: Sequence[str], source: str = "env.pyproject_groups", above: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, str]]:
        for name in names:
            table = self.named(name, self.groups, "dependency group", source)
            if table is None:
                continue
            place = f"dependency-groups.{table}"
            if table in above:
                self._wrong("a dependency group includes itself", ("chain", " -> ".join((*above, table))))
                continue
            for entry in self._list(place, self.groups[table]):
                if isinstance(entry, dict) and list(entry) == ["include-group"]:
                    yield from self.of_groups([str(entry["include-group"])], place, (*above, table))
                else:
                    yield from self._lines(place, [entry])

    def _lines(self, place: str, entries: Any) -> Iterator[tuple[str, str]]:
        for entry in self._list(place, entries):
            if not isinstance(entry, str):
                self._wrong(f"{entry!r} is no requirement", ("in", place))
            elif (own := OWN_EXTRAS.fullmatch(entry)) and normalised(own[1]) == normalised(str(self.project.get("name", ""))):
                yield from self.of_extras([name.strip() for name in own[2].split(",")], place)
            else:
                yield place, entry

    def _list(self, place: str, entries: Any) -> list[Any]:
        if isinstance(entries, list):
            return entries
        self._wrong(f"{place} is no list of requirements", ("found", repr(entries)))
        return []

    def named(self, name: str, tables: Any, what: str, source: str) -> str | None:
        """The name that the file writes for a name that somebody asks for; None, and a mistake, where it has none."""
        known: dict[str, str] = {normalised(table): table for table in tables} if isinstance(tables, dict) else {}
        if normalised(name) in known:
            return known[normalised(name)]
        from difflib import get_close_matches

        near = [("nearest", known[found]) for found in get_close_matches(normalised(name), known, 1)]
        there = {normalised(table) for table in (self.groups if tables is self.extras else self.extras)}
        other = ("pyproject_groups", "a group") if tables is self.extras else ("pyproject_extras", "an extra")
        hint = f"{name} is {other[1]}: env.{other[0]}=[{name}]" if normalised(name) in there else ""
        allowed = ", ".join(known.values()) or "none: the file has none"
        where = (("from", source), ("file", self.path)) if source.startswith("env.") else (("from", self.path), ("in", source))
        self.mistakes.append(Mistake(f"the pyproject file has no {what} {name!r}", *where, *near, ("allowed", allowed), hint=hint))
        return None

    def _wrong(self, what: str, *facts: tuple[str, str], hint: str = "") -> None:
        self.mistakes.append(Mistake(what, ("from", self.path), *facts, hint=hint))
