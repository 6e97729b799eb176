"""The trials that a job of a scheduler is given one by one, over a disk that it shares with whoever gives them.

Locks and signals may not reach from one node to another, so neither is relied on. The list is read again every moment while there is room.
The job's own folder says when it has ended, as a run's does: whatever it has not begun by then, it never begins.
"""

from __future__ import annotations

import math
import os
import time

from trainconf import files
from trainconf.agent.log import say
from trainconf.fast.json import loads
from trainconf.history import events
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0  # between two looks at the list: the next trial mostly comes soon after the end of one
PAUSE_OF_WAIT = 0.1  # the pause, by the time since something happened
LOCK_PATIENCE_S = 1.0  # with whoever is just canceling the trial


class GivenTrials:
    """The feed of a pool's job: `trials.jsonl`, one {"run_dir"} a line, until nothing has run for the plan's `idle_seconds`.

    {"end": true} says that no more are expected, and spares the wait. A trial counts whose own plan names this job. Its lock is held while
    it is carried out. None is begun when less time is left than the longest one took.
    """

    is_held = False

    def __init__(self, home: RunPaths, time_left_s: float | None, say_closed: Callable[[], object]) -> None:
        """time_left_s: of the job; None for no limit. Raises OSError, ValueError, TypeError, KeyError."""
        self._home = home
        plan = files.read_json(home.plan)
        self.limit = max(1, int(plan["pack"]))
        self._number = int(plan["number"])
        self._idle_seconds = float(plan["idle_seconds"])
        self._say_closed = say_closed  # that nothing more is begun, while something runs
        self._offset = 0
        self._next: dict[str, None] = {}  # run directories in order
        self._locks: dict[str, tuple[files.FileLock, float]] = {}  # of what runs, and since when, monotonic
        self._is_end_announced = False
        self._is_closed = False
        self._moved_at = time.monotonic()  # a trial came, or one ended
        self._ends_at = math.inf if time_left_s is None else self._moved_at + time_left_s
        self._longest_s = 0.0  # of the trials that have ended here
        self.deadline: float = self._moved_at

    def has_more(self) -> bool:
        """Whether a trial may still come. Asked when nothing runs."""
        if not self._is_closed and self._may_end():
            self.read_on()  # what came since the last look
            self._is_closed = self._may_end()
        return not self._is_closed

    def _may_end(self) -> bool:
        """A trial that was listed and is not taken is not seen on this node, yet or any more."""
        return (self._is_end_announced and not self._next) or time.monotonic() >= self._moved_at + self._idle_seconds

    def take(self) -> RunPaths | None:
        """The next trial that nobody has ended or canceled meanwhile, if there is one now."""
        now = time.monotonic()
        if self._is_closed or now >= self.deadline:
            self._read_or_close(now)
        for paths in map(RunPaths, list(self._next)):
            if events.last(paths) is None:
                continue  # a disk that is shared may show a folder later than the list
            del self._next[paths.run_dir]
            if self._has_got(paths):
                return paths
        return None

    def _read_or_close(self, now: float) -> None:
        """Look for more, unless a trial that begins now would not end in time."""
        if not self._is_closed and self._longest_s and now + self._longest_s >= self._ends_at:
            self._is_closed = True
            say(f"no time is left for another trial: the longest one took {self._longest_s:.0f} s")
            self._say_closed()
        if self._is_closed:
            self._next, self.deadline = {}, math.inf
        else:
            self.read_on()

    def _has_got(self, paths: RunPaths) -> bool:
        """Hold the lock of a trial that is to be carried out; False where it is over, was removed, or somebody else has it."""
        lock = files.FileLock(paths.lock)
        try:
            if not self._is_ours(paths) or not lock.acquire(blocking=False, patience_s=LOCK_PATIENCE_S):
                return False
        except OSError as error:
            say(f"{paths.run_id}: {error}")
            return False
        self._locks[paths.run_dir] = lock, time.monotonic()
        if not self._is_ours(paths):  # whoever had the lock has ended it
            self.let_go(paths)
            return False
        return True

    def let_go(self, paths: RunPaths) -> None:
        """A trial is over: its lock is free, and there is room."""
        self._moved_at = self.deadline = time.monotonic()
        lock, since = self._locks.pop(paths.run_dir, (None, self._moved_at))
        self._longest_s = max(self._longest_s, self._moved_at - since)
        if lock is not None:
            lock.release()

    def _is_ours(self, paths: RunPaths) -> bool:
        """Whether a trial is to be carried out here: it is not over, and was not given to another job meanwhile."""
        latest = events.last(paths)
        try:
            number = files.read_json(paths.plan)["batch"]["pool_job"]
        except (OSError, ValueError, TypeError, KeyError):
            return False
        return latest is not None and latest["state"] not in events.TERMINAL and number == self._number

    def read_on(self) -> None:
        """Take in the lines that are new and whole."""
        try:
            new = files.read_untrusted(self._home.trials, files.JSON_BYTES, self._offset)
        except FileNotFoundError:  # somebody has removed the sweep
            new, self._is_end_announced = b"", True
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._take_line(line)
        now = time.monotonic()
        if whole:
            self._moved_at = now
        self.deadline = now + min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, PAUSE_OF_WAIT * (now - self._moved_at)))

    def _take_line(self, line: bytes) -> None:
        try:
            given = loads(line)
            self._is_end_announced = bool(given.get("end"))
            if not self._is_end_announced:
                self._next[os.path.join(self._home.run_dir, given["run_dir"])] = None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            say(f"a line of {self._home.trials!r} is passed over: {error!r}: {line[:200]!r}")

    def canceled(self) -> Iterable[RunPaths]:
        """Trials that were cancelled before they were taken."""
        for paths in [RunPaths(run_dir) for run_dir in self._next if events.is_cancel_requested(RunPaths(run_dir))]:
            del self._next[paths.run_dir]
            if self._has_got(paths):
                yield paths

    def put_back(self, paths: list[RunPaths]) -> None:
        """Nothing is ever held here: jobs that wait are, by their scheduler."""

    def close(self) -> list[RunPaths]:
        """Take nothing more. What is left is not canceled: another job gets it, or this one when it is requeued."""
        self._next, self._is_closed = {}, True
        return []
