"""sweep=random and sweep=bayes, and sweep/policy=...: when a trial is stopped early. Imported when one of them is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from trainconf.schema.fields import setting
from trainconf.schema.sweep import Sweep


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


@dataclass
class NoPolicy:
    """sweep/policy=none: every trial runs to its end."""

    kind: str = setting("none", "set by the choice of `sweep/policy`", choices=("none",))


@dataclass
class Periodic:
    """A policy that judges a trial every so often."""

    kind: str = setting("none", "set by the choice of `sweep/policy`", choices=("none",))
    evaluation_interval: int = setting(1, "a trial is judged at every so many logs of the metric", minimum=1)
    delay_evaluation: int = setting(5, "logs before a trial is judged for the first time", minimum=0)
    unit: str = setting("log", "what is counted: logs of the metric, or their `step`", choices=("log", "step"))


@dataclass
class BanditPolicy(Periodic):
    """sweep/policy=bandit: stops a trial that is further from the best one than the slack."""

    kind: str = setting("bandit", "set by the choice of `sweep/policy`", choices=("bandit",))
    slack_factor: Optional[float] = setting(None, "relative: the bound is best / (1 + slack_factor); this or slack_amount", minimum=0)
    slack_amount: Optional[float] = setting(None, "absolute: the bound is best - slack_amount; this or slack_factor", minimum=0)


@dataclass
class MedianPolicy(Periodic):
    """sweep/policy=median: stops a trial whose best value is below the median of the other trials' means."""

    kind: str = setting("median", "set by the choice of `sweep/policy`", choices=("median",))
    min_trials: int = setting(3, "other trials that must have come as far", minimum=1)


@dataclass
class TruncationPolicy(Periodic):
    """sweep/policy=truncation: stops the worst share of the trials that have come as far."""

    kind: str = setting("truncation", "set by the choice of `sweep/policy`", choices=("truncation",))
    truncation_percentage: int = setting(20, "per cent of the trials that are stopped, 1 to 99", minimum=1, maximum=99)


@dataclass
class AshaPolicy:
    """sweep/policy=asha: successive halving; a share of the trials passes each rung, and rungs are ever further apart."""

    kind: str = setting("asha", "set by the choice of `sweep/policy`", choices=("asha",))
    reduction_factor: int = setting(3, "one in so many trials passes a rung, and the next rung is so many times as far", minimum=2)
    min_intervals: int = setting(3, "logs at the first rung", minimum=1)
    max_intervals: Optional[int] = setting(None, "logs of a whole trial, where no rung is needed", minimum=1)
    unit: str = setting("log", "what is counted: logs of the metric, or their `step`", choices=("log", "step"))
