"""How far a sweep is: its trials, what was told to the sampler, and whether another trial is due.

`Progress` is made from the lines of a sweep's journal, one by one, and from nothing else; so a controller that takes a sweep
over knows what the one before it knew. Each line is a mapping with `deed`:

    earlier sweep, values, value                    a point of another sweep, and what it was worth; null: nothing
    ask     number, point, repeat, values, run      a trial has its number, its values, and the run that it will be
    told    number, state, value, reason, names     it has ended; the value of its metric, null without one
    again   number, run                             it shall run once more, with the same values, as another run
    judged  intervals, count                        {number: interval} up to which the policy has judged; so many verdicts more
    stop    number, interval, own, bound, compared  the policy stops it
    logs    number, logs                            what a trial of another sweep has logged, for the policy
    hold    numbers                                 trials that wait in a scheduler's queue are kept from beginning, as the sweep is paused
    release numbers                                 they may begin
    pause, resume, close                            nothing new; new trials again; nothing new ever (reason)
    resume  is_retry                                trials run again; of one that its user has stopped nothing else
    budget  max_total_runs, max_concurrent_runs, …  limits that were changed later
    policy  settings, metric                        another policy judges whatever was not judged before; the metric that is needed now
    compute settings                                what further trials may use, by the keys of the config
    end     state, reason                           the sweep is over; a later line opens it again
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trainconf.fast.records import Record
from trainconf.search import values
from trainconf.search.conditions import ConditionError
from trainconf.search.samplers import NothingLeftError, NotReadyError, PointSource
from trainconf.search.space import Point

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FINAL = ("Completed", "Failed", "Canceled")
WITHOUT_A_METRIC = 3  # finished trials without a value, before a search that needs one gives up
STOPPED = "stopped by `sweep stop`"  # why a sweep is closed by its user
OUT_OF_TIME = "its time is over (sweep.max_duration_minutes)"  # why a sweep is closed then
FIRST_FAILURES = 3  # that many failures at the start, and no success, end a sweep


class Limits(Record):
    """What ends a sweep. None: no such limit."""

    max_total_runs: int
    max_concurrent_runs: int
    max_failed_runs: int | None = None
    max_duration_minutes: float | None = None  # that somebody controls it; then running trials are cancelled, too
    target: float | None = None  # of the metric: nothing new starts when the best point has reached it
    repeats: int = 1  # trials of each point
    metric: str = ""  # its name, where a sampler, a policy or the target needs it


class Trial:
    """One trial, as far as the journal tells. `state` is "" until it has ended.

    run: experiment and run id. names: of the metrics it logged.
    """

    __slots__ = ("attempt", "names", "number", "point", "reason", "repeat", "run", "state", "stop", "value", "values")

    def __init__(self, number: int, point: int, repeat: int, values: Point, run: list[str]) -> None:
        self.number = number
        self.point = point
        self.repeat = repeat
        self.values = values
        self.run = run
        self.attempt = 1
        self.state = ""
        self.value: float | None = None
        self.reason = ""
        self.names: list[str] = []
        self.stop: dict[str, Any] | None = None


class Progress:
    """See the module. `goal` is `maximize` or `minimize`."""

    def __init__(self, source: PointSource, limits: Limits, goal: str) -> None:
        self.source = source
        self.limits = limits
        self.goal = goal
        self.trials: list[Trial] = []
        self.judged: dict[int, int] = {}
        self.verdict_count = 0
        self.policy_changes: list[tuple[int, dict[str, Any]]] = []  # the first trial that had not ended then, and the new settings
        self.is_paused = False
        self.closed = ""  # why nothing new starts any more, by a limit or by somebody's wish; "" while something may
        self.exhausted = ""  # why there is no further point
        self.failure = ""  # the same where it is a failure of the sweep
        self.wanted: set[int] = set()  # trials that run again because somebody wants them to, though nothing new starts
        self.ended: dict[str, Any] | None = None
        self.is_reopened = False  # it had ended, and somebody wants it to go on
        self.running: dict[int, Trial] = {}  # by number, those that were asked for and have not ended
        self.held: set[int] = set()  # those of them that are kept in a scheduler's queue
        self.counts = dict.fromkeys(FINAL, 0)  # of trials that have ended, by state
        self._earlier_count = 0  # points of other sweeps
        self._valued_count = 0  # of trials that have ended with a value
        self._without: list[Trial] = []  # completed ones without a value
        self._worst: float | None = None  # of the points told so far
        self._worth: dict[int, float] = {}  # of each point of which something is known
        self._best: int | None = None  # point
        self._limit = ""  # `closed`, where a limit has closed it that holds until it is changed

    # ------------------------------------------------------------ what the journal says

    def take(self, line: Mapping[str, Any]) -> None:
        """Take one line of the journal, old or just written."""
        take: Callable[[Mapping[str, Any]], None] | None = getattr(self, f"_take_{line['deed']}", None)
        if take is not None:  # a line of a later version tells this one nothing
            take(line)

    def _take_earlier(self, line: Mapping[str, Any]) -> None:
        self._earlier_count += 1
        self.source.add(-self._earlier_count, dict(line["values"]))
        self._learn(-self._earlier_count, line["value"], is_bad=True)

    def _take_ask(self, line: Mapping[str, Any]) -> None:
        number = line["number"]
        trial = Trial(number, line.get("point", number), line.get("repeat", 0), dict(line["values"]), list(line["run"]))
        if trial.number != len(self.trials):
            raise ValueError(f"trial {trial.number} follows trial {len(self.trials) - 1}")
        self.trials.append(trial)
        self.running[trial.number] = trial
        self.ended = None
        if trial.repeat == 0:
            self.source.add(trial.point, trial.values)

    def _take_told(self, line: Mapping[str, Any]) -> None:
        trial = self.trials[line["number"]]
        trial.state, trial.value, trial.reason = line["state"], line["value"], line.get("reason", "")
        trial.names = list(line.get("names", ()))
        self.running.pop(trial.number, None)
        self.held.discard(trial.number)
        self.wanted.discard(trial.number)
        self._count(trial, 1)
        siblings = self._siblings(trial)
        self._weigh(trial.point, siblings)
        if self._is_whole(siblings):
            self._tell(trial.point, siblings)
        self._close_if_due()

    def _is_whole(self, siblings: list[Trial]) -> bool:
        """Whether a point has had all its trials, and they have ended."""
        return len(siblings) == self.limits.repeats and all(sibling.state for sibling in siblings)

    def _siblings(self, trial: Trial) -> list[Trial]:
        first = trial.number - trial.repeat
        return self.trials[first : first + self.limits.repeats]

    def _count(self, trial: Trial, by: int) -> None:
        self.counts[trial.state] = self.counts.get(trial.state, 0) + by
        self._valued_count += by * (trial.value is not None)
        if trial.state == "Completed" and trial.value is None:
            self._without.append(trial) if by > 0 else self._without.remove(trial)

    def _weigh(self, point: int, siblings: list[Trial]) -> None:
        """Keep what a point is worth, and which is the best."""
        before, value = self._worth.pop(point, None), values.value_of_point([sibling.value for sibling in siblings])
        if value is not None:
            self._worth[point] = value
        if self._best == point and value != before:
            order = sorted(self._worth)
            place = values.best([self._worth[known] for known in order], self.goal)
            self._best = None if place is None else order[place]
        elif value is not None and self._best != point:
            best = None if self._best is None else self._worth[self._best]
            is_first_of_equals = best == value and self._best is not None and point < self._best
            if best is None or values.is_better(value, best, self.goal) or is_first_of_equals:
                self._best = point

    def _tell(self, point: int, siblings: list[Trial]) -> None:
        """Tell the sampler what a point was worth: the mean of its trials that ended by themselves or by the policy.

        Where those all failed it is the worst so far. Of trials that were lost, or that somebody cancelled, it learns nothing.
        """
        known = [trial for trial in siblings if trial.state == "Completed" or trial.stop is not None]
        is_bad = bool(known) or any(trial.state == "Failed" for trial in siblings)
        self._learn(point, values.value_of_point([trial.value for trial in known]), is_bad=is_bad)

    def _learn(self, point: int, value: float | None, *, is_bad: bool) -> None:
        """Tell the sampler the value of a point; of a bad one without a value the worst so far."""
        if value is not None:
            self._worst = values.worst([value, *([] if self._worst is None else [self._worst])], self.goal)
        elif is_bad:
            value = self._worst
        self.source.tell(point, value)

    def _take_again(self, line: Mapping[str, Any]) -> None:
        trial = self.trials[line["number"]]
        self._count(trial, -1)
        self.source.forget(trial.point)
        trial.state, trial.value, trial.reason, trial.stop, trial.run = "", None, "", None, list(line["run"])
        trial.attempt += 1
        self.running[trial.number] = trial
        self._weigh(trial.point, self._siblings(trial))
        self.judged.pop(trial.number, None)
        self.wanted.add(trial.number)
        if self.closed in (self.failure, self._limit):  # by what trials came to; of this one that counts no longer
            self._open()
        self.ended = None

    def _take_judged(self, line: Mapping[str, Any]) -> None:
        self.judged.update({int(trial): interval for trial, interval in line["intervals"].items()})
        self.verdict_count += int(line.get("count", 0))

    def _take_stop(self, line: Mapping[str, Any]) -> None:
        self.trials[line["number"]].stop = {key: line[key] for key in ("interval", "unit", "own", "bound", "compared") if key in line}

    def _take_hold(self, line: Mapping[str, Any]) -> None:
        self.held |= self.running.keys() & set(line["numbers"])

    def _take_release(self, line: Mapping[str, Any]) -> None:
        self.held -= set(line["numbers"])

    def _take_pause(self, _line: Mapping[str, Any]) -> None:
        self.is_paused = True

    def _take_resume(self, line: Mapping[str, Any]) -> None:
        self.is_reopened = self.is_reopened or self.ended is not None
        self.is_paused, self.ended = False, None
        if not (line.get("is_retry") and self.closed == STOPPED):
            self._open()

    def _take_close(self, line: Mapping[str, Any]) -> None:
        self.closed, self._limit = line["reason"], ""
        self.failure = line["reason"] if line.get("is_failure") else ""
        self.wanted.clear()

    def _take_budget(self, line: Mapping[str, Any]) -> None:
        known = vars(self.limits)
        self.limits = Limits(**{**known, **{key: value for key, value in line.items() if key in known}})
        if self.closed == self._limit:
            self._open()

    def _take_policy(self, line: Mapping[str, Any]) -> None:
        self.policy_changes.append((min(self.running, default=len(self.trials)), dict(line["settings"])))
        self.limits = Limits(**{**vars(self.limits), "metric": str(line["metric"])})

    def _take_end(self, line: Mapping[str, Any]) -> None:
        self.ended, self.is_reopened = dict(line), False

    # ------------------------------------------------------------ what follows from it

    def next_ask(self) -> dict[str, Any] | None:
        """The line of the next trial but for its `run`, if one is due now; None while the sweep is full, paused, or has no more."""
        number = len(self.trials)
        is_over = self.is_paused or self.closed or self.exhausted or self.has_all
        if is_over or len(self.running) >= self.limits.max_concurrent_runs:
            return None
        point, repeat = divmod(number, self.limits.repeats)
        if repeat:
            asked = self.trials[-1].values
        else:
            try:
                asked = self.source.ask(point)
            except NotReadyError:
                return None
            except NothingLeftError as error:
                self.exhausted = error.reason
                return None
            except ConditionError as error:
                self.exhausted = self.failure = f"sweep.exclude: {error}"
                return None
        return {"deed": "ask", "number": number, "point": point, "repeat": repeat, "values": asked}

    @property
    def policy(self) -> dict[str, Any] | None:
        """The settings of the policy, if they were changed after the beginning."""
        return self.policy_changes[-1][1] if self.policy_changes else None

    @property
    def has_all(self) -> bool:
        """Whether every trial that may be has been asked for."""
        return len(self.trials) >= self.limits.max_total_runs

    @property
    def is_drained(self) -> bool:
        """Whether no trial runs and none will start."""
        return not self.running and bool(self.closed or self.exhausted or self.is_paused or self.has_all)

    @property
    def is_held(self) -> bool:
        """Whether trials are to be kept from beginning."""
        return self.is_paused and not self.closed

    def best(self) -> tuple[Trial, float] | None:
        """The first trial of the best point, and the point's value."""
        if self._best is None:
            return None
        return self.trials[self._best * self.limits.repeats], self._worth[self._best]

    def final_state(self) -> tuple[str, str]:
        """How the sweep has ended, and why: Completed when one trial has completed and nothing went wrong with the search."""
        if self.failure:
            return "Failed", self.failure
        if not self.counts["Completed"]:
            return "Failed", "no trial completed" + (f": {self.closed}" if self.closed else "")
        return "Completed", self.closed or self.exhausted

    def _open(self) -> None:
        """Let new trials start, unless a limit is reached already."""
        self.closed = self.failure = self._limit = ""
        self._close_at_limit()

    def _close_at_limit(self) -> None:
        """Close the sweep if a limit is reached, which whoever resumes it has to change."""
        limits, failed_count, found = self.limits, self.counts["Failed"], self.best()
        if limits.max_failed_runs is not None and failed_count >= limits.max_failed_runs:
            self.closed = self.failure = self._limit = f"{failed_count} trials failed, the limit (max_failed_runs)"
        elif limits.target is None or found is None or values.is_better(limits.target, found[1], self.goal):
            return
        elif self._is_whole(self._siblings(found[0])):  # what one lucky repeat is worth is not what the point is
            self.closed = self._limit = f"trial {found[0].number} has reached the target: {found[1]:.6g}"

    def _close_if_due(self) -> None:
        """Close the sweep if what has just ended is a reason to."""
        if self.closed:
            return
        limits, failed_count, ended_count = self.limits, self.counts["Failed"], sum(self.counts.values())
        first = min(max(FIRST_FAILURES, limits.max_concurrent_runs), limits.max_total_runs)
        self._close_at_limit()
        if not self.closed and FIRST_FAILURES <= failed_count == ended_count == first:
            reason = next(trial.reason for trial in self.trials if trial.state == "Failed")
            self.closed = self.failure = f"each of the first {failed_count} trials failed, one of them: {reason}"
        elif not self.closed and limits.metric and len(self._without) >= WITHOUT_A_METRIC and not self._valued_count:
            what = f"{len(self._without)} trials have ended without a value of {limits.metric}"
            self.closed = self.failure = f"{what}: {values.logged_instead(limits.metric, (trial.names for trial in self._without))}"
        if self.closed:
            self.wanted.clear()
