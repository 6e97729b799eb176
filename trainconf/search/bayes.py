"""Bayesian search: which point is worth trying next, given what the others were worth.

Optuna proposes (`tpe`, and `gp`, which needs torch), or the covariance matrix adaptation of `cmaes`. A proposal depends on the
seed, the number of the point and what was told, in order; so a search that is rebuilt from its journal proposes what an unbroken
one would have. The first STARTUP_COUNT points are those of random search. Points in flight are known to the sampler as running.
This module alone imports Optuna and cmaes, when a sampler is made.
"""

from __future__ import annotations

import _thread
import math
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from trainconf.search.draws import seed_of, unit
from trainconf.search.expressions import Choice, Expression, Numbers, identity
from trainconf.search.samplers import NothingLeftError, RandomSampler, all_done
from trainconf.search.space import Axis, Point, Space, Zip, axes_of, below, key_in, key_of

STARTUP_COUNT = 10
SAMPLERS = ("tpe", "gp", "cmaes")
NEEDED = {"tpe": ("optuna",), "gp": ("optuna", "torch", "scipy"), "cmaes": ("cmaes",)}


class _Proposer(Protocol):
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


class BayesSampler:
    """Points by Bayesian search: `ask`, `add` the point that is taken, `tell` what came of it; after a restart in the same order.

    kind: `tpe`, `gp` or `cmaes`. goal: `maximize` or `minimize`. `left_out_count` counts added points outside the space.
    Raises ImportError: a library of NEEDED[kind] is missing.
    """

    def __init__(self, space: Space, seed: int, kind: str, goal: str) -> None:
        self._space = space
        self._random = RandomSampler(space, seed)
        self._given: set[str] = set()
        self._points: dict[int, Point] = {}
        self._sign = 1.0 if goal == "minimize" else -1.0  # the libraries minimise
        self._seed = seed
        self._kind = kind
        self._made: _Proposer | None = None
        self._told: list[tuple[int, Any]] = []  # all of it in order: parameters of a point, or what one was worth
        self._earlier_count = 0  # points that were known before the first one was asked for
        self.left_out_count = 0
        for name in NEEDED[kind]:
            if find_spec(name) is None:
                raise ImportError(f"No module named {name!r}", name=name)

    def warm_up(self) -> None:
        """Begin to import what is needed for the point after the first ones: seconds of PyTorch, in a thread of its own."""
        _thread.start_new_thread(lambda: [import_module(name) for name in NEEDED[self._kind]], ())

    @property
    def _proposer(self) -> _Proposer:
        """The library's sampler, made when the first proposal is asked for."""
        if self._made is None:
            made = self._made = _Cmaes(self._space, self._seed) if self._kind == "cmaes" else _Optuna(self._space, self._seed, self._kind)
            for number, known in self._told:
                self._pass_on(made, number, known)
        return self._made

    @staticmethod
    def _pass_on(made: _Proposer, number: int, known: Any) -> None:
        if isinstance(known, dict):
            made.add(number, known)
        else:
            made.tell(number, known)

    def _take(self, number: int, known: Any) -> None:
        self._told.append((number, known))
        if self._made is not None:
            self._pass_on(self._made, number, known)

    def add(self, number: int, point: Point) -> None:
        """Take a point that was chosen already: one of `first`, or of an earlier part of this search; below 0 those of other searches."""
        known = _known_parameters(self._space, point)
        if known is None:
            self.left_out_count += 1
            return
        self._points[number] = point
        self._given.add(key_of(point))
        self._earlier_count += number < 0
        self._take(number, known)

    def tell(self, number: int, value: float | None) -> None:
        """What a point was worth; None if that will never be known."""
        self._take(number, None if value is None else self._sign * value)

    def forget(self, number: int) -> None:
        """A point runs once more: what it was worth counts no longer. The library cannot forget, so its sampler is made anew."""
        self._told = [(known, facts) for known, facts in self._told if known != number or isinstance(facts, dict)]
        self._made = None

    def ask(self, number: int) -> Point:
        """The point of that number, to be given to `add` when it is taken. Raises NothingLeftError."""
        if number in self._points:
            return self._points[number]
        size = self._space.size
        if size is not None and len(self._given) >= size:
            raise NothingLeftError(all_done(size))
        is_startup = number + self._earlier_count < STARTUP_COUNT
        point = self._random.unseen(number, self._given) if is_startup else self._proposer.propose(number)
        if key_of(point) in self._given or self._space.excludes(point):
            return self._random.unseen(number, self._given)
        return point


def parameters_of(axes: tuple[Axis, ...], point: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, float | int | None]]:
    """A point as a library's parameters: an index of each choice and zip, a number of each distribution; None: outside the space."""
    for axis in axes:
        name = axis.key + under
        if isinstance(axis.expression, Zip):
            rows = [key_of(row) for row in axis.expression.rows]
            own = key_of({key: point[key] for key in axis.expression.rows[0] if key in point})
            yield name, rows.index(own) if own in rows else None
        elif axis.key not in point:
            yield name, None
        elif isinstance(axis.expression, Numbers):
            yield name, _parameter(axis.expression, point[axis.key])
        else:
            values = [identity(option.value) for option in axis.expression.options]
            own = identity(point[axis.key])
            yield name, values.index(own) if own in values else None
            if own in values:
                option = axis.expression.options[values.index(own)]
                yield from parameters_of(axes_of(option.space), point, below(axis, values.index(own), under))


def _known_parameters(space: Space, point: Mapping[str, Any]) -> dict[str, float | int] | None:
    """A point as a library's parameters; None of one that is outside the space."""
    parameters = dict(parameters_of(space.axes, point))
    if any(value is None for value in parameters.values()):
        return None
    return {name: value for name, value in parameters.items() if value is not None}


def is_within(space: Space, point: Mapping[str, Any]) -> bool:
    """Whether the space holds the point: all of its keys and no others, and nothing that is excluded. Raises ConditionError."""
    parameters = _known_parameters(space, point)
    if parameters is None or space.excludes(point):
        return False
    zips = {axis.key: axis.expression for axis in space.axes if isinstance(axis.expression, Zip)}
    names = [zips[name].rows[0] if name in zips else (key_in(name),) for name in parameters]
    return {key for keys in names for key in keys} == set(point)


def _parameter(numbers: Numbers, value: Any) -> float | int | None:
    """A value as the library knows it: standard deviations of the normal shapes, the value itself of all others."""
    if type(value) not in (int, float) or not math.isfinite(value):
        return None
    if not numbers.is_bounded:
        if numbers.shape == "lognormal":
            value = math.log(value) if value > 0 else -math.inf
        z = (value - numbers.a) / numbers.b if numbers.b else 0.0
        return min(max(z, -3.0), 3.0)
    low, high = _library_bounds(numbers)
    if numbers.step is None and not low <= value <= high:
        return None
    return min(max(value, low), high) if not numbers.is_int else int(value)


def _library_bounds(numbers: Numbers) -> tuple[float | int, float | int]:
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
        low, high = _library_bounds(expression)
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
    low, high = _library_bounds(expression)
    if low == high:
        return 0.5
    if expression.is_log:
        return (math.log(parameter) - math.log(low)) / (math.log(high) - math.log(low))
    return (parameter - low) / (high - low)
