"""Gives the nodes of a workspace's own groups the schemas that lie beside their choices."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig

from trainconf import schema
from trainconf.composition import explain
from trainconf.composition.hydra.loader import ConfigLoader
from trainconf.composition.hydra.yaml_files import File
from trainconf.composition.merge import type_node
from trainconf.composition.values import group_node
from trainconf.errors import Mistake
from trainconf.paths import WorkspacePaths
from trainconf.resolve.origins import Origins
from trainconf.resolve.search import label

FILE = "_schema.py"


class OwnGroups:
    """Those of one composition. types: the dataclass of each node that has one, by dotted key."""

    def __init__(self, workspace: WorkspacePaths, origins: Origins) -> None:
        self.types: dict[str, Any] = {}
        self._workspace = workspace
        self._origins = origins

    def type_all(self, cfg: DictConfig, files: Sequence[File], chosen: Mapping[Any, Any], mistakes: list[Mistake]) -> None:
        """Type what the files of a composition have filled, the outer nodes first. Raises ConfigError for a schema that cannot be read."""
        choices: dict[str, set[str]] = {}
        for key, choice in chosen.items():
            choices.setdefault(str(key).partition("@")[0], set()).update(choice if isinstance(choice, (list, ListConfig)) else [choice])
        found = {}
        for file in files:
            group, _, choice = file.config_path.rpartition("/")
            path = os.path.join(os.path.dirname(file.path), FILE)
            if choice in choices.get(group, ()) and group not in schema.GROUPS and os.path.isfile(path):
                found[file.package] = path, group, choice
        for key, (path, group, choice) in sorted(found.items()):
            self._type(cfg, key, path, group, choice, mistakes)

    def type_recorded(self, cfg: DictConfig, key: str, choice: str, loader: ConfigLoader) -> DictConfig:
        """The config with the schema of a choice that a record names: `model`, or `model@params.teacher`. Values that it refuses stand.

        Raises ConfigError for a schema that cannot be read.
        """
        group, _, package = key.partition("@")
        path = next((found for folder in loader.dirs if os.path.isfile(found := os.path.join(folder, group, FILE))), "")
        loaded = loader.repository.load_config(f"{group}/{choice}") if path and group not in schema.GROUPS else None
        package = package or str(loaded.header["package"] if loaded is not None else "")
        if not path or not package.startswith("params."):
            return cfg
        before = copy.deepcopy(cfg)
        refused: list[Mistake] = []
        self._type(cfg, package, path, group, choice, refused)
        if refused:
            self.types.pop(package, None)
        return before if refused else cfg

    def _type(self, cfg: DictConfig, key: str, path: str, group: str, choice: str, mistakes: list[Mistake]) -> None:
        name = label(path, self._workspace)
        if not key.startswith("params.") or not isinstance(group_node(cfg, key.replace(".", "/")), DictConfig):
            mistakes.append(explain.no_place_for_schema(name, group, choice, key))
            return
        from trainconf.composition.own.schema import schema_of

        self.types[key] = schema_of(path, group, choice, name)
        type_node(cfg, key, self.types[key], self._origins, mistakes)
