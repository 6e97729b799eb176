"""The four rules once more, as plain formulas over whole histories, and the learning curves they are tried on.

A history is the list of oriented values of one trial, larger is better. Every function is asked when trial `i` has logged `n` values.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence

Histories = Mapping[int, Sequence[float]]
Rule = Callable[[Histories, int, int], bool]


def best(values: Sequence[float], n: int) -> float:
    return max((value for value in values[:n] if math.isfinite(value)), default=-math.inf)


def mean(values: Sequence[float], n: int) -> float | None:
    finite = [value for value in values[:n] if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None


def is_due(n: int, interval: int, delay: int) -> bool:
    return n >= max(1, delay) and n % interval == 0


def bandit(h: Histories, i: int, n: int, *, factor: float | None = None, amount: float = 0.0, interval: int = 1, delay: int = 5) -> bool:
    top = max(best(values, n) for values in h.values() if len(values) >= n)
    bound = top - amount if factor is None else min(top / (1 + factor), top * (1 + factor))
    return is_due(n, interval, delay) and best(h[i], n) < bound


def median(h: Histories, i: int, n: int, *, interval: int = 1, delay: int = 5, min_trials: int = 3) -> bool:
    others = [m for j, values in h.items() if j != i and len(values) >= n and (m := mean(values, n)) is not None]
    return is_due(n, interval, delay) and len(others) >= min_trials and best(h[i], n) < statistics.median(others)


def truncation(h: Histories, i: int, n: int, *, percentage: int = 20, interval: int = 1, delay: int = 5) -> bool:
    there = [best(values, n) for values in h.values() if len(values) >= n]
    worst = len(there) * percentage // 100
    return is_due(n, interval, delay) and worst > 0 and sum(other > best(h[i], n) for other in there) >= len(there) - worst


def asha(h: Histories, i: int, n: int, *, factor: int = 3, first: int = 3, last: int | None = None) -> bool:
    rung = first
    while rung < n:
        rung *= factor
    if rung != n or (last is not None and n >= last):
        return False
    there = [best(values, n) for values in h.values() if len(values) >= n]
    return sum(other > best(h[i], n) for other in there) >= max(1, len(there) // factor)


Curve = tuple[list[float], float]  # what a trial logs, and the time between two logs


def curves(seed: int, trials: int = 60, epochs: int = 27, noise: float = 0.005) -> list[Curve]:
    """Saturating curves: final qualities evenly from 0.60 to 0.90, time constants of 2 to 9 epochs, so that curves cross."""
    rng = random.Random(seed)
    qualities = [0.60 + 0.30 * k / (trials - 1) for k in range(trials)]
    rng.shuffle(qualities)
    found = []
    for quality in qualities:
        constant = rng.uniform(2, 9)
        clean = [quality - (quality - 0.1) * math.exp(-epoch / constant) for epoch in range(1, epochs + 1)]
        found.append(([value + rng.gauss(0, noise) for value in clean], rng.uniform(0.8, 1.2)))
    return found


def simulate(data: Sequence[Curve], in_flight: int, log: Callable[[int, float], bool]) -> dict[int, int]:
    """Let trials log, whichever is due first, a new one starting where one ends; {trial: its count of logs when it was stopped}.

    log: takes a trial's value and says whether the trial is stopped.
    """
    flying: list[tuple[float, int]] = []
    counts: dict[int, int] = {}
    stopped: dict[int, int] = {}
    now = 0.0
    while len(counts) < len(data) or flying:
        while len(counts) < len(data) and len(flying) < in_flight:
            trial = len(counts)
            counts[trial] = 0
            flying.append(((now if trial >= in_flight else 0.0) + data[trial][1], trial))
        flying.sort()
        now, trial = flying.pop(0)
        values, pace = data[trial]
        counts[trial] += 1
        wants_stop = log(trial, values[counts[trial] - 1])
        if counts[trial] == len(values):
            continue
        if wants_stop:
            stopped[trial] = counts[trial]
        else:
            flying.append((now + pace, trial))
    return stopped
