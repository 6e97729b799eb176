"""Composes a `ComposeRequest`, and resolves it into what would run."""

from __future__ import annotations

import os

from trainconf.composition.cache import compose as compose_cached
from trainconf.errors import UserError
from trainconf.reporter import SILENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.paths import WorkspacePaths
    from trainconf.reporter import Reporter
    from trainconf.resolve.composed import Composed
    from trainconf.resolve.resolver import Resolved


class ComposeRequest:
    """A request to compose. `overrides` follow Hydra's grammar; files of the folder `config_dir` are found first.

    Raises UserError when `config_dir` is no folder.
    """

    __slots__ = ("config_dir", "config_name", "overrides")

    def __init__(self, overrides: Sequence[str] = (), config_name: str = "config", config_dir: str | None = None) -> None:
        if config_dir is not None and not os.path.isdir(config_dir):
            raise UserError("--config-dir does not name a folder", ("path", os.path.abspath(config_dir)))
        self.overrides = list(overrides)
        self.config_name = config_name.removesuffix(".yaml")
        self.config_dir = config_dir


def compose(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> Composed:
    """The composed config, from the cache where that is proven equal. Raises ConfigError."""
    found = compose_cached(request.overrides, workspace, config_dir=request.config_dir, config_name=request.config_name)
    found.config_name = request.config_name  # the cache does not say it
    report_notes(found, reporter)
    return found


def resolve(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> Resolved:
    """What would run. Raises ConfigError."""
    from trainconf.resolve.resolver import resolve as resolve_composed

    return resolve_composed(compose(request, workspace, reporter), workspace)


def report_notes(composed: Composed, reporter: Reporter) -> None:
    """Say which settings have no effect."""
    for note in composed.notes:
        reporter.info(f"note: {note}")
