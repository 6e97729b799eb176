"""The append-only state history of a run: one JSON line per change of state, the last line is the state.

Written by whoever minds the run, one after the other: the submitter, the agent, who finds the agent gone. Read by everybody, torn last line
included. Whoever asks for a cancellation may be on another machine, and two that append at once tear lines over NFS (open(2), O_APPEND):
a request is a file of its own, which readers take for an event, and the agent records when it has heard of it.
What the recorded state is worth when its writer is gone is `liveness`'s question.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from trainconf import files
from trainconf.fast.json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from trainconf.paths import RunPaths

SECOND_FORMAT = "%Y-%m-%dT%H:%M:%S"
_PARTS = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))  # of a time: year, month, day, hour, minute, second
_seconds: dict[str, int] = {}  # of times that were read lately: whoever reads a run reads each of its times several times
MANY_TIMES = 64
REQUESTED = "CancelRequested"
RESUMED = "resumed"  # in the event with which an ended run begins anew: who did it
LONGEST_TAIL_BYTES = 1 << 25  # in which the last event is looked for
TERMINAL = frozenset({"Completed", "Failed", "Canceled"})
# In the order in which a run passes them; NotResponding is never written, only concluded by a reader.
STATES = (
    "NotStarted", "Queued", "Preparing", "Starting", "Running", "Finalizing", "CancelRequested",
    "Completed", "Failed", "Canceled", "NotResponding",
)  # fmt: skip


def now() -> str:
    """The time as UTC ISO 8601 with microseconds, such as 2026-11-23T05:32:07.123456Z."""
    return _text(*divmod(time.time_ns() // 1000, 1_000_000))


def text(seconds: float) -> str:
    """A time in seconds since the epoch, such as an event file has, in the form of `now`; empty for what is no time."""
    try:
        return _text(*divmod(round(seconds * 1_000_000), 1_000_000))
    except (ValueError, OverflowError, OSError):
        return ""


def _text(seconds: int, microseconds: int) -> str:
    return f"{time.strftime(SECOND_FORMAT, time.gmtime(seconds))}.{microseconds:06d}Z"


def append(paths: RunPaths, state: str, attempt: int = 1, **facts: Any) -> None:
    """Record that the run is now in `state`. Raises OSError when the disk refuses."""
    assert state in STATES[:-1], state
    files.append_line(paths.events, {"time": now(), "state": state, "attempt": attempt, **facts})


def request_cancel(paths: RunPaths, *, force: bool = False, reason: str = "", goes_on: bool = False) -> int | None:
    """Ask for the end of a run, or of a sweep; its attempt, or None when it has ended. Raises OSError when the disk refuses.

    reason: why it is asked for, where no person asks: the run then ends with this reason. goes_on: it had ended, and somebody is about to
    open it again.
    """
    latest = last(paths)
    if latest is not None and latest["state"] in TERMINAL and not goes_on:
        return None
    attempt = 1 if latest is None else latest.get("attempt", 1)
    facts: dict[str, Any] = {"time": now(), "state": REQUESTED, "attempt": attempt, "by": requester()}
    if reason:
        facts["reason"] = reason
    for forced in (False, True) if force else (False,):
        path = paths.cancel_request(force=forced)
        if not os.path.exists(path):
            _write_request(path, files.dumps({**facts, **({"force": True} if forced else {})}))
    return int(attempt)


def _write_request(path: str, text: str) -> None:
    """A request; on a full disk one without words: a run that fills the disk must be ended, and a name there needs no room."""
    try:
        files.write_atomic(path, text)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def why_canceled(paths: RunPaths) -> str:
    """The reason of a run that ends because it was asked to: the one that the request names, else who asked, where that is known."""
    request = cancel_request(paths) or {}
    if isinstance(reason := request.get("reason"), str) and reason:
        return reason
    by = request.get("by")
    return "cancellation was requested" + (f" by {by}" if isinstance(by, str) else "")


def requester() -> str:
    """This user and machine: ada@login1."""
    import pwd

    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user {uid}"
    return f"{name}@{os.uname().nodename}"


def is_cancel_requested(paths: RunPaths) -> bool:
    """Whether somebody has asked, in one look at the disk."""
    return os.path.lexists(paths.cancel_request())


def cancel_request(paths: RunPaths) -> dict[str, Any] | None:
    """The strongest request there is, as an event."""
    for forced in (True, False) if is_cancel_requested(paths) else ():
        try:
            request = _event(files.read_json(paths.cancel_request(force=forced), files.LINE_BYTES))
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            request = None  # somebody has asked, whatever became of the words
        return {**(request or {"attempt": 1}), "state": REQUESTED, **({"force": True} if forced else {})}
    # as it was recorded before there were files of their own
    found = [event for event in _since_resumed(_lines(paths)) if event["state"] == REQUESTED]
    return next((event for event in found if event.get("force")), found[-1] if found else None)


def read(paths: RunPaths) -> list[dict[str, Any]]:
    """The events since the run was submitted, or was resumed last, oldest first; torn and foreign lines are passed over.

    Empty when there are none, or they cannot be read. A request to cancel that no agent has recorded comes last, or before the end.
    """
    history = _since_resumed(_lines(paths))
    if history and is_cancel_requested(paths) and not any(event["state"] == REQUESTED for event in history):
        request = cancel_request(paths)
        if request is not None:
            history.insert(len(history) - (history[-1]["state"] in TERMINAL), request)
    return history


def read_all(paths: RunPaths) -> list[dict[str, Any]]:
    """As `read`, with what came before the run was resumed."""
    latest = read(paths)
    return [*list(_lines(paths))[: -len(latest) or None], *latest] if latest and RESUMED in latest[0] else latest


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
        if event["state"] != REQUESTED:
            break
    if latest is None or latest["state"] in (REQUESTED, "Finalizing") or not is_cancel_requested(paths):
        return latest
    return cancel_request(paths) or latest


def waits(paths: RunPaths) -> bool:
    """Whether a run was handed over and has never begun."""
    latest = last(paths)
    return latest is not None and not has_begun(latest)


def has_begun(event: Mapping[str, Any]) -> bool:
    """Whether a run with this latest event is past the beginning of its first attempt, or waits for a further one."""
    waits = event.get("state", "NotStarted") in ("NotStarted", "Queued")
    return not waits or event.get("waiting_for") in ("requeue", "retry") or event.get("attempt", 1) != 1


def exists(paths: RunPaths) -> bool:
    """Whether the folder is a run: something has been written to its history. Otherwise it is half-made, or no run.

    Something else in that file's place makes it a damaged run, which is to be told.
    """
    try:
        info = os.lstat(paths.events)
    except (OSError, ValueError):
        return False
    return info.st_size > 0 or not stat.S_ISREG(info.st_mode)


def damage(paths: RunPaths) -> str:
    """Why the history cannot be read, in words; empty when it can be, or is not there."""
    try:
        os.close(files.open_regular(paths.events))
    except files.NotAFileError:
        return "its events.jsonl is no regular file"
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"its events.jsonl cannot be read: {error.strerror}"
    return ""


def _since_resumed(history: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events of the run's present life: with a new one it has a new agent, a new job, and no request to cancel."""
    found: list[dict[str, Any]] = []
    for event in history:
        if RESUMED in event:
            found = []
        found.append(event)
    return found


