"""Where the controller of a sweep is, or when there will be one: for whoever looks at a sweep, or waits for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from trainconf.control.results.sweep import is_paused, results
from trainconf.errors import ConfigError, LaunchError
from trainconf.fast.tuples import NamedTuple
from trainconf.files import is_locked, read_lines
from trainconf.history import events, liveness
from trainconf.history.find import trials_of
from trainconf.history.liveness import State
from trainconf.history.record import read_mapping
from trainconf.paths import RunPaths
from trainconf.sweeps import journal, places
from trainconf.sweeps.controller import PAUSED
from trainconf.sweeps.presence import Presence, presence

LOOK_SECONDS = 5.0  # between two questions to a scheduler about a controller that is not here


class ControllerNow(NamedTuple):
    """Where a sweep's controller is. last: the one that has it, or had it. queued_job: the id of a job that waits to be the next one.

    waits_for: why that job waits, in the scheduler's word. ended_job: the id of a job that is over without having been one.
    silence: why nobody can tell whether a job waits to be the next one, "" where that is known.
    """

    last: Presence | None
    queued_job: str = ""
    waits_for: str = ""
    ended_job: str = ""
    silence: str = ""

    @property
    def is_here(self) -> bool:
        """Whether somebody controls the sweep now."""
        return self.last is not None and self.last.is_here

    @property
    def may_come(self) -> bool:
        """Whether a job may wait to control the sweep."""
        return bool(self.queued_job or self.silence)

    def words(self, sweep: RunPaths) -> str:
        """The same in words, and what makes the sweep go on where nobody is to come."""
        if self.is_here and self.last is not None:
            return f"controlled by {self.last}, since {_clock(self.last.since)}"
        away = "" if self.last is None else f"the one before, {self.last}, is away since {_clock(self.last.seen)}"
        if self.queued_job:
            waits = f" ({self.waits_for})" if self.waits_for else ""
            return "; ".join(filter(None, (f"its controller is job {self.queued_job}, which waits in the queue{waits}", away)))
        if is_locked(sweep.controller_lock):
            return "its controller is about to begin"
        if self.silence:
            return "; ".join(filter(None, (f"nobody tells whether its controller's job still waits: {self.silence}", away)))
        goes_on = f"`trainconf sweep resume {sweep.run_id}` goes on"
        if self.last is None:
            job = f", and job {self.ended_job}, which was to, is not in the queue any more" if self.ended_job else ""
            return f"no process controls it{job}: {goes_on}"
        why = f": {self.last.left}" if self.last.left else ""
        return f"no controller since {_clock(self.last.seen)} (it was {self.last}){why}; {goes_on}"


def controller_now(sweep: RunPaths) -> ControllerNow:
    """Where a sweep's controller is. A scheduler is asked for a job that is to be it, where nobody is."""
    last = presence(sweep)
    if (last is not None and last.is_here) or not os.path.exists(sweep.controller_job):
        return ControllerNow(last)
    try:
        job = places.look_at_job(sweep)
    except (ConfigError, LaunchError) as error:
        mistake = error.mistakes[0]
        return ControllerNow(last, silence="; ".join(filter(None, (mistake.what, mistake.hint))))
    if job is None:
        return ControllerNow(last, silence="its scheduler does not answer")
    if job.is_over:
        return ControllerNow(last, ended_job="" if last is not None else job.job_id)
    return ControllerNow(last, job.job_id, job.waits_for)


