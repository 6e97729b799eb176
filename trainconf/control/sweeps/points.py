"""A sweep whose trials somebody else has chosen: a list of points, each a mapping of keys to values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainconf.composition.sweep.trial import TrialComposer
from trainconf.control.compose import ComposeRequest, report_notes
from trainconf.paths import WorkspacePaths
from trainconf.reporter import SILENT, Reporter
from trainconf.resolve.resolver import resolve
from trainconf.sweeps.batch import Sweep
from trainconf.sweeps.trials import Trial


def of_points(
    request: ComposeRequest, points: Sequence[Mapping[str, Any]], workspace: WorkspacePaths, reporter: Reporter = SILENT
) -> Sweep:
    """A sweep of which everything is ready that can fail; its `start` begins it. Raises ConfigError and what `submit` raises."""
    composer = TrialComposer(
        request.overrides, workspace, config_dir=request.config_dir, config_name=request.config_name, layers=request.layers
    )
    report_notes(composer.base, reporter)
    base, shared = resolve(composer.base, workspace), set(composer.base.overrides)
    trials = []
    for number, point in enumerate(points):
        composed = composer.at(point, number=number)
        own = [text for text in composed.overrides if text not in shared]
        only_params = all(key.startswith("params.") for key in point)
        trials.append(Trial(number, base.with_params(composed) if only_params else resolve(composed, workspace), own, dict(point)))
    sweep = Sweep(trials, workspace, list(request.overrides))
    sweep.prepare(reporter)
    return sweep
