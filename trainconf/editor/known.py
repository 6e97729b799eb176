"""What is known of a workspace's config files besides their texts: its groups with their choices, and a schema for each kind of file."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from trainconf.control.json_schema.groups import Groups
from trainconf.control.json_schema.workspace import FileSchema, schemas
from trainconf.editor.workspaces import PACKAGE
from trainconf.errors import ConfigError
from trainconf.files import fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainconf.paths import WorkspacePaths


class Known:
    """Of one workspace, as its folders were when this was made."""

    def __init__(self, workspace: WorkspacePaths) -> None:
        self.workspace = workspace
        self.groups = Groups(workspace)
        self._schemas: list[FileSchema] = []
        with suppress(ConfigError):  # a `_schema.py` that cannot be read is told where it is used; until then no key is offered
            self._schemas = schemas(workspace)

    def schema(self, path: str) -> Mapping[str, Any]:
        """The JSON Schema of a config file; an empty one, which allows all, where there is none."""
        inside = os.path.relpath(path, self.workspace.root).replace(os.sep, "/")
        return next((each.content for each in self._schemas if each.is_for(inside)), {})

    def header(self, group: str, choice: str) -> str:
        """The comment that the file of a choice begins with; empty where there is none."""
        try:
            with open(self.groups.path(group, choice), encoding="utf-8", errors="replace") as stream:
                lines = [stream.readline() for _ in range(2)]
        except OSError:
            return ""
        return next((line.lstrip("# ").strip() for line in lines if line.startswith("#") and not PACKAGE.match(line)), "")


def stamp(workspace: WorkspacePaths) -> list[Any]:
    """What changes whenever a config file or folder of a workspace does."""
    return [(path, fingerprint(path)) for folder, _, names in os.walk(workspace.conf)
            for path in (folder, *(os.path.join(folder, name) for name in names))]
