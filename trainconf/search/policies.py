"""When a trial is stopped early: four rules over what the trials have logged.

A trial's history holds the values of the metric it has logged, oriented so that larger is better. One log is one interval, or,
with `unit: step`, one step. NaN and the infinities are a log without a value. Every comparison is strict, so ties survive.
The rules and their names are HyperDrive's (Azure ML SDK v1); `asha` is successive halving without promotion (Li et al. 2018).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence

from trainconf.fast.records import Record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object

NO_VALUE = -math.inf
MAX_ALIKE = 100  # verdicts at steps between two logs, each of which is told


def why_stopped(stop: dict[str, Any], goal: str) -> str:
    """`stopped at log 5: 0.61 < 0.7, 12 compared`, of the journal's line about a trial that a policy stopped; or at a step."""
    own, bound = (f"{value:.6g}" if isinstance(value, float) else str(value) for value in (stop.get("own"), stop.get("bound")))
    at = f"{stop.get('unit', 'log')} {stop.get('interval')}"
    return f"stopped at {at}: {own} {'<' if goal == 'maximize' else '>'} {bound}, {stop.get('compared')} compared"


def why_ended(stop: dict[str, Any] | None, closed: str, goal: str) -> str:
    """Why a sweep ends a trial by itself, for the trial's run to tell. stop: as in `why_stopped`; closed: why the sweep starts no more."""
    if stop is not None:
        return f"{why_stopped(stop, goal)}, by the sweep's policy"
    return f"its sweep was stopped: {closed.removeprefix('stopped ')}"


class History:
    """The logs of one trial, with the best and the mean value up to each of them at hand."""

    __slots__ = ("_at", "_best", "_counts", "_totals", "_values")

    def __init__(self) -> None:
        self._at: list[int] = []  # of each log, its interval: 1, 2, 3, …, or its step; ascending
        self._values: list[float] = []
        self._best: list[float] = []
        self._totals: list[float] = []
        self._counts: list[int] = []

    @property
    def reached(self) -> int:
        """The last interval that has a log; 0 if there is none."""
        return self._at[-1] if self._at else 0

    def best_at(self, interval: int) -> float:
        """The largest finite value up to that interval; NO_VALUE if there is none."""
        index = bisect_right(self._at, interval) - 1
        return self._best[index] if index >= 0 else NO_VALUE

    def between(self, after: int, up_to: int) -> list[int]:
        """The intervals in (after, up_to] that have a log."""
        return self._at[bisect_right(self._at, after) : bisect_right(self._at, up_to)]

    def mean_at(self, interval: int) -> float | None:
        """The mean of the finite values up to that interval; None if there is none."""
        index = bisect_right(self._at, interval) - 1
        return self._totals[index] / self._counts[index] if index >= 0 and self._counts[index] else None

    def put(self, interval: int, value: float) -> None:
        """Set the value of an interval; one that had a value before gets the new one."""
        index = bisect_left(self._at, interval)
        if index < len(self._at) and self._at[index] == interval:
            self._values[index] = value
        else:
            self._at.insert(index, interval)
            self._values.insert(index, value)
        del self._best[index:], self._totals[index:], self._counts[index:]
        best, total, count = (self._best[-1], self._totals[-1], self._counts[-1]) if index else (NO_VALUE, 0.0, 0)
        for known in self._values[index:]:
            if math.isfinite(known):
                best, total, count = max(best, known), total + known, count + 1
            self._best.append(best)
            self._totals.append(total)
            self._counts.append(count)


class Verdict(Record):
    """A decision about one trial at one interval. It is stopped if `own` is below `bound`.

    compared: how many other trials had reached the interval. bound: NO_VALUE where there was too little to compare with.
    """

    trial: int
    interval: int
    own: float
    bound: float
    compared: int

    @property
    def is_stop(self) -> bool:
        """Whether the trial is to be stopped."""
        return self.own < self.bound


