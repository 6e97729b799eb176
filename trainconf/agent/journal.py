"""The events one agent records for one run, in order; kept in memory and tried again while the disk refuses.

A known exit code must not be lost because a disk is full for a while. After `PATIENCE_SECONDS`, or when the run's folder was removed, the
agent gives up: it says so in its log and ends with code 1, and readers see NotResponding.
"""

from __future__ import annotations

import time

from trainconf.agent.log import say
from trainconf.history import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import RunPaths

RETRY_SECONDS = 1.0
PATIENCE_SECONDS = 600.0


class Journal:
    """Appends a run's events. `unwritten` events wait for `deadline`; `lost` says that they were given up."""

    __slots__ = ("deadline", "lost", "paths", "refused_at", "unwritten")

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self.unwritten: list[tuple[str, int, dict[str, Any]]] = []
        self.refused_at = 0.0  # monotonic
        self.deadline: float | None = None
        self.lost = False

    def add(self, state: str, attempt: int, **facts: Any) -> None:
        """Record an event with the time of now, even if it can only be written later."""
        self.unwritten.append((state, attempt, {"time": events.now(), **facts}))
        self.flush()

    def flush(self) -> None:
        """Write what is still unwritten, oldest first; on refusal set `deadline`, and `lost` when patience is over."""
        while self.unwritten:
            state, attempt, facts = self.unwritten[0]
            try:
                events.append(self.paths, state, attempt, **facts)
            except OSError as error:
                self._refused(error)
                return
            del self.unwritten[0]
        self.deadline, self.lost = None, False

    def _refused(self, error: OSError) -> None:
        now = time.monotonic()
        if self.deadline is None:
            self.refused_at = now
            say(f"{self.paths.run_id}: cannot write events, will try again: {error}")
        is_gone = isinstance(error, FileNotFoundError)  # somebody removed the run's folder, and waiting brings nothing back
        if is_gone or now - self.refused_at > PATIENCE_SECONDS:
            self.lost = True
            self.deadline = None
            say(f"{self.paths.run_id}: gave up writing these events: {self.unwritten!r}")
        else:
            self.deadline = now + RETRY_SECONDS