class SweepLook:
    """The state of a run or sweep for whoever waits for it, by `look`; a sweep goes on while its controller is here, or may be to come.

    The controller's lock is held from before the sweep can be found until its controller has written down how it has ended.
    """

    def __init__(self, look: Callable[[RunPaths], State]) -> None:
        self._look = look
        self._ask_at = 0.0
        self._now = ControllerNow(None)
        self._silent_since = ""
        self._has_ended = False
        self._look_for_pause_at = 0.0
        self._is_paused = False

    def __call__(self, paths: RunPaths) -> State:
        return _as_told(paths, self._look_at(paths))

    def _look_at(self, paths: RunPaths) -> State:
        state = self._look(paths)
        if is_locked(paths.controller_lock):
            self._ask_at = 0.0  # what a scheduler said of its job is of before that
            return _with_controller(paths, state)
        if not _is_open(paths, state):
            return self._unless_paused(paths, state)
        now = time.monotonic()
        if now >= self._ask_at:
            self._ask(paths, state)
            self._ask_at = now + LOOK_SECONDS
        if not self._has_ended and self._now.may_come:
            why = self._now.words(paths) + (f", since {self._silent_since}" if self._now.silence else "")
            return State("Queued", why, state.event, is_unanswered=bool(self._now.silence))
        state = self._look(paths)  # its controller may have come, recorded the end, and gone, since the first look
        if is_locked(paths.controller_lock):
            return _with_controller(paths, state)
        if state.status != "NotResponding" or not _is_open(paths, state) or not read_mapping(paths.sweep).get("has_controller"):
            return state
        return State(state.status, self._now.words(paths), state.event)

    def _unless_paused(self, sweep: RunPaths, state: State) -> State:
        """The state of a sweep; of one that is paused and of which nothing runs, that it is."""
        now = time.monotonic()
        if now >= self._look_for_pause_at and not state.is_final:
            self._look_for_pause_at = now + LOOK_SECONDS
            self._is_paused = is_paused(sweep) and not any(map(_runs, trials_of(sweep)))
        return State("Canceled", PAUSED, state.event) if self._is_paused and not state.is_final else state

    def _ask(self, sweep: RunPaths, state: State) -> None:
        self._has_ended = state.is_final and os.path.exists(sweep.controller_job) and _is_told(sweep)
        if not self._has_ended:
            self._now = controller_now(sweep)
            self._silent_since = self._silent_since or time.strftime("%H:%M:%S") if self._now.silence else ""


def _runs(trial: RunPaths) -> bool:
    """Whether a trial has begun and not ended."""
    state = liveness.state_of(trial)
    return not (state.is_final or state.status == "NotStarted" or (state.status == "Queued" and state.event.get("attempt", 1) == 1))


def _is_open(paths: RunPaths, state: State) -> bool:
    """Whether only a controller makes a sweep go on, or says how it has ended."""
    return state.status in ("NotResponding", "Completed", "Failed") and os.path.exists(paths.sweep)


def _is_told(sweep: RunPaths) -> bool:
    """Whether a controller has written down how the sweep has ended, and nobody has asked for more since."""
    last = None
    for line in read_lines(sweep.journal):
        last = line.get("deed") if isinstance(line, dict) else None
    return last == "end" and not journal.has_requests(sweep)


def _as_told(sweep: RunPaths, state: State) -> State:
    """The state of a sweep; of a search whose trials have all ended, what has become of it, which their agent does not know."""
    if state.status == "Canceled" and state.reason == PAUSED and not is_paused(sweep):
        return State(state.status, events.why_canceled(sweep), state.event)  # since then
    if state.status != "Completed" or "search" not in read_mapping(sweep.sweep):
        return state
    ended = results(sweep)
    return State("Failed" if ended.failure else state.status, ended.failure or ended.reason or state.reason, state.event)


def _with_controller(sweep: RunPaths, state: State) -> State:
    """The state of a sweep whose controller's lock is held."""
    if state.is_final:
        return State("Finalizing", "its controller writes down how it has ended", state.event)
    if state.status != "NotResponding":
        return state
    found = presence(sweep)
    return State("Running", f"controlled by {found}" if found is not None else "its controller is about to begin", state.event)


def was_begun_as(sweep: RunPaths) -> str:
    """Where a sweep was to be controlled when it began: `here`, `detached` or `job`."""
    return str(read_mapping(sweep.sweep).get("controller") or places.HERE)


def _clock(text: str) -> str:
    """A recorded time, to the second, in UTC."""
    return text[:19].replace("T", " ")
