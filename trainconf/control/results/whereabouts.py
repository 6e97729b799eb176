"""Where the controller of a sweep is, or when there will be one: for whoever looks at a sweep, or waits for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NamedTuple

from trainconf.history import events
from trainconf.history.liveness import State
from trainconf.history.record import read_mapping
from trainconf.paths import RunPaths
from trainconf.sweeps import places
from trainconf.sweeps.presence import Presence, presence

LOOK_SECONDS = 5.0  # between two questions about a controller that is not here
STARTING_SECONDS = 30.0  # for a controller that has just been started


class ControllerNow(NamedTuple):
    """Where a sweep's controller is. last: the one that has it, or had it. queued_job: the id of a job that waits to be the next one.

    waits_for: why that job waits, in the scheduler's word.
    """

    last: Presence | None
    queued_job: str = ""
    waits_for: str = ""

    @property
    def is_here(self) -> bool:
        """Whether somebody controls the sweep now."""
        return self.last is not None and self.last.is_here


def controller_now(sweep: RunPaths) -> ControllerNow:
    """Where a sweep's controller is. A scheduler is asked for a job that is to be it, where nobody is. Raises ConfigError, LaunchError."""
    last = presence(sweep)
    if last is not None and last.is_here:
        return ControllerNow(last)
    queued = places.look_at_job(sweep)
    return ControllerNow(last) if queued is None or queued.is_over else ControllerNow(last, queued.job_id, queued.waits_for)


class SweepLook:
    """The state of a run or sweep for whoever waits for it, by `look`; but a sweep goes on whose controller is here, or is to come."""

    def __init__(self, look: Callable[[RunPaths], State]) -> None:
        self._look = look
        self._ask_at = 0.0
        self._goes_on: State | None = None

    def __call__(self, paths: RunPaths) -> State:
        state = self._look(paths)
        if state.status != "NotResponding" or not os.path.exists(paths.sweep):
            return state
        if time.monotonic() >= self._ask_at:
            self._goes_on = self._what_comes(paths, state)
            self._ask_at = time.monotonic() + LOOK_SECONDS
        return self._goes_on or state

    @staticmethod
    def _what_comes(sweep: RunPaths, state: State) -> State | None:
        found = read_mapping(sweep.sweep)
        if not found.get("has_controller"):
            return None
        created = events.seconds(found.get("created")) or 0.0
        now = controller_now(sweep)
        if now.is_here:
            return State("Running", f"controlled by {now.last}", state.event)
        if now.queued_job:
            return State("Queued", f"its controller, job {now.queued_job}, waits in the queue", state.event)
        if now.last is None and time.time() < created + STARTING_SECONDS:
            return State("Queued", "its controller is about to begin", state.event)
        return None


def was_begun_as(sweep: RunPaths) -> str:
    """Where a sweep was to be controlled when it began: `here`, `detached` or `job`."""
    return str(read_mapping(sweep.sweep).get("controller") or places.HERE)
