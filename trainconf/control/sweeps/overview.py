"""A sweep while it goes on: how many trials are in which state, the best so far, the time that is left. A trial at rest costs nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from trainconf.control.results.sweep import saved_share
from trainconf.control.results.worth import best_point, finite, repeats_of, rule_of, search_settings
from trainconf.fast.tuples import NamedTuple
from trainconf.history import metrics, record
from trainconf.history.follow import has_ended
from trainconf.search.progress import Progress
from trainconf.search.values import is_better

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.control.sweeps.steer import AnySweep

SAVED_EVERY_S = 0.5  # all trials are looked at for it
COURSE_POINTS = 256
RUNNING = ("Starting", "Running", "Finalizing", "CancelRequested")


class Best(NamedTuple):
    """The trial that is ahead, and the value of its point."""

    trial: Any
    value: float


class Ended(NamedTuple):
    """A trial that has ended. `stop`: why a policy stopped it; None when none did. is_best: whether it is ahead of all before it.

    shown_value: `value`, or where there is none what was logged last, which is not finite.
    """

    trial: Any
    value: float | None
    stop: dict[str, Any] | None
    is_best: bool
    shown_value: float | None = None


class Course:
    """The course of one series, in so few numbers that it is drawn at no cost, however long it is: means of neighbours."""

    def __init__(self) -> None:
        self.cursor = metrics.Cursor()
        self.count = 0  # of values so far
        self.last: float | None = None  # finite one
        self.newest: float | None = None
        self._low = self._high = float("nan")
        self._means: list[float] = []
        self._span = 1  # values in each mean
        self._open: list[float] = []  # values of the next one

    def add(self, values: Sequence[float]) -> None:
        """Take further values."""
        self.count += len(values)
        self.newest = values[-1] if values else self.newest
        for value in values:
            if math.isfinite(value):
                self.last = value
                self._low = value if not self._low <= value else self._low
                self._high = value if not self._high >= value else self._high
            self._open.append(value)
            if len(self._open) == self._span:
                self._means.append(_mean(self._open))
                self._open = []
                if len(self._means) == COURSE_POINTS:
                    self._means = [_mean(self._means[place : place + 2]) for place in range(0, COURSE_POINTS, 2)]
                    self._span *= 2

    def best(self, goal: str) -> float | None:
        """The best finite value; None without one."""
        return finite(self._high if goal == "maximize" else self._low)

    def points(self) -> list[float]:
        """At most COURSE_POINTS numbers, NaN where nothing finite was logged."""
        return [*self._means, _mean(self._open)] if self._open else self._means


class Overview:
    """See the module. The trials of a sweep have number, overrides, state and paths; `update` takes those that have changed."""

    def __init__(self, sweep: AnySweep, clock: Callable[[], float] = time.monotonic) -> None:
        found = record.read_mapping(sweep.paths.sweep)
        policy = search_settings(found).get("policy")
        self.metric: str | None = sweep.metric["name"]
        self.goal = str(sweep.metric["goal"] or "maximize")
        self._policy: dict[str, Any] = policy if isinstance(policy, dict) else {}
        self.running: dict[int, Any] = {}  # trials by number
        self.counts: dict[str, int] = {}  # of trials that have ended, by state; Stopped are those a policy has ended
        self._rule = rule_of(found)
        self._repeats = repeats_of(found) if sweep.progress is None else sweep.progress.limits.repeats
        self._sweep = sweep
        self._clock = clock
        self._began_at = clock()
        self._known: dict[int, tuple[str, str]] = {}  # run directory and state of every trial that ended, by number
        self._running_since: dict[int, float] = {}
        self._wall: list[float] = [0.0, 0.0]  # of trials that have ended: seconds in all, and how many
        self._courses: dict[int, Course] = {}  # of running trials
        self._saved: float | None = None
        self._saved_at = float("-inf")
        self._best: Best | None = None  # among those that have ended
        self._values: dict[int, float | None] = {}  # with repeats: of every trial that has ended
        for trial in sweep.live:
            if getattr(trial, "is_old", False):  # an earlier process has told of it
                self._end(trial, trial.state.status)

    def update(self, changed: Sequence[Any]) -> list[Ended]:
        """Take in what has changed; the trials that have ended since the last call, each once."""
        found = []
        for trial in changed:
            status = "NotStarted" if trial.state is None else trial.state.status
            if trial.state is not None and has_ended(trial.state):
                if self._known.get(trial.number, ("",))[0] != trial.paths.run_dir:
                    found.append(self._end(trial, status))
                continue
            before = self._known.pop(trial.number, None)
            if before is not None:  # it runs once more
                self.counts[before[1]] -= 1
                self._forget(trial.number)
            if status in RUNNING:
                self.running[trial.number] = trial
                self._running_since.setdefault(trial.number, self._clock())
            else:
                self.running.pop(trial.number, None)
                self._running_since.pop(trial.number, None)
        return found

    @property
    def policy(self) -> str:
        """The policy by which trials are stopped now."""
        progress = self._progress
        return str(((progress and progress.policy) or self._policy).get("kind", "none"))

    @property
    def total(self) -> int:
        """Trials in all, as far as is known now."""
        progress = self._progress
        return len(progress.trials) if progress is not None and (progress.closed or progress.exhausted) else self._sweep.total

    @property
    def ended_count(self) -> int:
        """Trials that have ended."""
        return len(self._known)

    @property
    def waiting_count(self) -> int:
        """Trials that have not begun."""
        return max(0, self.total - self.ended_count - len(self.running))

    @property
    def elapsed_s(self) -> float:
        """Since this process looks."""
        return self._clock() - self._began_at

    @property
    def rest_s(self) -> float | None:
        """An estimate from how long trials took that have ended; None before the first."""
        total_s, count = self._wall
        if not count or self.ended_count >= self.total:
            return None
        mean_s, now = total_s / count, self._clock()
        left = [max(0.0, mean_s - (now - since)) for since in self._running_since.values()]
        at_a_time = max(1, len(left))
        return max([(sum(left) + self.waiting_count * mean_s) / at_a_time, *left])

    @property
    def saved(self) -> float | None:
        """The share of logs that stopped trials did not have to make; None while nobody can tell."""
        if self._progress is not None and self._clock() >= self._saved_at + SAVED_EVERY_S:
            self._saved, self._saved_at = saved_share(self._progress), self._clock()
        return self._saved

    def best(self) -> Best | None:
        """The best so far, running trials included, for their values count, too."""
        if self._repeats > 1:  # a point is worth the mean of its trials
            return self._best_point()
        found = self._best
        for trial in self.running.values():
            value = self.value(trial)
            if value is not None and self._is_ahead(trial, value, found):
                found = Best(trial, value)
        return found

    def _is_ahead(self, trial: Any, value: float, of: Best | None) -> bool:
        """Whether a trial is better, or as good and has the lower number."""
        return of is None or is_better(value, of.value, self.goal) or (value == of.value and trial.number < of.trial.number)

    def _best_point(self) -> Best | None:
        progress = self._progress
        if progress is not None:
            told = progress.best()
            return None if told is None else Best(self._trial(told[0].number), told[1])
        values = [self._values.get(number) for number in range(max(self._values, default=-1) + 1)]
        found = best_point(values, self._repeats, self.goal)
        return None if found is None else Best(self._trial(found[0]), found[1])

    def value(self, trial: Any) -> float | None:
        """What a trial is worth so far, by the metric."""
        course = self.course(trial)
        return course.last if self._rule == "last" else course.best(self.goal)

    def shown_value(self, trial: Any) -> float | None:
        """The same for people: where it is worth nothing what was logged last, which is not finite."""
        value = self.value(trial)
        return self.course(trial).newest if value is None else value

    def course(self, trial: Any) -> Course:
        """What a trial has logged of the metric so far."""
        course = self._courses.setdefault(trial.number, Course())
        values = getattr(trial, "values", None)
        if isinstance(values, list):  # its controller reads them
            course.add(values[course.count :])
        elif self.metric and trial.paths is not None:
            entries = metrics.read_since(trial.paths, course.cursor)
            course.add([_as_float(entry["value"]) for entry in entries if metrics.is_called(entry, self.metric)])
        return course

    def running_s(self, trial: Any) -> float:
        """How long a running trial has been seen to run."""
        return self._clock() - self._running_since.get(trial.number, self._clock())

    def _end(self, trial: Any, status: str) -> Ended:
        number = trial.number
        self.running.pop(number, None)
        self._running_since.pop(number, None)
        progress = self._progress
        told = progress.trials[number] if progress is not None and number < len(progress.trials) else None
        value = told.value if told is not None and told.state else self.value(trial)
        shown = self.course(trial).newest if value is None else value
        self._courses.pop(number, None)
        stop = told.stop if told is not None else None
        state = "Stopped" if stop is not None and status == "Canceled" else status
        self._known[number] = trial.paths.run_dir, state
        self.counts[state] = self.counts.get(state, 0) + 1
        wall_s = (trial.state.event.get("resources") or {}).get("wall_s")
        if isinstance(wall_s, (int, float)):
            self._wall = [self._wall[0] + wall_s, self._wall[1] + 1]
        if self._repeats > 1:
            self._values[number] = value
        is_best = value is not None and (self._best is None or is_better(value, self._best.value, self.goal))
        if value is not None and self._is_ahead(trial, value, self._best):
            self._best = Best(trial, value)
        return Ended(trial, value, stop, is_best, shown)

    def _forget(self, number: int) -> None:
        """What a trial was worth counts no longer: it runs once more, which only a sweep with a controller does."""
        if self._best is not None and self._best.trial.number == number:
            self._best = self._best_point()

    def _trial(self, number: int) -> Any:
        return next(trial for trial in self._sweep.live if trial.number == number)

    @property
    def _progress(self) -> Progress | None:
        return self._sweep.progress


def _as_float(value: Any) -> float:
    """A logged value as a number; what is none is NaN."""
    return metrics.as_float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(value / len(known) for value in known) if known else float("nan")
