"""How strongly the values of each key of a sweep and its metric go together: by ranks, without another package.

A rank association is no cause: keys that a sampler has chosen together share it. `trainconf sweep importance` asks Optuna's PED-ANOVA.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

FEWEST_TRIALS = 20  # of fewer, chance alone makes strong associations: at 20 it is below 0.45 in 19 of 20 unrelated keys


class Association(NamedTuple):
    """Of one key: `strength` from 0 to 1. `direction`: 1 where higher values have a higher metric, -1 the other way, 0 where no order is.

    trials: how many had the key and a value of the metric.
    """

    key: str
    strength: float
    direction: int
    trials: int


def associations(points: Sequence[Mapping[str, Any]], values: Sequence[float | None]) -> list[Association]:
    """Of each key that has at least two values in at least FEWEST_TRIALS trials with a value; the strongest first.

    Numbers: the size of Spearman's rank correlation. Else: the correlation ratio of the metric's ranks, sqrt(between / all), which is
    corrected for the number of groups so that a key with many values is not strong by chance.
    """
    found = []
    for key in dict.fromkeys(key for point in points for key in point):
        pairs = [(point[key], value) for point, value in zip(points, values, strict=True) if key in point and value is not None]
        kinds = {repr(each) for each, _ in pairs}
        if len(pairs) < FEWEST_TRIALS or len(kinds) < 2:
            continue
        ranks = _ranks([value for _, value in pairs])
        if all(isinstance(each, (int, float)) and not isinstance(each, bool) and each == each for each, _ in pairs):
            correlation = _correlation(_ranks([each for each, _ in pairs]), ranks)
            found.append(Association(key, abs(correlation), (correlation > 0) - (correlation < 0), len(pairs)))
        else:
            found.append(Association(key, _ratio([repr(each) for each, _ in pairs], ranks), 0, len(pairs)))
    return sorted(found, key=lambda each: -each.strength)


def _ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value; equal ones share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, start = [0.0] * len(values), 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            ranks[place] = (start + end) / 2
        start = end + 1
    return ranks


def _correlation(a: Sequence[float], b: Sequence[float]) -> float:
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    both = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    size = sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))
    return both / size if size else 0.0


def _ratio(groups: Sequence[str], ranks: Sequence[float]) -> float:
    """The correlation ratio, with the correction of Kelley's epsilon squared."""
    by_group: dict[str, list[float]] = {}
    for group, rank in zip(groups, ranks, strict=True):
        by_group.setdefault(group, []).append(rank)
    mean = sum(ranks) / len(ranks)
    every = sum((rank - mean) ** 2 for rank in ranks)
    within = sum(sum((rank - sum(each) / len(each)) ** 2 for rank in each) for each in by_group.values())
    left = len(ranks) - len(by_group)
    if not every or left < 1:
        return 0.0
    return sqrt(max(0.0, 1 - (within / left) / (every / (len(ranks) - 1))))
