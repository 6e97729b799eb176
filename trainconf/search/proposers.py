"""Whoever proposes the points of a Bayesian search: samplers of libraries, behind one face.

This module alone imports Optuna, torch and cmaes, when a proposer is made.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, Protocol

from trainconf.search.draws import seed_of, unit
from trainconf.search.expressions import Choice, Expression, Numbers
from trainconf.search.space import Point, Space, Zip


class Proposer(Protocol):
    """A sampler of a library, in its own parameters."""

    def add(self, number: int, parameters: Mapping[str, float | int]) -> None:
        """A point is in flight."""
        ...

    def tell(self, number: int, value: float | None) -> None:
        """A point was worth so much; None: nothing is known of it."""
        ...

    def propose(self, number: int) -> Point:
        """The point to try next."""
        ...


def proposer(space: Space, seed: int, kind: str) -> Proposer:
    """The library's sampler, which learns by `pass_on`."""
    return _Cmaes(space, seed) if kind == "cmaes" else _Optuna(space, seed, kind)


def pass_on(made: Proposer, number: int, known: Any) -> None:
    """What is known of a point: its parameters, or what it was worth."""
    if isinstance(known, dict):
        made.add(number, known)
    else:
        made.tell(number, known)


def library_bounds(numbers: Numbers) -> tuple[float | int, float | int]:
    """The bounds a library is given; those of a rounded logarithm are the unrounded ones."""
    if numbers.is_log and numbers.step is not None:
        return numbers.unrounded_at(0.0), numbers.unrounded_at(1.0)
    return numbers.bounds()


def _value(numbers: Numbers, parameter: float | int) -> int | float:
    """A library's parameter as the value of a trial."""
    if not numbers.is_bounded:
        return numbers.at_z(parameter)
    return numbers.rounded(parameter)


class _Optuna:
    """Optuna's samplers through their public interface: a new one for each proposal, on one study in memory."""

    def __init__(self, space: Space, seed: int, kind: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna = optuna
        self._space = space
        self._seed = seed
        self._kind = kind
        self._study = optuna.create_study(direction="minimize", sampler=optuna.samplers.RandomSampler(seed=0))
        self._common_keys: Any = None
        self._numbers: dict[int, int] = {}  # of a point, that of its trial in the study
        if kind == "gp":
            import torch

            torch.set_num_threads(1)

    def add(self, number: int, parameters: Mapping[str, float | int]) -> None:
        distributions = {name: self._distribution(expression) for name, expression in self._space.expressions() if name in parameters}
        self._numbers[number] = len(self._study.get_trials(deepcopy=False))
        self._study.add_trial(self._optuna.trial.create_trial(
            state=self._optuna.trial.TrialState.RUNNING, params=dict(parameters), distributions=distributions,
        ))

    def tell(self, number: int, value: float | None) -> None:
        if number not in self._numbers:
            return
        if value is None:
            self._study.tell(self._numbers[number], state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(self._numbers[number], value)

    def propose(self, number: int) -> Point:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is experimental in Optuna is no news to the user of a sweep
            self._study.sampler = self._sampler(seed_of(self._seed, number))
            trial = self._study.ask()
            point = self._space.walk(lambda name, expression: self._suggest(trial, name, expression))
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)  # samplers pass failed trials over; `add` enters the point
        return point

    def _suggest(self, trial: Any, name: str, expression: Expression | Zip) -> Any:
        distribution = self._distribution(expression)
        if not isinstance(expression, Numbers):
            return trial.suggest_categorical(name, distribution.choices)
        suggest = trial.suggest_int if isinstance(distribution, self._optuna.distributions.IntDistribution) else trial.suggest_float
        return _value(expression, suggest(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log))

    def _sampler(self, seed: int) -> Any:
        samplers = self._optuna.samplers
        if self._kind == "gp":
            return samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        made = samplers.TPESampler(seed=seed, multivariate=True, group=self._space.has_conditions, warn_independent_sampling=False)
        if hasattr(made, "_search_space"):  # which keys the trials have in common: each new sampler would compare all of them again
            self._common_keys = made._search_space = self._common_keys or made._search_space
        return made

    def _distribution(self, expression: Expression | Zip) -> Any:
        distributions = self._optuna.distributions
        if isinstance(expression, Zip):
            return distributions.CategoricalDistribution(range(len(expression.rows)))
        if isinstance(expression, Choice):
            return distributions.CategoricalDistribution(range(len(expression.options)))
        if not expression.is_bounded:
            return distributions.FloatDistribution(-3.0, 3.0)
        low, high = library_bounds(expression)
        if expression.step is None and expression.is_int:
            return distributions.IntDistribution(low, high, log=expression.is_log)
        if expression.step is None or expression.is_log:
            return distributions.FloatDistribution(low, high, log=expression.is_log)
        if isinstance(low, int):
            return distributions.IntDistribution(low, high, step=int(expression.step))
        return distributions.FloatDistribution(low, high, step=float(expression.step))


class _Cmaes:
    """Covariance matrix adaptation over the numbers of a space; its choices are drawn as random search draws them."""

    def __init__(self, space: Space, seed: int) -> None:
        import cmaes
        import numpy

        self._space = space
        self._seed = seed
        self._names = [name for name, expression in space.expressions() if isinstance(expression, Numbers)]
        self._expressions = dict(space.expressions())
        width = max(2, len(self._names))  # the library wants two dimensions at least
        self._numpy = numpy
        self._state = cmaes.CMA(mean=numpy.full(width, 0.5), sigma=1 / 6, bounds=numpy.array([[0.0, 1.0]] * width), seed=seed_of(seed, 0))
        self._running: dict[int, Any] = {}
        self._told: list[tuple[Any, float]] = []

    def add(self, number: int, parameters: Mapping[str, float | int]) -> None:
        place = self._numpy.full(self._state.dim, 0.5)
        for index, name in enumerate(self._names):
            if name in parameters:
                place[index] = _quantile(self._expressions[name], parameters[name])
        self._running[number] = place

    def tell(self, number: int, value: float | None) -> None:
        place = self._running.pop(number, None)
        if place is None or value is None:
            return
        self._told.append((place, value))
        if len(self._told) == self._state.population_size:
            self._state.tell(self._told)
            self._told = []

    def propose(self, number: int) -> Point:
        self._state.reseed_rng(seed_of(self._seed, number))
        place = self._state.ask()
        places = dict(zip(self._names, place, strict=False))

        def quantile(name: str) -> float:
            return float(places[name]) if name in places else unit(self._seed, number, name)

        return self._space.at_quantiles(quantile)


def _quantile(expression: Any, parameter: float | int) -> float:
    """Where a parameter lies in its distribution, from 0 to 1."""
    if not expression.is_bounded:
        return 0.5 * (1 + math.erf(parameter / math.sqrt(2)))
    low, high = library_bounds(expression)
    if low == high:
        return 0.5
    if expression.is_log:
        return (math.log(parameter) - math.log(low)) / (math.log(high) - math.log(low))
    return (parameter - low) / (high - low)
