"""How good the points of each sampler are, and what each policy saves and loses: simulations, exact under their seeds, on any machine.

    python -m benchmarks.simulations.search_quality [--check] [--seeds 100] [--gp-seeds 10]

Needs the extra `sweeps`; `gp` is left out without PyTorch. Beside each figure stands that of an independent program, which drives Optuna
itself and has plain formulas for the policies. Points: the regret of the best of 30 trials with 4 in flight, median and quartiles.
Policies: 60 trials of 27 logs, 4 in flight, 20 seeds, on curves that cross and whose ranking is known.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from benchmarks.rounds import Limit, Report, parser
from tests.unit.search.oracle import Curve, curves, simulate
from trainconf.search import grammar
from trainconf.search.bayes import BayesSampler
from trainconf.search.expressions import Expression
from trainconf.search.policies import Asha, Bandit, Judge, Median, Policy, Truncation
from trainconf.search.progress import Limits, Progress
from trainconf.search.samplers import PointSource, RandomSampler, SobolSampler
from trainconf.search.space import Axis, Space

TRIALS, IN_FLIGHT = 30, 4
SAME = "policies with other figures than those of the independent program"
Values = Mapping[str, Any]


def _quadratic(p: Values, _rng: random.Random | None) -> float:
    return float((math.log10(p["lr"]) + 2.3) ** 2 + 0.5 * (math.log10(p["wd"]) + 4) ** 2)


def _branin(p: Values, _rng: random.Random | None) -> float:
    x, y = p["x"], p["y"]
    bowl = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
    return float(bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 - 0.39788735772973816)


def _steps(p: Values, rng: random.Random | None) -> float:
    base = {"sgd": 0.15, "adam": 0.0, "rmsprop": 0.08}[p["opt"]]
    stairs = 0.05 * abs(p["layers"] - 5) + 0.04 * math.floor(8 * abs(p["drop"] - 0.3)) + 0.02 * abs(math.log2(p["batch"] / 64))
    return float(base + stairs + (rng.gauss(0, 0.02) if rng else 0.0))


def _bell(p: Values, _rng: random.Random | None) -> float:
    return float((p["z"] - 1.5) ** 2 + 4 * (p["y"] - 0.3) ** 2)


OBJECTIVES: dict[str, tuple[dict[str, Expression], Callable[[Values, random.Random | None], float]]] = {
    "quadratic": ({"lr": grammar.log_interval(1e-5, 1), "wd": grammar.log_interval(1e-6, 0.1)}, _quadratic),
    "Branin": ({"x": grammar.uniform(-5, 10), "y": grammar.uniform(0, 15)}, _branin),
    "noisy steps": ({
        "opt": grammar.choice("sgd", "adam", "rmsprop"), "layers": grammar.interval(1, 8, is_int=True),
        "drop": grammar.uniform(0, 0.9), "batch": grammar.choice(16, 32, 64, 128),
    }, _steps),
    "normal": ({"z": grammar.normal(0, 1), "y": grammar.uniform(0, 1)}, _bell),
}  # fmt: skip
# Medians of the independent program, in the order of the objectives: tpe of 100 seeds, the others of 10.
THEIRS = {
    "random": (0.105, 1.21, 0.03, 0.096), "sobol": (0.072, 1.00, 0.075, 0.107), "tpe": (0.039, 0.46, 0.02, 0.036),
    "gp": (3e-5, 0.046, 0.0, 0.071), "cmaes": (0.016, 1.7, 0.055, 0.134),
}  # fmt: skip
AT_MOST = {"tpe": (0.05, 0.9, 0.03, 0.055), "gp": (1e-4, 0.1, 0.02)}
# In a row: saved, median and range; trials stopped; regret, median and most; of how many seeds the truly best trial ran to its end.
POLICIES: dict[str, tuple[Policy, str]] = {
    "bandit, factor 0.1": (Bandit(slack_factor=0.1), "70.9 % [66, 75]  52  0.0000, 0.0276  11"),
    "bandit, factor 0.1, delay 0": (Bandit(slack_factor=0.1, delay_evaluation=0), "86.4 % [83, 91]  54  0.0052, 0.0979  7"),
    "bandit, amount 0.05": (Bandit(slack_amount=0.05), "73.0 % [69, 77]  54  0.0016, 0.0276  10"),
    "median": (Median(), "13.0 % [3, 28]  14  0.0000, 0.0036  20"),
    "median, delay 0": (Median(delay_evaluation=0), "56.1 % [34, 71]  40  0.0000, 0.0036  20"),
    "truncation 20 %": (Truncation(), "35.4 % [23, 51]  32  0.0000, 0.0036  20"),
    "truncation 20 %, interval 5": (Truncation(evaluation_interval=5), "25.9 % [16, 37]  26  0.0000, 0.0036  20"),
    "truncation 50 %, interval 5": (
        Truncation(truncation_percentage=50, evaluation_interval=5), "60.2 % [50, 66]  52  0.0000, 0.0036  20",
    ),
    "asha, from 1": (Asha(min_intervals=1), "87.0 % [79, 93]  56  0.0044, 0.0828  6"),
    "asha, from 3": (Asha(), "75.0 % [62, 82]  54  0.0004, 0.0319  12"),
}  # fmt: skip


def _points(kind: str, space: Space, seed: int) -> PointSource:
    if kind in ("random", "sobol"):
        return PointSource((RandomSampler if kind == "random" else SobolSampler)(space, seed), [])
    return PointSource(BayesSampler(space, seed, kind, "minimize"), [])


def regret(kind: str, objective: str, seed: int) -> float:
    """The true value of the trial that looks best, above the least there is; the controller's own bookkeeping asks and tells."""
    spec, value = OBJECTIVES[objective]
    rng = random.Random(1000 + seed)
    limits = Limits(max_total_runs=TRIALS, max_concurrent_runs=IN_FLIGHT)
    progress = Progress(_points(kind, Space(tuple(Axis(key, expression) for key, expression in spec.items())), seed), limits, "minimize")
    flying: list[tuple[float, int]] = []
    now = 0.0
    while not progress.is_drained:
        while (line := progress.next_ask()) is not None:
            progress.take({**line, "run": ["x", "y"]})
            flying.append((now + rng.uniform(0.2, 1.5), line["number"]))
        flying.sort()
        now, number = flying.pop(0)
        progress.take({"deed": "told", "number": number, "state": "Completed", "value": value(progress.trials[number].values, rng)})
    best = progress.best()
    assert best is not None
    return value(best[0].values, None)


