"""What a trial of a sweep does, read from its folder: new logs of the metric, and how it ends."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping

from trainconf.fast.file_watch import FileWatch
from trainconf.history import events, metrics
from trainconf.history.liveness import State
from trainconf.launchers.states import StatePoller
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOOKS_A_SECOND = 500  # at trials that wait, at most: a tenth of a millisecond each
LOOK_SECONDS = 1.0
LOOK_FOR_FILES_SECONDS = 0.25
Log = tuple[float, "int | None"]  # a value of the metric, and its step


class TrialWatch:
    """One trial. `poll` gives what is new of its metric; `state` is the latest, and final once `is_over`.

    A poll that finds nothing new costs a stat(2) of two files. Once in LOOK_FOR_FILES_SECONDS it also looks for event files, and once in
    LOOK_SECONDS it asks whether the trial has lost its agent.
    """

    __slots__ = (
        "_cursor", "_events_seen", "_look_at", "_look_for_files_at", "_metric", "_metrics_seen", "_poller", "is_old", "is_over", "names",
        "number", "overrides", "paths", "state", "values",
    )  # fmt: skip

    def __init__(self, number: int, overrides: list[str], paths: RunPaths, metric: str | None, poller: StatePoller) -> None:
        self.number = number
        self.overrides = overrides
        self.paths = paths
        self.state: State | None = None
        self.is_over = False
        self.is_old = False  # it had ended, and was told, before this process looked
        self.values: list[float] = []  # of the metric, all so far
        self.names: set[str] = set()  # of every metric
        self._metric = metric
        self._poller = poller
        self._cursor = metrics.Cursor()
        self._events_seen: tuple[int, int] | None = None
        self._metrics_seen: tuple[int, int] | None = None
        self._look_at = 0.0
        self._look_for_files_at = 0.0

    @property
    def waits(self) -> bool:
        """Whether it has not begun."""
        return self.state is None or self.state.status in ("NotStarted", "Queued")

    @property
    def never_began(self) -> bool:
        """Whether it waits for the first time."""
        return self.waits and (self.state is None or not events.has_begun(self.state.event))

    @property
    def is_lost_unbegun(self) -> bool:
        """Whether nobody has it any more, and nobody had begun it."""
        return self.state is not None and self.state.status == "NotResponding" and not events.has_begun(self.state.event)

    def end(self, status: str, reason: str) -> None:
        """It has ended like this, as is known without looking."""
        self.state, self.is_over = State(status, reason), True

    def settle(self) -> None:
        """Forget what only counts until its end is told: thousands of trials stay in memory."""
        self.values, self.names, self._cursor = [], set(), metrics.Cursor()

    def poll(self) -> list[Log]:
        """The new logs of the metric; after the end all that is left of them."""
        seen, now = _stamp(self.paths.events), time.monotonic()
        if not self.is_over and (seen != self._events_seen or now >= self._look_at):
            self._events_seen, self._look_at = seen, now + LOOK_SECONDS
            self.state = self._poller(self.paths)
            self.is_over = self.state.status in events.TERMINAL or self.state.status == "NotResponding"
        return [] if self.never_began else self._new_logs()

    def _new_logs(self) -> list[Log]:
        seen, now = _stamp(self.paths.metrics), time.monotonic()
        is_due = self.is_over or now >= self._look_for_files_at  # event files, whose folders must be listed, or those of other machines
        if seen == self._metrics_seen and not is_due:
            return []
        self._metrics_seen, self._look_for_files_at = seen, now + LOOK_FOR_FILES_SECONDS
        found: list[Log] = []
        for entry in metrics.read_since(self.paths, self._cursor):
            self.names.add(entry["name"])
            if self._metric is not None and metrics.is_called(entry, self._metric):
                found.append(as_log(entry))
                self.values.append(found[-1][0])
        return found


class TrialEnds:
    """A `sleep` that ends early when a trial of this machine ends. `works` is False where the kernel does not tell; then it only sleeps.

    running: the folders of the trials that run now.
    """

    def __init__(self, running: Callable[[], Iterable[RunPaths]]) -> None:
        self._running = running
        self._files = FileWatch()
        self._known: dict[str, RunPaths] = {}  # by their events
        self.works = self._files.works

    def __call__(self, seconds: float) -> None:
        """Wait so long, or until one has ended that had not ended when it was last called."""
        give_up_at = time.monotonic() + seconds
        changed = self._look_around()
        while not any(_has_ended(self._known[path]) for path in changed):
            left_s = give_up_at - time.monotonic()
            if left_s <= 0:
                return
            changed = self._files.wait(left_s)

    def _look_around(self) -> set[str]:
        """Watch those that run by now, and no others; those that are new."""
        now = {paths.events: paths for paths in self._running()}
        gone, new = self._known.keys() - now.keys(), now.keys() - self._known.keys()
        for path in gone:
            self._files.remove(path)
        for path in new:
            self._files.add(path)
        self._known = now
        return new

    def close(self) -> None:
        """Let go of what the kernel has for it."""
        self._files.close()


def _has_ended(paths: RunPaths) -> bool:
    latest = events.last(paths)
    return latest is not None and latest["state"] in events.TERMINAL


def logs_of(paths: RunPaths, metric: str | None) -> list[Log]:
    """Everything that a run has logged of one metric."""
    found = metrics.read_since(paths, metrics.Cursor()) if metric is not None else []
    return [as_log(entry) for entry in found if metric is not None and metrics.is_called(entry, metric)]


def as_log(entry: Mapping[str, Any]) -> Log:
    """A line of metrics as a log; what is no number is NaN, and a step that is too large is none."""
    value, step = entry["value"], entry.get("step")
    number = metrics.as_float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    return number, step if type(step) is int and abs(step) <= metrics.LARGEST_STEP else None


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def end_of(watch: TrialWatch) -> tuple[str, int]:
    """When a trial has ended, then its number: the order in which ends are told."""
    event = watch.state.event if watch.state is not None else None
    return str((event or {}).get("time", "")), watch.number
