"""The controller of a search: asks for trials as slots come free, tells what they were worth, and stops the weak.

Every decision is in the journal before it is carried out, so a controller that takes over goes on where the one before was
killed: trials that run are adopted, one that was not handed over is, and no number is given twice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from trainconf.errors import LaunchError
from trainconf.files import read_lines
from trainconf.history import events
from trainconf.launchers.states import StatePoller
from trainconf.paths import RunPaths
from trainconf.search.policies import Judge, Verdict, why_ended
from trainconf.search.progress import OUT_OF_TIME, Progress, Trial
from trainconf.search.values import value_of_trial
from trainconf.sweeps import journal
from trainconf.sweeps.hands import RETRY_SECONDS, Hands, Holding, NotNowError, TrialError
from trainconf.sweeps.search import judge_of
from trainconf.sweeps.watching import LOOK_SECONDS, LOOKS_A_SECOND, Log, TrialWatch, end_of, logs_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES = 50  # of metrics, kept for a message
PAUSED = "paused; `trainconf sweep resume` goes on"
PATIENCE_SECONDS = 600.0  # with a trial that its target does not take


class Controller:
    """One search, from its journal on. `step` never waits for a trial; somebody calls it often. watches: every trial by its number."""

    def __init__(
        self, home: RunPaths, log: journal.Journal, progress: Progress, judge: Judge | None, hands: Hands, *,
        metric: str | None, value: str, earlier_s: float = 0.0,
    ) -> None:
        """`earlier_s`: how long others have controlled the search before."""
        self.home = home
        self.progress = progress
        self.judge = judge
        self.watches: dict[int, TrialWatch] = {}
        self.is_canceled = False
        self.is_finished = False
        self._overrides: dict[int, list[str]] = {}
        self._journal = log
        self._hands = hands
        self._metric = metric
        self._value = value
        self._began_at = time.time() - earlier_s
        self._poller = StatePoller()
        self._forced: bool | None = None  # how the cancellation of all was passed on
        self._dropped: set[int] = set()  # trials that wait and are not wanted any more
        self._unseen: list[TrialWatch] = []  # their state has changed, and the caller of `step` was not told yet
        self._look_at_all_at = 0.0
        self._untaken: dict[int, tuple[float, float]] = {}  # trials that their target did not take: when to try again, when to give up
        self._holding = Holding(hands, progress, self.watches, self._untaken)
        self._uncanceled: dict[int, tuple[float, bool]] = {}  # trials whose target did not answer: when to ask again, whether by force

    def take_over(self) -> None:
        """Go on from the journal: adopt what runs, start what was asked for and is not there, send what the policy had decided."""
        for place, line in enumerate(self._journal.lines, 1):
            try:
                self._take(line)
            except (LookupError, TypeError, ValueError) as error:
                raise self._journal.damaged(place, f"makes no sense: {error}") from error
        if self.judge is not None:
            self.judge.judged.update(self.progress.judged)
        started = 0
        for trial in list(self.progress.trials):
            watch = self._watch(trial)
            if trial.state:
                watch.end("NotResponding" if trial.state == "Lost" else trial.state, trial.reason)
                watch.is_old = True
                if self.judge is not None:
                    self._take_logs(trial.number, watch.poll())
                    watch.settle()
                continue
            may_start = not self.progress.is_held and started < self.progress.limits.max_concurrent_runs
            if may_start or self._hands.has(trial):
                started += 1
                self._start(trial)
            else:  # the sweep's trials were all to be handed over at once, and whoever did it was killed; or it is paused
                self._untaken[trial.number] = (0.0, math.inf)
            if trial.stop is not None:
                self._cancel(trial, force=False)
        self._journal.lines.clear()
        self._unseen += self._hear()

    def _take(self, line: dict[str, Any]) -> None:
        if line["deed"] == "ask":
            self._overrides[line["number"]] = line.get("overrides", [])
        elif line["deed"] == "logs":
            self._take_earlier_logs(line)
        self.progress.take(line)

    def _take_earlier_logs(self, line: dict[str, Any]) -> None:
        self._take_logs(line["number"], [(math.nan if value is None else value, step) for value, step in line["logs"]])

    def _take_logs(self, number: int, logs: Sequence[Log]) -> None:
        """Let the judge know what a trial has logged; it decides about it later, if at all."""
        if self.judge is not None:
            for value, step in logs:
                self.judge.take(number, value, step)

    def step(self) -> list[TrialWatch]:
        """Hear of what has happened, and do what follows from it; the trials whose state has changed."""
        for asked in journal.take_requests(self.home):
            self._obey(asked)
        self._hear_cancellation()
        self._try_again()
        changed = self._hear()
        self._hear_cancellation()  # whoever cancels a sweep asks it before its trials, which may have ended by that meanwhile
        self._holding.step(self._write)
        if self.progress.closed:
            self._drop_waiting()
        while (line := self.progress.next_ask()) is not None:
            self._ask(line)
        unseen, self._unseen = self._unseen, []
        return [*unseen, *changed]

    def again(self, states: Sequence[str]) -> None:
        """Have the trials that have ended like this run once more, as many at a time as may, with the same values.

        Those that the policy stopped stay as they are. Raises StorageError.
        """
        self._begin_to_feed()
        for trial in [trial for trial in self.progress.trials if trial.state in states and trial.stop is None]:
            self._write("again", number=trial.number, run=journal.run_of(self._hands.again(trial)))
            if self.judge is not None:
                self.judge.forget(trial.number)
            self._watch(trial)
            self._dropped.discard(trial.number)
            self._untaken[trial.number] = (0.0, math.inf)
        self._try_again()

    @property
    def is_done(self) -> bool:
        """Whether nothing runs and nothing will start; of a paused sweep, for now: trials may wait, held."""
        return self.progress.is_drained or self._holding.has_all

    @property
    def is_paused(self) -> bool:
        """Whether it is done only for now."""
        return self.progress.is_held and bool(self.progress.running or not (self.progress.exhausted or self.progress.has_all))

    def finish(self) -> tuple[str, str]:
        """Record how the sweep has ended; the state and the reason."""
        if self.is_canceled or self.is_paused:
            state, reason = "Canceled", self.progress.closed if self.is_canceled else PAUSED
        else:
            state, reason = self.progress.final_state()
        self._write("end", state=state, reason=reason)
        self.is_finished = True
        self._journal.close()
        self._hands.close(state, reason)
        return state, reason

    def _begin_to_feed(self) -> None:
        """Trials are added from now on; those that were lost meanwhile, and had not begun, are started again."""
        self._untaken.update({trial.number: (0.0, math.inf) for trial in self._hands.begin_to_feed(self.progress.running.values())})

    def _ask(self, line: dict[str, Any]) -> None:
        self._begin_to_feed()
        entry = self._hands.entry(line)
        self._overrides[entry.number] = entry.overrides
        self._write("ask", **entry.line())
        self._start(self.progress.trials[-1])

    def _watch(self, trial: Trial) -> TrialWatch:
        paths = journal.paths_of(self.home, trial.run)
        watch = self.watches[trial.number] = TrialWatch(trial.number, self._overrides[trial.number], paths, self._metric, self._poller)
        return watch

    def _start(self, trial: Trial) -> None:
        self._watch(trial)
        now = time.monotonic()
        _, give_up_at = self._untaken.pop(trial.number, (0.0, math.inf))
        give_up_at = min(give_up_at, now + PATIENCE_SECONDS)
        try:
            self._hands.start(trial)
        except NotNowError as error:
            if error.is_full or now < give_up_at:
                self._untaken[trial.number] = now + RETRY_SECONDS, math.inf if error.is_full else give_up_at
            else:
                self._tell_unstarted(trial, "Failed", str(error))
        except TrialError as error:
            self._tell_unstarted(trial, "Failed", str(error))

    def _tell_unstarted(self, trial: Trial, state: str, reason: str) -> None:
        self.watches[trial.number].end(state, reason)
        self._unseen.append(self.watches[trial.number])
        self._untaken.pop(trial.number, None)
        self._write("told", number=trial.number, state=state, value=None, reason=reason, names=[])

    def _cancel(self, trial: Trial, *, force: bool) -> None:
        """Ask for the end of a trial, later once more where nobody answers."""
        self._uncanceled.pop(trial.number, None)
        if trial.number in self._untaken:
            self._tell_unstarted(trial, "Canceled", f"{self._why(trial)}, before it began")
            return
        try:
            self._hands.cancel(trial, self._why(trial), force=force)
        except LaunchError:
            self._uncanceled[trial.number] = time.monotonic() + RETRY_SECONDS, force

    def _why(self, trial: Trial) -> str:
        if self.is_canceled and trial.stop is None:
            return f"{events.why_canceled(self.home)}, for the whole sweep"
        return why_ended(trial.stop, self.progress.closed, self.progress.goal)

    def _has_room(self) -> bool:
        """Whether less trials were started than may run at a time, and the sweep is not paused."""
        return not self.progress.is_held and len(self.progress.running) - len(self._untaken) < self.progress.limits.max_concurrent_runs

    def _try_again(self) -> None:
        """Start and cancel what a target would not hear of before."""
        now = time.monotonic()
        for number, (at, _) in list(self._untaken.items()):
            if now >= at and self._has_room():
                self._start(self.progress.trials[number])
        for number, (at, force) in list(self._uncanceled.items()):
            if number not in self.progress.running:
                del self._uncanceled[number]
            elif now >= at:
                self._cancel(self.progress.trials[number], force=force)

    def _hear(self) -> list[TrialWatch]:
        """Read what is new of all trials, then judge them, then tell which have ended; the trials whose state has changed."""
        ended: list[TrialWatch] = []
        changed: list[TrialWatch] = []
        logged: list[Trial] = []
        for number, trial in self._looked_at():
            watch = self.watches[number]
            before = watch.state
            logs = watch.poll()
            if logs:
                self._take_logs(number, logs)
                logged.append(trial)
            if watch.state is not before:
                changed.append(watch)
            if watch.is_over and watch.is_lost_unbegun and self._hands.gives_again(trial):
                self._untaken[number] = (0.0, math.inf)
            elif watch.is_over:
                ended.append(watch)
        self._judge(logged)
        for watch in sorted(ended, key=end_of):
            self._tell(watch)
        return changed

    def _looked_at(self) -> list[tuple[int, Trial]]:
        """The trials to look at now: of those that wait the next ones, for they begin in their order, and all now and then."""
        now, left = time.monotonic(), self.progress.limits.max_concurrent_runs
        if now >= self._look_at_all_at:
            left = len(self.progress.running)
            self._look_at_all_at = now + max(LOOK_SECONDS, left / LOOKS_A_SECOND)
        found = []
        for number, trial in self.progress.running.items():
            if number not in self._untaken and (left > 0 or not self.watches[number].waits):
                left -= self.watches[number].waits
                found.append((number, trial))
        return found

    def _judge(self, trials: Sequence[Trial]) -> None:
        """Decide about trials by all that was read before: no verdict depends on which of them was read first."""
        verdicts = [] if self.judge is None else [(trial, verdict) for trial in trials for verdict in self.judge.verdicts(trial.number)]
        for trial, verdict in verdicts:
            if verdict.is_stop and trial.stop is None and not self.watches[trial.number].is_over:
                self._stop(trial, verdict)
        if verdicts:
            self._write("judged", intervals={str(trial.number): verdict.interval for trial, verdict in verdicts}, count=len(verdicts))

    def _stop(self, trial: Trial, verdict: Verdict) -> None:
        assert self.judge is not None
        own, bound = self.judge.as_logged(verdict.own), self.judge.as_logged(verdict.bound)
        compared = {"interval": verdict.interval, "unit": self.judge.unit, "own": own, "bound": bound, "compared": verdict.compared}
        self._write("stop", number=trial.number, **compared)
        self._cancel(trial, force=False)

    def _tell(self, watch: TrialWatch) -> None:
        """A trial has ended: its value, for the journal and the sampler."""
        assert watch.state is not None
        state = "Lost" if watch.state.status == "NotResponding" else watch.state.status
        value = value_of_trial(watch.values, self.progress.goal, self._value)
        self._write("told", number=watch.number, state=state, value=value, reason=watch.state.reason, names=sorted(watch.names)[:NAMES])
        watch.settle()

    def _obey(self, asked: dict[str, Any]) -> None:
        deed, facts = asked["deed"], {key: value for key, value in asked.items() if key not in ("deed", "time")}
        if deed in ("pause", "resume", "close", "compute"):
            self._write(deed, **facts)
            if deed == "compute":
                self._hands.renew()
        elif deed == "budget":
            self._write("resume")
            self._write("budget", **facts)
        elif deed == "policy":
            self._change_policy(facts)
        elif deed == "again":
            self._write("resume", is_retry=True)
            self.again(facts["states"])

    def _change_policy(self, facts: dict[str, Any]) -> None:
        """Judge by another policy whatever was not judged before: as a controller does that takes over after this line."""
        if self.progress.policy == facts["settings"]:  # heard twice: whoever heard it first was killed
            return
        self._write("policy", **facts)
        self.judge = judge_of(facts["settings"], self.progress.goal)
        self._look_at_all_at = 0.0
        for line in read_lines(self.home.journal) if self.judge is not None else ():
            if line["deed"] == "logs":
                self._take_earlier_logs(line)
        for trial in self.progress.trials:
            if not trial.state:
                self._watch(trial)  # reads everything once more
            elif self.judge is not None:
                self._take_logs(trial.number, logs_of(journal.paths_of(self.home, trial.run), self._metric))
        if self.judge is not None:
            self.judge.judged.update(self.progress.judged)

    def _hear_cancellation(self) -> None:
        request = events.cancel_request(self.home) if events.is_cancel_requested(self.home) else None
        minutes = self.progress.limits.max_duration_minutes
        if request is not None:
            force = bool(request.get("force"))
            if self._forced is None or (force and not self._forced):
                self._forced, self.is_canceled = force, True
                self._cancel_all("cancellation was requested", force=force)
        elif minutes is not None and time.time() >= self._began_at + 60 * minutes and not self.progress.closed:
            self._cancel_all(OUT_OF_TIME, force=False)

    def _cancel_all(self, reason: str, *, force: bool) -> None:
        if not self.progress.closed:
            self._write("close", reason=reason)
        for trial in list(self.progress.running.values()):
            self._cancel(trial, force=force)

    def _drop_waiting(self) -> None:
        """Take back trials that were handed over before the sweep was closed and have not begun."""
        for number, trial in list(self.progress.running.items()):
            if number not in self._dropped | self.progress.wanted and self.watches[number].waits:
                self._dropped.add(number)
                self._cancel(trial, force=False)

    def _write(self, deed: str, **facts: Any) -> None:
        self.progress.take(self._journal.write(deed, **facts))
