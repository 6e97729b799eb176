"""A sweep as an Optuna study, for Optuna's own tools: its dashboard, its plots, its importances. Imports Optuna."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import isfinite
from typing import Any, NamedTuple

from trainconf.errors import StorageError, UserError
from trainconf.fast.json import dumps
from trainconf.history.events import TERMINAL
from trainconf.paths import RunPaths
from trainconf.search.expressions import Choice, Expression, Numbers, identity
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
        self._parameters = _parameters(optuna.distributions, trials, space)

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
        params = {key: self._parameters[key].plain(value) for key, value in trial.values.items()}
        found = self._optuna.trial.create_trial(
            state=state, value=trial.value if state in (states.COMPLETE, states.PRUNED) else None, params=params,
            distributions={key: self._parameters[key].distribution for key in params},
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


class _Parameter(NamedTuple):
    """A key as Optuna knows it, and how it keeps the values of it."""

    distribution: Any
    plain: Callable[[Any], Any]


def _parameters(kinds: Any, trials: Sequence[Any], space: Named) -> dict[str, _Parameter]:
    """A parameter for each key: what the space says, everywhere where it has the key, widened by every value that was tried."""
    tried: dict[str, list[Any]] = {}
    for trial in trials:
        for key, value in trial.values.items():
            tried.setdefault(key, []).append(value)
    listed: dict[str, list[Any]] = {}
    drawn: dict[str, list[Numbers]] = {}
    for name, expression in space:
        if isinstance(expression, Numbers):
            drawn.setdefault(key_in(name), []).append(expression)
        elif isinstance(expression, Choice):
            listed.setdefault(key_in(name), []).extend(expression.values())
        else:
            for row in expression.rows:
                for key, value in row.items():
                    listed.setdefault(key, []).append(value)
    return {key: _parameter(kinds, listed.get(key, []), drawn.get(key, []), values) for key, values in tried.items()}


def _parameter(kinds: Any, listed: Sequence[Any], drawn: Sequence[Numbers], tried: Sequence[Any]) -> _Parameter:
    if listed or not drawn or any(type(value) not in (int, float) for value in tried):
        values = {identity(value): value for value in (*listed, *tried)}.values()
        plain = _plain if len(set(map(_plain, values))) == len(values) else dumps  # Optuna takes 1, 1.0 and True for one
        return _Parameter(kinds.CategoricalDistribution(list(map(plain, values))), plain)
    bounds = [bound for numbers in drawn for bound in numbers.bounds()]
    low, high = min(*bounds, *tried), max(*bounds, *tried)
    is_int = all(type(value) is int for value in (low, high, *tried))
    kind = kinds.IntDistribution if is_int else kinds.FloatDistribution
    return _Parameter(kind(low, high, log=all(numbers.is_log for numbers in drawn) and low > 0), _plain)


def _plain(value: Any) -> Any:
    """A value as Optuna can keep it."""
    return value if isinstance(value, SCALARS) else str(value)