class Field:
    """The trials that have reached one interval: their best values and their means, sorted."""

    __slots__ = ("bests", "means", "trials")

    def __init__(self) -> None:
        self.trials: dict[int, tuple[float, float | None]] = {}
        self.bests: list[float] = []
        self.means: list[float] = []

    def put(self, trial: int, best: float, mean: float | None) -> None:
        """Enter a trial, or its new values."""
        if self.trials.get(trial) == (best, mean):
            return
        self.drop(trial)
        self.trials[trial] = (best, mean)
        insort(self.bests, best)
        if mean is not None:
            insort(self.means, mean)

    def drop(self, trial: int) -> None:
        """Take a trial out, if it is in."""
        best, mean = self.trials.pop(trial, (None, None))
        if best is not None:
            del self.bests[bisect_left(self.bests, best)]
        if mean is not None:
            del self.means[bisect_left(self.means, mean)]

    def median_of_others(self, trial: int) -> tuple[float, int]:
        """The median of the other trials' means, and how many they are; NO_VALUE of none."""
        own = self.trials[trial][1]
        place = len(self.means) if own is None else bisect_left(self.means, own)
        count = len(self.means) - (own is not None)
        if not count:
            return NO_VALUE, 0

        def at(index: int) -> float:
            return self.means[index if index < place else index + 1]

        return (at(count // 2) if count % 2 else (at(count // 2 - 1) + at(count // 2)) / 2), count


class Policy(Protocol):
    """A rule: at which intervals it is due, and the bound below which a trial is stopped there."""

    def due(self, after: int, up_to: int) -> Sequence[int]:
        """The intervals in (after, up_to] at which a trial is judged, ascending. There may be billions."""

    def bound(self, field: Field, trial: int) -> float:
        """The value below which that trial is stopped; NO_VALUE if there is too little to compare with."""


class _Periodic(Record):
    evaluation_interval: int = 1
    delay_evaluation: int = 5

    def due(self, after: int, up_to: int) -> Sequence[int]:
        """Every multiple of `evaluation_interval` that is at least `delay_evaluation`."""
        step = self.evaluation_interval
        first = max(after + 1, self.delay_evaluation, 1)
        return range(-(-first // step) * step, up_to + 1, step)


class Bandit(_Periodic):
    """Stops a trial that is further from the best than the slack allows.

    slack_factor: relative: the bound is best / (1 + slack_factor), and its mirror for metrics that are minimised or negative.
    slack_amount: absolute: the bound is best - slack_amount. Exactly one of both is set.
    """

    slack_factor: float | None = None
    slack_amount: float | None = None

    def bound(self, field: Field, trial: int) -> float:
        """The best value of all trials there, less the slack."""
        top = field.bests[-1]
        if self.slack_factor is not None:
            return min(top / (1 + self.slack_factor), top * (1 + self.slack_factor))
        assert self.slack_amount is not None
        return top - self.slack_amount


class Median(_Periodic):
    """Stops a trial whose best is below the median of the other trials' means, once `min_trials` others have come as far."""

    min_trials: int = 3

    def bound(self, field: Field, trial: int) -> float:
        """The median of the other trials' means up to there."""
        median, count = field.median_of_others(trial)
        return median if count >= self.min_trials else NO_VALUE


class Truncation(_Periodic):
    """Stops the worst `truncation_percentage` of the trials that have come as far."""

    truncation_percentage: int = 20

    def bound(self, field: Field, trial: int) -> float:
        """The worst value that is kept."""
        stopped = len(field.bests) * self.truncation_percentage // 100
        return field.bests[stopped] if stopped else NO_VALUE


class Asha(Record):
    """Keeps the best 1/reduction_factor of the trials at each rung: min_intervals * reduction_factor ** k, below max_intervals."""

    reduction_factor: int = 3
    min_intervals: int = 3
    max_intervals: int | None = None

    def due(self, after: int, up_to: int) -> Sequence[int]:
        """The rungs."""
        rung, found = self.min_intervals, []
        while rung <= up_to and (self.max_intervals is None or rung < self.max_intervals):
            if rung > after:
                found.append(rung)
            rung *= self.reduction_factor
        return found

    def bound(self, field: Field, trial: int) -> float:
        """The worst value that is kept; the first trial at a rung passes."""
        return field.bests[-max(1, len(field.bests) // self.reduction_factor)]


class Judge:
    """Takes the logs of every trial, and says which trials to stop.

    `take` enters what a trial has logged; `verdicts` decides about it, once at each interval, by all logs that were taken before. So
    whoever has many logs to read takes them all first: a trial is compared with each one that has come as far, in whatever order they
    were read. What is taken later changes no verdict.

    goal: `maximize` or `minimize`. `verdict_count` counts the verdicts given, `stops` holds those that stop, by trial.
    counts_steps: whether an interval is a step instead of a log; logs without a step are then one step after the one before.
    """

    def __init__(self, policy: Policy, goal: str, *, counts_steps: bool = False) -> None:
        self._policy = policy
        self._sign = 1.0 if goal == "maximize" else -1.0
        self._counts_steps = counts_steps
        self.unit = "step" if counts_steps else "log"
        self._histories: dict[int, History] = {}
        self._fields: dict[int, Field] = {}
        self._logged_steps: dict[int, dict[int, int]] = {}
        self.judged: dict[int, int] = {}  # the last interval at which each trial was judged; kept by whoever goes on later
        self.verdict_count = 0
        self.stops: dict[int, Verdict] = {}

    def take(self, trial: int, value: float, step: int | None = None) -> None:
        """Take one log. A step that was logged before has its value replaced."""
        history = self._histories.setdefault(trial, History())
        reached = history.reached
        at = self._interval(trial, history, step)
        history.put(at, self._sign * value if math.isfinite(value) else math.nan)
        if self._counts_steps:
            fields = [(known, field) for known, field in self._fields.items() if min(at, reached + 1) <= known <= history.reached]
        elif history.reached == reached:  # a replaced value: the fields it is in take it over
            fields = [(interval, field) for interval, field in self._fields.items() if trial in field.trials]
        else:
            fields = [(at, self._fields.setdefault(at, Field())) for at in self._policy.due(reached, history.reached)]
        for interval, field in fields:
            field.put(trial, history.best_at(interval), history.mean_at(interval))

    def verdicts(self, trial: int) -> list[Verdict]:
        """The verdicts on a trial at the intervals that it has reached and was not judged at."""
        history = self._histories.get(trial)
        if history is None:
            return []
        after = self.judged.get(trial, 0)
        if self._counts_steps:
            found = list(self._by_steps(trial, after, history.reached))
        else:
            found = [self._verdict(trial, interval) for interval in self._policy.due(after, history.reached)]
        for verdict in found:
            self.judged[trial] = verdict.interval
            self.verdict_count += 1
            if verdict.is_stop:
                self.stops.setdefault(trial, verdict)
        return found

    def _by_steps(self, trial: int, after: int, up_to: int) -> Iterator[Verdict]:
        """The verdicts at steps. Between two logs all agree; where there are very many, the first and the last stand for them."""
        for end in sorted({at for history in self._histories.values() for at in history.between(after, up_to)}):
            for last in (end - 1, end):
                due = self._policy.due(after, last)
                after = max(after, last)
                if due:
                    verdict = self._verdict(trial, due[0])
                    yield from (replace(verdict, interval=at) for at in (due if len(due) <= MAX_ALIKE else (due[0], due[-1])))

    def forget(self, trial: int) -> None:
        """Take back all logs of a trial: it runs once more, and nothing is compared with its run before."""
        for known in (self._histories, self._logged_steps, self.judged, self.stops):
            known.pop(trial, None)
        for field in self._fields.values():
            field.drop(trial)

    def _interval(self, trial: int, history: History, step: int | None) -> int:
        """The interval of a log: its step, or the count of logs, or that of the log it replaces."""
        if self._counts_steps:
            return history.reached + 1 if step is None else step
        if step is None:
            return history.reached + 1
        return self._logged_steps.setdefault(trial, {}).setdefault(step, history.reached + 1)

    def _verdict(self, trial: int, interval: int) -> Verdict:
        field = self._fields.get(interval)
        if field is None:  # of a step that nobody was judged at before
            field = self._fields[interval] = Field()
            for number, history in self._histories.items():
                if history.reached >= interval:
                    field.put(number, history.best_at(interval), history.mean_at(interval))
        return Verdict(trial, interval, field.trials[trial][0], self._policy.bound(field, trial), len(field.trials) - 1)

    def as_logged(self, value: float) -> float:
        """An oriented value as the trials log it."""
        return self._sign * value
