"""What has happened to a run, in words: each change of state, who waited for what, attempts, and what was said of it since."""

from __future__ import annotations

from itertools import pairwise

from trainconf import files
from trainconf.control.watch import waiting
from trainconf.control.words.end import files_left
from trainconf.control.words.progress import RESOURCES, SHOWN_HOLDERS
from trainconf.control.words.values import duration
from trainconf.history import events as history
from trainconf.history import record
from trainconf.launchers.states import state_of
from trainconf.page.answers.chosen import run_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.page.request import Request
    from trainconf.paths import RunPaths

MOST_EVENTS = 1000
WORDS = {
    "NotStarted": "submitted", "Queued": "waits for its turn", "Preparing": "its software is prepared", "Starting": "its processes start",
    "Running": "runs", "Finalizing": "its files are put in place", "CancelRequested": "somebody asked it to end",
    "Completed": "completed", "Failed": "failed", "Canceled": "was canceled", "NotResponding": "does not answer",
}  # fmt: skip
FACTS = frozenset({"time", "state", "attempt", "reason"})


def events(request: Request) -> dict[str, Any]:
    """GET /api/runs/{id}/events: the latest MOST_EVENTS, oldest first, and what it waits for now. `left_out`: how many came before."""
    paths = run_of(request)
    state = state_of(paths)
    told = sorted([*map(_event, history.read_all(paths)), *_labels(paths)], key=lambda event: str(event["time"]))
    for before, event in pairwise(event for event in told if event["state"] is not None):
        began, ended = history.seconds(before["time"]), history.seconds(event["time"])
        is_over = before["state"] in history.TERMINAL
        before["took_s"] = None if began is None or ended is None or is_over else round(ended - began, 6)
    if state.status == "NotResponding":  # nobody has written it: it is what readers conclude
        told.append({**_event({"state": state.status, "reason": state.reason}), "time": None})
    return {
        "state": state.status, "state_words": state.reason, "waits": _waits(paths) if state.status == "Queued" else None,
        "events": told[-MOST_EVENTS:], "left_out": max(0, len(told) - MOST_EVENTS), "damage": history.damage(paths),
    }  # fmt: skip


def _event(event: dict[str, Any]) -> dict[str, Any]:
    state, reason = str(event.get("state")), event.get("reason")
    what = _what(event)
    words = "; ".join(filter(None, [what, reason if isinstance(reason, str) and not what.endswith(reason) else ""]))
    return {
        "time": event.get("time"), "state": state, "attempt": event.get("attempt", 1), "words": words,
        "notes": [*record.notes(event), *filter(None, [files_left(event)])],
        "facts": {key: value for key, value in event.items() if key not in FACTS}, "took_s": None,
    }  # fmt: skip


def _what(event: dict[str, Any]) -> str:
    """Such as: waits for a GPU of this machine"""
    state, waits = event.get("state"), event.get("waiting_for")
    if waits in RESOURCES:
        return f"waits for a {RESOURCES[str(waits)]} of this machine"
    if waits == "scheduler":
        job = event.get("scheduler")
        number = job.get("job_id") if isinstance(job, dict) else None
        return f"waits in the scheduler's queue as job {number}" if number else "waits in the scheduler's queue"
    if waits == "retry":
        seconds = event.get("seconds")
        return f"the next attempt starts in {duration(seconds)}" if isinstance(seconds, (int, float)) else "the next attempt starts soon"
    if waits == "resume":
        return "waits until the sweep goes on"
    if waits == "requeue":
        return "waits in the queue again"
    if history.RESUMED in event:
        return f"resumed by {event[history.RESUMED]}"
    if state == history.REQUESTED and isinstance(event.get("by"), str):
        return f"{event['by']} asked it to end{' at once' if event.get('force') else ''}"
    code = event.get("exit_code")
    return WORDS.get(str(state), "") + (f" with exit code {code}" if state == "Failed" and isinstance(code, int) else "")


def _labels(paths: RunPaths) -> Iterator[dict[str, Any]]:
    """What people have said of it since: a line each."""
    try:
        lines = list(files.read_lines(paths.labels))
    except OSError:
        return  # `damage` of its row says so
    for line in lines:
        if not isinstance(line, dict):
            continue
        said = [f"tagged {key}={value}" for key, value in line["tags"].items()] if isinstance(line.get("tags"), dict) else []
        said += [f"tag {key} taken away" for key in line["untag"]] if isinstance(line.get("untag"), list) else []
        said += [f"note: {line['note']}" if line["note"] else "its note was taken away"] if isinstance(line.get("note"), str) else []
        said += [f"named {line['display_name']}"] if isinstance(line.get("display_name"), str) else []
        said += ["archived" if line["archived"] else "taken out of the archive"] if isinstance(line.get("archived"), bool) else []
        if said:
            by = f" by {line['by']}" if isinstance(line.get("by"), str) else ""
            yield {"time": line.get("time"), "state": None, "attempt": None, "words": "; ".join(said) + by, "notes": [], "facts": {},
                   "took_s": None}  # fmt: skip


def _waits(paths: RunPaths) -> dict[str, Any] | None:
    """What it waits for on this machine: its place in the queue and who holds what it waits for."""
    found = waiting(paths)
    if found is None:
        return None
    return {
        "resource": found.resource, "place": found.place, "holders": found.holders[:SHOWN_HOLDERS],
        "words": f"waits for a {RESOURCES[found.resource]} of this machine, place {found.place} in the queue",
    }  # fmt: skip
