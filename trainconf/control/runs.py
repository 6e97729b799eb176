"""What can be done with a run or a sweep that exists: find it, wait for it, cancel it. Both are a folder, and answer alike."""

from __future__ import annotations

import os
import time

from trainconf import files, launchers
from trainconf.fast.records import Record
from trainconf.history import events, follow
from trainconf.history import find as finding
from trainconf.history.record import read_mapping
from trainconf.launchers import states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths, WorkspacePaths

TIMED_OUT = 124


class Waited(Record):
    """A run or sweep that was waited for. `exit_code` is 124 when the time was up first. `failed` are the trials that did not complete."""

    paths: RunPaths
    state: State
    exit_code: int
    failed: Sequence[tuple[RunPaths, State]] = ()


def find(workspace: WorkspacePaths, name: str) -> RunPaths:
    """The run or sweep that a name stands for: an id, the unique beginning of a run's, `last`, or a folder. Raises RunNotFoundError."""
    return finding.find_sweep(workspace, name) or finding.find_run(workspace, name)


def is_sweep(paths: RunPaths) -> bool:
    """Whether a folder is a sweep's."""
    return os.path.exists(paths.sweep)


def state(paths: RunPaths) -> State:
    """The state now. A scheduler is asked where the files leave it open."""
    return states.state_of(paths)


def wait(runs: Sequence[RunPaths], timeout_s: float | None = None) -> Iterator[Waited]:
    """Wait for each in turn. All together get `timeout_s` seconds."""
    until = None if timeout_s is None else time.monotonic() + timeout_s
    look = states.StatePoller()
    for paths in runs:
        found = follow.wait(paths, until, look)
        if not follow.has_ended(found):
            yield Waited(paths, found, TIMED_OUT)
        elif found.status != "Completed" or not is_sweep(paths):
            yield Waited(paths, found, follow.exit_code(found))
        else:
            trials = finding.trials_of(paths)
            ended = zip(trials, states.states_of(trials), strict=True)
            failed = [(trial, state) for trial, state in ended if state.status != "Completed"]
            yield Waited(paths, found, 1 if failed else 0, failed)


def cancel(paths: RunPaths, *, force: bool = False) -> None:
    """Ask for its end: SIGTERM, and SIGKILL after its grace time, or at once with `force`. A run that has ended stays as it is.

    What is left of a run without an agent is ended here. Raises LaunchError when its scheduler or engine cannot be reached, StorageError.
    """
    from trainconf.launchers.protocol import RunHandle

    if read_mapping(paths.sweep).get("has_controller"):
        events.request_cancel(paths, force=force)  # for its controller; each trial is asked as well, for there may be none
        for trial in finding.trials_of(paths):
            launchers.of_run(trial).cancel(RunHandle(trial), force=force)
        if not files.is_locked(paths.lock):
            _record_canceled(paths)
        return
    launchers.of_run(paths).cancel(RunHandle(paths), force=force)


def _record_canceled(sweep: RunPaths) -> None:
    """Record the end of a sweep that no process has."""
    latest = events.last(sweep)
    if latest is None or latest["state"] not in events.TERMINAL:
        events.append(sweep, "Canceled", exit_code=None, reason=events.why_canceled(sweep))
