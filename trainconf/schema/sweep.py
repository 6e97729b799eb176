"""sweep=... and sweep/policy=...: where the trials of a sweep come from, and when one is stopped early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from trainconf.schema.fields import setting


# Annotations are evaluated by OmegaConf, which reads `Optional[X]` on every line it supports and Python 3.10 to 3.14.
@dataclass
class NoPolicy:
    """sweep/policy=none: every trial runs to its end."""

    kind: str = setting("none", "set by the choice of `sweep/policy`", choices=("none",))


@dataclass
class BanditPolicy:
    """sweep/policy=bandit: stops a trial that is further from the best one than the slack."""

    kind: str = setting("bandit", "set by the choice of `sweep/policy`", choices=("bandit",))
    slack_factor: Optional[float] = setting(None, "relative: the bound is best / (1 + slack_factor); this or slack_amount", minimum=0)
    slack_amount: Optional[float] = setting(None, "absolute: the bound is best - slack_amount; this or slack_factor", minimum=0)
    evaluation_interval: int = setting(1, "a trial is judged at every so many logs of the metric", minimum=1)
    delay_evaluation: int = setting(5, "logs before a trial is judged for the first time", minimum=0)
    unit: str = setting("log", "what is counted: logs of the metric, or their `step`", choices=("log", "step"))


@dataclass
class MedianPolicy:
    """sweep/policy=median: stops a trial whose best value is below the median of the other trials' means."""

    kind: str = setting("median", "set by the choice of `sweep/policy`", choices=("median",))
    min_trials: int = setting(3, "other trials that must have come as far", minimum=1)
    evaluation_interval: int = setting(1, "a trial is judged at every so many logs of the metric", minimum=1)
    delay_evaluation: int = setting(5, "logs before a trial is judged for the first time", minimum=0)
    unit: str = setting("log", "what is counted: logs of the metric, or their `step`", choices=("log", "step"))


@dataclass
class TruncationPolicy:
    """sweep/policy=truncation: stops the worst share of the trials that have come as far."""

    kind: str = setting("truncation", "set by the choice of `sweep/policy`", choices=("truncation",))
    truncation_percentage: int = setting(20, "per cent of the trials that are stopped, 1 to 99", minimum=1, maximum=99)
    evaluation_interval: int = setting(1, "a trial is judged at every so many logs of the metric", minimum=1)
    delay_evaluation: int = setting(5, "logs before a trial is judged for the first time", minimum=0)
    unit: str = setting("log", "what is counted: logs of the metric, or their `step`", choices=("log", "step"))


@dataclass
class AshaPolicy:
    """sweep/policy=asha: successive halving; a share of the trials passes each rung, and rungs are ever further apart."""

    kind: str = setting("asha", "set by the choice of `sweep/policy`", choices=("asha",))
    reduction_factor: int = setting(3, "one in so many trials passes a rung, and the next rung is so many times as far", minimum=2)
    min_intervals: int = setting(3, "logs at the first rung", minimum=1)
    max_intervals: Optional[int] = setting(None, "logs of a whole trial, where no rung is needed", minimum=1)
    unit: str = setting("log", "what is counted: logs of the metric, or their `step`", choices=("log", "step"))


@dataclass
class Sweep:
    """What every sweep has."""

    kind: str = setting("grid", "set by the choice of `sweep`", choices=("grid",))
    space: dict[str, Any] = setting(dict, "key: expression, list of values, or {type: uniform, min_value: 0, max_value: 1}; as words of -m")
    zip: dict[str, Any] = setting(dict, "name: {key: [values], key: [values]}; these keys change together")
    exclude: list[Any] = setting(list, "points that are left out: {key: value, ...}, or a comparison such as `params.a * params.b > 64`")
    first: list[Any] = setting(list, "points that come before all others: {key: value, ...}")
    repeats: int = setting(1, "trials of each point; its value is their mean", minimum=1)
    repeat_key: Optional[str] = setting(None, "a key that is 0, 1, 2, ... in the trials of a point, such as params.seed")
    max_concurrent_runs: Optional[int] = setting(None, "trials at a time; default: as many as the machine has slots for", minimum=1)
    max_failed_runs: Optional[int] = setting(None, "so many failed trials end the sweep", minimum=1)
    max_duration_minutes: Optional[float] = setting(None, "minutes; then running trials are cancelled and none is started", above=0)
    target: Optional[float] = setting(None, "a value of the metric that is good enough: no further trial starts")
    value: str = setting("best", "what a trial is worth: the best or the last value it logged", choices=("best", "last"))
    seed: Optional[int] = setting(None, "of everything that is drawn; default: one by chance, which is recorded", minimum=0)
    policy: Any = setting(None, "when a trial is stopped early; chosen by sweep/policy=...")


@dataclass
class GridSweep(Sweep):
    """sweep=grid: every combination of the values."""

    max_total_runs: int = setting(10_000, "a larger grid is refused", minimum=1)
    shuffle: bool = setting(False, "in an order of the seed, instead of the last key changing fastest")


@dataclass
class RandomSweep(Sweep):
    """sweep=random: points by chance, or evenly spread."""

    kind: str = setting("random", "set by the choice of `sweep`", choices=("random",))
    max_total_runs: Optional[int] = setting(None, "trials in all, over the whole life of the sweep; must be given", minimum=1)
    rule: str = setting("random", "independent points, or a Sobol sequence, which is spread more evenly", choices=("random", "sobol"))


@dataclass
class BayesSweep(Sweep):
    """sweep=bayes: each point by what the ones before were worth."""

    kind: str = setting("bayes", "set by the choice of `sweep`", choices=("bayes",))
    max_total_runs: Optional[int] = setting(None, "trials in all, over the whole life of the sweep; must be given", minimum=1)
    sampler: str = setting("tpe", "Parzen estimators, Gaussian processes, or CMA-ES", choices=("tpe", "gp", "cmaes"))


SWEEPS: dict[str, Any] = {"grid": GridSweep, "random": RandomSweep, "bayes": BayesSweep}
POLICIES: dict[str, Any] = {
    "none": NoPolicy, "bandit": BanditPolicy, "median": MedianPolicy, "truncation": TruncationPolicy, "asha": AshaPolicy,
}
