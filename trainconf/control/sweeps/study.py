"""A sweep as a study of Optuna."""

from __future__ import annotations

from trainconf.control.results.damage import refuse_damaged
from trainconf.control.results.sweep import results
from trainconf.history import record
from trainconf.paths import RunPaths
from trainconf.sweeps.export import Study
from trainconf.sweeps.resuming import search_of


def study_of(sweep: RunPaths) -> Study:
    """A sweep as Optuna knows it. Raises UserError without Optuna, and for a sweep whose record is damaged."""
    found, known = results(sweep), record.read_mapping(sweep.sweep)
    refuse_damaged(sweep)
    space = list(search_of(sweep, known).space.expressions()) if found.is_search else []
    return Study(sweep.run_id, found.metric, found.goal, found.trials, space)
