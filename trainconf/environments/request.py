"""The request to find, build or pin an environment."""

from __future__ import annotations

import os

from trainconf.environments import store
from trainconf.environments.recipe.reader import identity
from trainconf.reporter import SILENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from trainconf.paths import WorkspacePaths
    from trainconf.reporter import Reporter
    from trainconf.spec import EnvironmentSpec


class EnvironmentRequest:
    """One environment: its spec, and what finding or building it needs to know.

    name:           what the recipe is called; it names images and appears in messages
    reporter:       hears what takes time and what is worth knowing
    image_build:    schema.ImageBuildConfig as plain values, for an environment that is an image
    recorded_code:  makes a workspace with the recorded code, for local requirements that have changed since; it returns the path of
                    that workspace, or an empty text when there is none
    """

    def __init__(
        self, spec: EnvironmentSpec, workspace: WorkspacePaths, name: str, reporter: Reporter = SILENT, *,
        image_build: Mapping[str, Any] | None = None, recorded_code: Callable[[], str] = str,
    ) -> None:  # fmt: skip
        self.spec = spec
        self.workspace = workspace
        self.name = name
        self.reporter = reporter
        self.image_build = image_build or {}
        self.recorded_code = recorded_code
        self.identity = identity(spec)
        self.folder = os.path.join(workspace.envs, self.identity[: store.HASH_LENGTH])

    @property
    def root(self) -> str:
        """The workspace, where local requirements and relative interpreters are looked up."""
        return self.workspace.root

    def with_spec(self, spec: EnvironmentSpec) -> EnvironmentRequest:
        """The same request for another spec."""
        return EnvironmentRequest(
            spec, self.workspace, self.name, self.reporter, image_build=self.image_build, recorded_code=self.recorded_code
        )
