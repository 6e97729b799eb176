"""What overrides and layers say of a sweep, and what the words of a Hydra app do."""

from __future__ import annotations

from trainconf.composition.plain import app_words
from trainconf.composition.plain.trials import SweepRequest
from trainconf.composition.search import read_sweep
from trainconf.control.compose import ComposeRequest
from trainconf.paths import WorkspacePaths


def read(request: ComposeRequest, workspace: WorkspacePaths) -> SweepRequest:
    """Read all of it, and compose what the trials share. Raises ConfigError with all mistakes."""

    def of_ours(overrides: list[str]) -> SweepRequest:
        return read_sweep(overrides, workspace, config_dir=request.config_dir, config_name=request.config_name, layers=request.layers)

    asked, of_params = app_words.beside_params(request.overrides, of_ours, lambda found: found.composer.base)
    if not app_words.is_of_app(asked.composer.base, request.words):
        return asked
    from trainconf.composition.app.trials import searched

    return searched(asked, request.words, of_params, workspace, request.folder)
