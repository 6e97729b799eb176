"""Follows a run as a stream of events: its output, its states, its metrics and its end.

The job writes into its own files, and a follower reads them. So a follower is never in the job's way, and the run goes on without it.
"""

from __future__ import annotations

import os
import time

from trainconf.control.watch import LEASED, lease_dir
from trainconf.fast.records import Record
from trainconf.history import events, metrics
from trainconf.history.follow import Watch, has_ended
from trainconf.launchers.states import StatePoller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Any

    from trainconf.history.follow import Output
    from trainconf.history.interleave import Interleaved
    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths

BUSY_PAUSE_S = 0.01
IDLE_PAUSE_S = 0.1  # the end of a job on another machine only shows in files


class Event(Record):
    """Something that happened to a run."""


class Written(Event):
    """The job wrote `chunk`."""

    chunk: bytes


class Unreadable(Event):
    """The output cannot be read: no more `Written` events follow. The run goes on."""

    error: OSError


class Changed(Event):
    """`event` is a new line of the run's events.jsonl."""

    event: dict[str, Any]


class Waiting(Event):
    """The run waits for a slot or a GPU of this machine, at `place` in the queue. `holders` says in words who has them."""

    resource: str
    place: int
    holders: list[str]


class Scheduled(Event):
    """The scheduler says something new about a run that waits for it or has gone quiet."""

    reason: str


class Logged(Event):
    """The run logged metrics: mappings with "name" and "value", and mostly "time" and "step"."""

    entries: list[dict[str, Any]]


class Ended(Event):
    """The run has ended, or its agent is lost. This is the last event."""

    state: State


def follow(
    paths: RunPaths, output: Output | Interleaved | None = None, *, with_metrics: bool = False, reader_fd: int | None = None,
    agent_pid: int | None = None, until: float | None = None,
) -> Generator[Event]:
    """Every event from the run's beginning until it has ended or its agent is lost, or until a time (time.monotonic).

    `output` is what to read of the job's output; it is closed at the end. Raises BrokenPipeError once nobody reads from `reader_fd`.
    `agent_pid` is known to whoever has submitted the run.
    """
    follower = _Follower(paths, output, metrics.Cursor() if with_metrics else None)
    watch = Watch(paths, reader_fd, agent_pid)
    pause_s = BUSY_PAUSE_S
    try:
        while True:
            has_output = False
            for event in follower.written(to_end=False):
                has_output = True
                yield event
            if not has_output:
                yield from follower.news()
                state = follower.look(paths)
                if has_ended(state):
                    yield from follower.written(to_end=True)  # what came between the last look and the end
                    yield from follower.news()
                    yield Ended(state)
                    return
                yield from follower.scheduled(state)
            if until is not None and time.monotonic() >= until:
                return
            pause_s = BUSY_PAUSE_S if has_output else min(IDLE_PAUSE_S, pause_s * 1.5)
            watch.pause(pause_s)
    finally:
        watch.close()
        if output is not None:
            output.close()


class _Follower:
    """How far a run was followed."""

    def __init__(self, paths: RunPaths, output: Output | Interleaved | None, cursor: metrics.Cursor | None) -> None:
        self.look = StatePoller()
        self._paths = paths
        self._output = output
        self._cursor = cursor
        self._events_size = 0
        self._events_count = 0
        self._resource = ""
        self._lease_dir = ""
        self._place: int | None = None
        self._said_by_scheduler = ""

    def written(self, *, to_end: bool) -> Iterator[Event]:
        """What is new of the output; with `to_end` also a last line that has not ended."""
        if self._output is None:
            return
        try:
            for chunk in self._output.finish() if to_end else self._output.read():
                yield Written(chunk)
        except OSError as error:
            self._output = None
            yield Unreadable(error)

    def news(self) -> Iterator[Event]:
        """New states, a new place in the queue, new metrics."""
        try:
            size = os.stat(self._paths.events).st_size
        except FileNotFoundError:
            return  # the run was removed, as its state will say
        if size != self._events_size:
            self._events_size = size
            history = events.read(self._paths)
            for event in history[self._events_count :]:
                self._resource = str(event.get("waiting_for") or "")
                yield Changed(event)
            self._events_count = len(history)
        if self._resource in LEASED:
            yield from self._queue()
        if self._cursor is not None and (entries := metrics.read_since(self._paths, self._cursor)):
            yield Logged(entries)

    def scheduled(self, state: State) -> Iterator[Event]:
        """What the scheduler says, when that is new."""
        if state.scheduler is not None and state.reason and state.reason != self._said_by_scheduler:
            self._said_by_scheduler = state.reason
            yield Scheduled(state.reason)

    def _queue(self) -> Iterator[Event]:
        from trainconf.agent.leases import queue

        self._lease_dir = self._lease_dir or lease_dir(self._paths)
        place = queue.place(self._lease_dir, self._paths.run_id)
        if place is not None and place != self._place:
            self._place = place
            yield Waiting(self._resource, place, queue.holders(self._lease_dir))
