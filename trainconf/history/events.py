"""The append-only state history of a run: one JSON line per change of state, the last line is the state.

Written by the submitter, the agent, and whoever asks for a cancellation; read by everybody, torn last line included.
What the recorded state is worth when its writer is gone is `liveness`'s question.
"""

from __future__ import annotations

import os
import time

from trainconf import files
from trainconf.plain_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.paths import RunPaths

TERMINAL = frozenset({"Completed", "Failed", "Canceled"})
# In the order in which a run passes them; NotResponding is never written, only concluded by a reader.
STATES = (
    "NotStarted", "Queued", "Preparing", "Starting", "Running", "Finalizing", "CancelRequested",
    "Completed", "Failed", "Canceled", "NotResponding",
)  # fmt: skip


def now() -> str:
    """The time as UTC ISO 8601 with microseconds, such as 2026-11-23T05:32:07.123456Z."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds // 1000:06d}Z"


def append(paths: RunPaths, state: str, attempt: int = 1, **facts: Any) -> None:
    """Record that the run is now in `state`. Raises OSError when the disk refuses."""
    assert state in STATES[:-1], state
    files.append_line(paths.events, {"time": now(), "state": state, "attempt": attempt, **facts})


def read(paths: RunPaths) -> list[dict[str, Any]]:
    """All events, oldest first; torn and foreign lines are passed over. Empty when there are none."""
    return [line for line in files.read_lines(paths.events) if _is_event(line)]


def last(paths: RunPaths) -> dict[str, Any] | None:
    """The event that tells the state, read from the file's tail; None when there is none.

    A cancel request that came after a final event changes nothing, so the final event is the answer.
    """
    latest: dict[str, Any] | None = None
    for event in _backwards(paths.events):
        if latest is None:
            latest = event
        if event["state"] in TERMINAL:
            return event
        if event["state"] != "CancelRequested":
            break
    return latest


def exists(paths: RunPaths) -> bool:
    """Whether the folder is a run: something has been written to its history. Otherwise it is half-made, or no run."""
    try:
        return os.stat(paths.events).st_size > 0
    except OSError:
        return False


def _is_event(line: Any) -> bool:
    return isinstance(line, dict) and line.get("state") in STATES


def _backwards(path: str) -> Iterator[dict[str, Any]]:
    """The events in the last 64 KB, newest first; in a longer tail while that has none."""
    try:
        fd = files.open_regular(path)
    except FileNotFoundError:
        return
    try:
        size = os.fstat(fd).st_size
        length = files.LINE_TAIL_BYTES
        found = False
        while not found and length < 8 * size + files.LINE_TAIL_BYTES:
            start = max(0, size - length)
            lines = os.pread(fd, size - start, start).split(b"\n")
            for line in reversed(lines[1:] if start else lines):
                event = _parse(line) if line else None
                if event is not None:
                    found = True
                    yield event
            length *= 8
    finally:
        os.close(fd)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = loads(line)
    except (ValueError, RecursionError):
        return None
    return event if _is_event(event) else None


def seconds(time_text: Any) -> float | None:
    """A recorded time as seconds since the epoch; None for anything that `now` would not have written."""
    from datetime import datetime, timezone

    try:
        moment = datetime.fromisoformat(time_text.removesuffix("Z"))
    except (AttributeError, ValueError):
        return None
    return moment.replace(tzinfo=timezone.utc).timestamp()
