"""The JSON Schema of every kind of config file of a workspace, and the files that each one is for."""

from __future__ import annotations

import os
import re
from typing import Any

from trainconf import files, schema
from trainconf.control.json_schema.groups import Groups
from trainconf.control.json_schema.values import FREE, either, group_properties, node, policy_node, properties_of
from trainconf.errors import ConfigError, StorageError
from trainconf.fast.records import Record
from trainconf.paths import is_inside
from trainconf.submission.run_id import make_ignored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainconf.paths import WorkspacePaths

DRAFT = "http://json-schema.org/draft-07/schema#"
OWN_SCHEMA = "_schema.py"
_NODES = [group for group in schema.GROUPS if "/" not in group]


class FileSchema(Record):
    """The schema of one kind of file.

    patterns: the files it is for, relative to the workspace. A `*` is any text, slashes included, as in `yaml.schemas` of the YAML
    language server.
    """

    name: str
    patterns: list[str]
    content: dict[str, Any]

    def is_for(self, file: str) -> bool:
        """Whether a file is of this kind: its path relative to the workspace."""
        return any(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), file) for pattern in self.patterns)


def schemas(workspace: WorkspacePaths) -> list[FileSchema]:
    """One for each kind of config file. Raises ConfigError for a `_schema.py` that cannot be read."""
    return list(_Schemas(workspace).all())


def default_folder(workspace: WorkspacePaths) -> str:
    """Where schemas are written when nothing is said: below `.trainconf/`, which git ignores."""
    return os.path.join(workspace.state, "schema")


def write(found: list[FileSchema], folder: str, workspace: WorkspacePaths) -> None:
    """Write each schema to `<folder>/<name>.json`. Raises StorageError."""
    try:
        if is_inside(folder, workspace.state) and not os.path.isdir(workspace.state):
            make_ignored(workspace.state)
        os.makedirs(folder, exist_ok=True)
        for each in found:
            files.write_atomic(os.path.join(folder, f"{each.name}.json"), files.dumps(each.content) + "\n", durable=False)
    except OSError as error:
        raise StorageError.from_os_error(error, f"schemas cannot be written to {folder}") from error


class _Schemas:
    def __init__(self, workspace: WorkspacePaths) -> None:
        self._workspace = workspace
        self._conf = os.path.relpath(workspace.conf, workspace.root).replace(os.sep, "/")
        self._groups = Groups(workspace)
        self._kinds = {group: self._groups.by_kind(group) for group in schema.GROUPS}

    def all(self) -> list[FileSchema]:
        made = [
            self._file("config", ["config.yaml"], self._top("")),
            self._file("local", ["local.yaml"], self._top("")),
            self._file("experiment", ["experiment/*.yaml"], self._top("experiment")),
            *(self._file(group, [f"{group}/*.yaml"], self._choice(group)) for group in _NODES),
        ]
        return [*made, *(each for group in self._groups.own() for each in self._own(group))]

    def _file(self, name: str, patterns: list[str], content: dict[str, Any]) -> FileSchema:
        return FileSchema(name, [f"{self._conf}/{pattern}" for pattern in patterns], {"$schema": DRAFT, **content})

    # -- files at the top level ----------------------------------------------------------------------------------------

    def _top(self, group: str) -> dict[str, Any]:
        """A file whose keys are those of the whole config. A group that its defaults list chooses has the keys of that choice."""
        properties = {**properties_of(schema.Config), "defaults": self._groups.defaults(group), "hydra": FREE}
        chosen = []
        for name in _NODES:
            description = properties[name]["description"]
            nodes = {kind: self._node(name, kind) for kind in self._kinds[name]}
            for kind, choices in self._kinds[name].items():
                if choices and len(nodes) > 1:
                    of = self._groups.overrides(name, choices)
                    chosen.append({"if": of, "then": {"properties": {name: {**nodes[kind], "type": ["object", "string", "null"]}}}})
            properties[name] = _either_of(list(nodes.values()), description)
        return {"type": ["object", "null"], "properties": properties, "additionalProperties": False, "allOf": chosen}

    def _node(self, group: str, kind: str) -> dict[str, Any]:
        """The node of a group by its kind: of free keys where another package's launcher has no settings, or cannot be loaded."""
        try:
            return node(group_properties(group, kind)) if group != "sweep/policy" else policy_node(kind)
        except (KeyError, ConfigError):  # the latter is told when it is chosen
            return FREE

    # -- files of a group ----------------------------------------------------------------------------------------------

    def _choice(self, group: str) -> dict[str, Any]:
        """A file of one of our groups, or of a group below it. Its defaults list says which schema it has."""
        defaults = self._groups.defaults(group)
        nodes = {(name, kind): self._node(name, kind) for name in schema.GROUPS if f"{name}/".startswith(f"{group}/")
                 for kind in self._kinds[name]}  # fmt: skip
        if len(nodes) == 1:
            return _with_defaults(next(iter(nodes.values())), defaults)
        taken = {(name, kind): self._groups.takes(name, kind, self._kinds[name][kind]) for name, kind in nodes}
        rules = [{"if": taken[key], "then": _with_defaults(of, defaults)} for key, of in nodes.items()]
        no_rule = {"not": {"anyOf": list(taken.values())}}
        union = _with_defaults(_either_of(list(nodes.values()), ""), defaults)
        return {"type": ["object", "null"], "properties": {"defaults": defaults}, "allOf": [*rules, {"if": no_rule, "then": union}]}

    def _own(self, group: str) -> list[FileSchema]:
        """The files of a group of the workspace's own: by its `_schema.py` where it has one, else with any keys."""
        choices = [name for name in self._groups.choices(group) if "/" not in name and not name.startswith("_")]
        paths = {name: self._groups.path(group, name) for name in choices}
        defaults = self._groups.defaults(group)
        name = group.replace("/", "-")
        is_above = any(other.startswith(f"{group}/") for other in self._groups.own())
        patterns = [f"{group}/{choice}.yaml" for choice in choices] if is_above else [f"{group}/*.yaml"]
        if choices and all(_is_global(path) for path in paths.values()):
            return [self._file(name, patterns, self._top(group))]
        own = next((path for folder in self._groups.dirs if os.path.isfile(path := os.path.join(folder, group, OWN_SCHEMA))), "")
        if not own:
            return [self._file(name, patterns, {"type": ["object", "null"], "properties": {"defaults": defaults}})]
        from trainconf.composition.own.schema import schema_of
        from trainconf.resolve.search import label

        by_class: dict[str, tuple[Any, list[str]]] = {}
        for choice in choices:
            kind = schema_of(own, group, choice, label(own, self._workspace))
            by_class.setdefault(kind.__name__, (kind, []))[1].append(choice)
        return [self._file(f"{name}-{of}", [f"{group}/{choice}.yaml" for choice in taken],
                           _with_defaults(node(properties_of(kind)), defaults))
                for of, (kind, taken) in by_class.items()]


def _either_of(nodes: list[dict[str, Any]], description: str) -> dict[str, Any]:
    if any("properties" not in each for each in nodes):  # one has free keys
        return {**FREE, "type": ["object", "string", "null"], "description": description}
    return either(nodes, description)


def _with_defaults(of: Mapping[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The schema of a file that holds this node, and a defaults list."""
    return {**of, "type": ["object", "null"], "properties": {"defaults": defaults, **of.get("properties", {})}}


def _is_global(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return "_global_" in stream.readline()
    except OSError:  # composing it tells why
        return False
