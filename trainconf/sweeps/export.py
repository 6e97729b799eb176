"""A sweep as an Optuna study, for Optuna's own tools: its dashboard, its plots, its importances. Imports Optuna."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from trainconf.errors import StorageError, UserError
from trainconf.history.events import TERMINAL
from trainconf.search.expressions import Choice, Expression
from trainconf.search.space import Zip

SCALARS = (type(None), bool, int, float, str)


def to_study(
    name: str, goal: str, trials: Sequence[Any], space: list[tuple[str, Expression | Zip]], path: str | None = None,
) -> Any:  # fmt: skip
    """The study with every trial that has a number, in memory, or in a journal file that is made at `path`.

    trials: with number, values, value, status and row, as `control.sweep_results` tells them.
    Each key of a trial is one parameter, zipped keys too. Raises UserError without Optuna, StorageError for a path that is taken.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise UserError("Optuna is not installed", hint="pip install 'trainconf[sweeps]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if path is not None and os.path.lexists(path):
        raise StorageError("the file is there already", ("path", path), hint="give another name, or remove it")
    try:
        storage = None if path is None else JournalStorage(JournalFileBackend(path))
    except OSError as error:
        raise StorageError.from_os_error(error, "the study cannot be written") from error
    study = optuna.create_study(study_name=name, storage=storage, direction=optuna.study.StudyDirection[goal.upper()])
    distributions = _distributions(optuna.distributions, trials, space)
    states = optuna.trial.TrialState
    for trial in trials:
        params = {key: _plain(value) for key, value in trial.values.items() if key in distributions}
        state = states.COMPLETE if trial.value is not None else states.FAIL if trial.status in TERMINAL else states.RUNNING
        study.add_trial(optuna.trial.create_trial(
            state=state, value=trial.value, params=params, distributions={key: distributions[key] for key in params},
            user_attrs={"run_id": trial.row.get("run_id"), "status": trial.status},
        ))  # fmt: skip
    return study


def importances(study: Any) -> dict[str, float]:
    """How much each parameter that every trial has matters, from 0 to 1, the most important first (PED-ANOVA, Optuna)."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    done = [trial for trial in study.get_trials(deepcopy=False) if trial.value is not None]
    if len(done) < 2:
        raise UserError("importance needs two trials with a value", ("there are", str(len(done))))
    found: dict[str, float] = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return found


def _distributions(kinds: Any, trials: Sequence[Any], space: list[tuple[str, Expression | Zip]]) -> dict[str, Any]:
    """A distribution for each key, wide enough for every value that was tried."""
    tried: dict[str, list[Any]] = {}
    for trial in trials:
        for key, value in trial.values.items():
            tried.setdefault(key, []).append(_plain(value))
    expressions = {name.partition("@")[0]: expression for name, expression in space if not isinstance(expression, (Zip, Choice))}
    found: dict[str, Any] = {}
    for key, values in tried.items():
        numbers = expressions.get(key)
        if numbers is None or any(isinstance(value, (str, bool)) or value is None for value in values):
            found[key] = kinds.CategoricalDistribution(list(dict.fromkeys(values)))
            continue
        low, high = min(*numbers.bounds(), *values), max(*numbers.bounds(), *values)
        if all(type(value) is int for value in values) and type(low) is int and type(high) is int:
            found[key] = kinds.IntDistribution(low, high, log=numbers.is_log and low > 0)
        else:
            found[key] = kinds.FloatDistribution(float(low), float(high), log=numbers.is_log and low > 0)
    return found


def _plain(value: Any) -> Any:
    """A value as Optuna can keep it."""
    return value if isinstance(value, SCALARS) else str(value)