def _lines(paths: RunPaths) -> Iterator[dict[str, Any]]:
    try:
        for line in files.read_lines(paths.events):
            event = _event(line)
            if event is not None:
                yield event
    except OSError:
        return  # as `damage` says


def _event(line: Any) -> dict[str, Any] | None:
    """A line that is an event, with the types that readers rely on; None for every other."""
    if not isinstance(line, dict) or line.get("state") not in STATES[:-1]:
        return None
    attempt = line.get("attempt")
    if not isinstance(attempt, int) or isinstance(attempt, bool) or not 0 < attempt < 1 << 31:
        line["attempt"] = 1
    return line


def _backwards(path: str) -> Iterator[dict[str, Any]]:
    """The events in the last 64 KB, newest first; in a longer tail while that has none."""
    length = files.LINE_TAIL_BYTES
    found = is_whole = False
    while not (found or is_whole) and length < LONGEST_TAIL_BYTES:
        lines, is_whole = _tail(path, length)
        for line in reversed(lines):
            event = _parse(line) if 0 < len(line) < files.LINE_BYTES else None
            if event is not None:
                found = True
                yield event
        length *= 8


def _tail(path: str, length: int) -> tuple[list[bytes], bool]:
    """The whole lines at the end, and whether they are all. Not a part of the generator, which nobody would hear being interrupted."""
    try:
        fd, size = files.open_with_size(path)
    except OSError:
        return [], True  # not there, or damaged, as `damage` says
    try:
        start = max(0, size - length)
        lines = os.pread(fd, size - start, start).split(b"\n")
        return lines[1:] if start else lines, not start
    finally:
        os.close(fd)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        return _event(loads(line))
    except (ValueError, RecursionError):
        return None


def seconds(time_text: Any) -> float | None:
    """A recorded time as seconds since the epoch; None for anything that `now` would not have written."""
    try:
        until_second, fraction = time_text[:19], time_text[20:26]
        whole = _seconds.get(until_second)
        if whole is None:
            whole = _whole_seconds(until_second)
        if fraction.isdecimal() and f"{until_second}.{fraction}Z" == time_text:
            return whole + int(fraction) / 1_000_000
    except (TypeError, LookupError, ValueError, AttributeError, OverflowError, OSError):
        pass
    return None


def _whole_seconds(text: Any) -> int:
    """Raises what `seconds` catches for anything that is no time up to its second."""
    year, month, day, hour, minute, second = (int(text[start:end]) for start, end in _PARTS)
    # Days of the Gregorian calendar, whose years begin in March here. `datetime` takes 1 ms of every listing.
    years = year if month > 2 else year - 1
    days = 365 * years + years // 4 - years // 100 + years // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - 719469
    whole = days * 86400 + hour * 3600 + minute * 60 + second
    if time.strftime(SECOND_FORMAT, time.gmtime(whole)) != text:
        raise ValueError(text)
    if len(_seconds) >= MANY_TIMES:
        _seconds.clear()
    _seconds[text] = whole
    return whole