def _quality(report: Report, kinds: Mapping[str, int]) -> None:
    for kind, seeds in kinds.items():
        for index, objective in enumerate(OBJECTIVES):
            low, middle, high = statistics.quantiles([regret(kind, objective, seed) for seed in range(seeds)], n=4)
            report.figure(f"{kind}, {objective}", middle, f"[{low:.2g}, {high:.2g}]", f"independent {THEIRS[kind][index]:g}; {seeds} seeds")


def _judged(policy: Policy, seed: int, data: list[Curve]) -> Iterator[float]:
    """Of one seed: saved in percent, stopped, regret, whether the truly best trial ran to its end."""
    epochs = len(data[0][0])
    judge = Judge(policy, "maximize")

    def log(trial: int, value: float) -> bool:
        judge.take(trial, value)
        return any(verdict.is_stop for verdict in judge.verdicts(trial))

    stopped = simulate(data, IN_FLIGHT, log)
    counts = [stopped.get(trial, epochs) for trial in range(len(data))]
    clean = [values for values, _ in curves(seed, noise=0.0)]
    winner = max(range(len(data)), key=lambda trial: (max(data[trial][0][: counts[trial]]), -trial))
    best = max(range(len(data)), key=lambda trial: clean[trial][-1])
    yield 100 - 100 * sum(counts) / epochs / len(data)
    yield len(stopped)
    yield clean[best][-1] - clean[winner][counts[winner] - 1]
    yield best not in stopped


def _policies(report: Report) -> None:
    others: list[str] = []
    print("policy: saved, trials stopped, regret (median, most), best trial kept in so many of 20 seeds")
    for name, (policy, theirs) in POLICIES.items():
        saved, stopped, lost, kept = zip(*(_judged(policy, seed, curves(seed)) for seed in range(20)), strict=True)
        ours = (
            f"{statistics.median(saved):.1f} % [{min(saved):.0f}, {max(saved):.0f}]  {statistics.median(stopped):.0f}"
            f"  {statistics.median(lost):.4f}, {max(lost):.4f}  {sum(kept):.0f}"
        )
        print(f"{name:<27}  {ours:<46}  independent {theirs}")
        others += [name] * (ours != theirs)
    report.figure(SAME, len(others), f"of {len(POLICIES)}", ", ".join(others))


def main() -> int:
    given = parser(__doc__)
    given.add_argument("--seeds", type=int, default=100, help="of tpe")
    given.add_argument("--gp-seeds", type=int, default=10, help="of gp, and of the others")
    asked = given.parse_args()
    has_torch = find_spec("torch") is not None
    kinds = {"tpe": asked.seeds, "gp": asked.gp_seeds, "cmaes": asked.gp_seeds, "random": asked.gp_seeds, "sobol": asked.gp_seeds}
    if not has_torch:
        print("gp is left out: PyTorch is not installed (pip install 'trainconf[gp]')")
        del kinds["gp"]
    limits = [
        Limit(f"{kind}, {objective}", at_most) for kind, worst in AT_MOST.items() if kind in kinds
        for objective, at_most in zip(OBJECTIVES, worst, strict=False)
    ]
    report = Report(*limits, Limit(SAME, 0))
    _policies(report)
    _quality(report, kinds)
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
