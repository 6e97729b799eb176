"""A sweep as an Optuna study, for Optuna's own tools: its dashboard, its plots, its importances. Imports Optuna."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from math import isfinite
from typing import Any

from trainconf.errors import StorageError, UserError
from trainconf.history.events import TERMINAL
from trainconf.paths import RunPaths
from trainconf.search.expressions import Choice, Expression
from trainconf.search.space import Zip, key_in
from trainconf.sweeps.watching import logs_of

SCALARS = (type(None), bool, int, float, str)
WAITS = ("NotStarted", "Queued")
Named = Sequence["tuple[str, Expression | Zip]"]  # each key of a space and what it can be


class Study:
    """The trials of a sweep as Optuna knows them. Each key of a trial is one parameter, zipped keys too.

    trials: with number, values, value, status, stop and row, as `control.results.sweep` tells them. Raises UserError without Optuna.
    """

    def __init__(self, name: str, metric: str | None, goal: str, trials: Sequence[Any], space: Named) -> None:
        try:
            import optuna
        except ImportError as error:
            raise UserError("Optuna is not installed", hint="pip install 'trainconf[sweeps]'") from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna = optuna
        self._name, self._metric, self._goal, self._trials = name, metric, goal, trials
        self._distributions = _distributions(optuna.distributions, trials, space)

    def write(self, path: str) -> None:
        """Write a journal file of Optuna's. Raises StorageError, also for a path that is taken."""
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        if os.path.lexists(path):
            raise StorageError("the file is there already", ("path", path), hint="give another name, or remove it")
        part = f"{path}.{os.getpid()}-{os.urandom(4).hex()}.part"
        try:
            study = self._made(JournalStorage(JournalFileBackend(part)))
            for trial in self._trials:
                run_dir = trial.row.get("run_dir")  # of a run that somebody has removed only its end is known
                logs = logs_of(RunPaths(run_dir), self._metric) if run_dir else []
                study.add_trial(self._trial(trial, self._state(trial), logs))
            os.rename(part, path)
        except OSError as error:
            error.filename = path
            raise StorageError.from_os_error(error, "the study cannot be written") from error
        finally:
            with suppress(OSError):
                os.unlink(part)

    def importances(self) -> dict[str, float]:
        """How much each parameter matters that every trial has, from 0 to 1, the most important first (PED-ANOVA). Raises UserError."""
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

        done = [trial for trial in self._trials if trial.value is not None]
        if len(done) < 2:
            raise UserError("importance needs two trials with a value", ("there are", str(len(done))))
        study = self._made(None)
        for trial in done:  # whatever became of them: they count for the search, too
            study.add_trial(self._trial(trial, self._optuna.trial.TrialState.COMPLETE, []))
        with _quiet():
            found: dict[str, float] = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
        return found

    def _made(self, storage: Any) -> Any:
        direction = self._optuna.study.StudyDirection[self._goal.upper()]
        study = self._optuna.create_study(study_name=self._name, storage=storage, direction=direction)
        if self._metric:
            with _quiet():
                study.set_metric_names([self._metric])
        return study

    def _state(self, trial: Any) -> Any:

        states = self._optuna.trial.TrialState
        if trial.status == "Completed" and trial.value is not None:
            return states.COMPLETE
        if trial.stop is not None and trial.value is not None:
            return states.PRUNED
        if trial.status in WAITS:
            return states.WAITING
        return states.FAIL if trial.status in (*TERMINAL, "NotResponding") else states.RUNNING

    def _trial(self, trial: Any, state: Any, logs: Sequence[tuple[float, int | None]]) -> Any:
        from datetime import datetime

        states = self._optuna.trial.TrialState
        params = {key: _plain(value) for key, value in trial.values.items()}
        found = self._optuna.trial.create_trial(
            state=state, value=trial.value if state in (states.COMPLETE, states.PRUNED) else None, params=params,
            distributions={key: self._distributions[key] for key in params},
            user_attrs={"run_id": trial.row.get("run_id"), "status": trial.status, **({"stop": trial.stop} if trial.stop else {})},
            intermediate_values={count if step is None else step: value for count, (value, step) in enumerate(logs, 1) if isfinite(value)},
        )  # fmt: skip
        for name, time in (("datetime_start", trial.row.get("started")), ("datetime_complete", trial.row.get("ended"))):
            if time and getattr(found, name) is not None:
                setattr(found, name, datetime.fromisoformat(time.replace("Z", "+00:00")).astimezone().replace(tzinfo=None))
        return found


@contextmanager
def _quiet() -> Iterator[None]:
    """What is experimental in Optuna is no news to who exports a sweep."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _distributions(kinds: Any, trials: Sequence[Any], space: Named) -> dict[str, Any]:
    """A distribution for each key: what the space says, widened by every value that was tried."""
    tried: dict[str, list[Any]] = {}
    for trial in trials:
        for key, value in trial.values.items():
            tried.setdefault(key, []).append(_plain(value))
    expressions = {key_in(name): expression for name, expression in space if not isinstance(expression, Zip)}
    found: dict[str, Any] = {}
    for key, values in tried.items():
        numbers = expressions.get(key)
        if isinstance(numbers, Choice):
            found[key] = kinds.CategoricalDistribution(_once([*map(_plain, numbers.values()), *values]))
        elif numbers is None or any(isinstance(value, (str, bool)) or value is None for value in values):
            found[key] = kinds.CategoricalDistribution(_once(values))
        else:
            low, high = min(*numbers.bounds(), *values), max(*numbers.bounds(), *values)
            is_int = all(type(value) is int for value in (low, high, *values))
            kind = kinds.IntDistribution if is_int else kinds.FloatDistribution
            found[key] = kind(low, high, log=numbers.is_log and low > 0)
    return found


def _once(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _plain(value: Any) -> Any:
    """A value as Optuna can keep it."""
    return value if isinstance(value, SCALARS) else str(value)
