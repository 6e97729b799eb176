"""Where the controller of a sweep is, or when there will be one: for whoever looks at a sweep, or waits for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NamedTuple

from trainconf.files import is_locked, read_lines
from trainconf.history.liveness import State
from trainconf.history.record import read_mapping
from trainconf.launchers.protocol import QueuedController
from trainconf.paths import RunPaths
from trainconf.sweeps import journal, places
from trainconf.sweeps.presence import Presence, presence

LOOK_SECONDS = 5.0  # between two questions to a scheduler about a controller that is not here


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
    """The state of a run or sweep for whoever waits for it, by `look`; a sweep goes on while its controller is here, or is to come.

    The controller's lock is held from before the sweep can be found until its controller has written down how it has ended.
    """

    def __init__(self, look: Callable[[RunPaths], State]) -> None:
        self._look = look
        self._ask_at = 0.0
        self._job: QueuedController | None = None
        self._has_ended = False

    def __call__(self, paths: RunPaths) -> State:
        state = self._look(paths)
        if is_locked(paths.controller_lock):
            return _with_controller(paths, state)
        if state.status not in ("NotResponding", "Completed", "Failed") or not os.path.exists(paths.sweep):
            return state
        state = self._look(paths)  # its controller may have recorded the end, and gone, since the first look
        if state.status not in ("NotResponding", "Completed", "Failed") or not os.path.exists(paths.controller_job):
            return state
        now = time.monotonic()
        if now >= self._ask_at:
            self._has_ended = state.is_final and _is_told(paths)
            self._job, self._ask_at = None if self._has_ended else places.look_at_job(paths), now + LOOK_SECONDS
        if self._has_ended:
            return state
        if self._job is None:
            return State("Queued", "nobody tells whether its controller's job still waits", state.event)
        return state if self._job.is_over else State("Queued", f"its controller, job {self._job.job_id}, waits in the queue", state.event)


def _is_told(sweep: RunPaths) -> bool:
    """Whether a controller has written down how the sweep has ended, and nobody has asked for more since."""
    last = None
    for line in read_lines(sweep.journal):
        last = line.get("deed") if isinstance(line, dict) else None
    return last == "end" and not journal.has_requests(sweep)


def _with_controller(sweep: RunPaths, state: State) -> State:
    """The state of a sweep whose controller's lock is held."""
    if state.is_final:
        return State("Finalizing", "its controller writes down how it has ended", state.event)
    if state.status != "NotResponding" or not read_mapping(sweep.sweep).get("has_controller"):
        return state
    found = presence(sweep)
    return State("Running", f"controlled by {found}" if found is not None else "its controller is about to begin", state.event)


def was_begun_as(sweep: RunPaths) -> str:
    """Where a sweep was to be controlled when it began: `here`, `detached` or `job`."""
    return str(read_mapping(sweep.sweep).get("controller") or places.HERE)
