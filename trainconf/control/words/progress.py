"""What is told of a run that is followed, besides its output: waits, retries, what a scheduler says, the end."""

from __future__ import annotations

from trainconf.control import follow as following
from trainconf.control.words import end
from trainconf.control.words.values import duration
from trainconf.history import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.control.follow import Event
    from trainconf.paths import RunPaths

RESOURCES = {"slot": "slot", "gpu": "GPU"}
SHOWN_HOLDERS = 8
_UNREMARKABLE = {"NotStarted", "Starting", "Running", "Finalizing", *events.TERMINAL}


def of(paths: RunPaths, event: Event, *, has_shown: bool) -> list[str]:
    """The lines that tell of an event; none for what is not worth a word. has_shown: whether the output itself is shown."""
    if isinstance(event, following.Changed):
        return _changed(event.event)
    if isinstance(event, following.Waiting):
        held = [f"  {holder}" for holder in event.holders[:SHOWN_HOLDERS]]
        return [f"waiting for a {RESOURCES[event.resource]} of this machine, place {event.place} in the queue", *held]
    if isinstance(event, following.Scheduled):
        return [event.reason]
    if isinstance(event, following.Unreadable):
        return [f"the output cannot be shown: {event.error.strerror}; the run goes on, and {paths.log(0)} has it all"]
    if isinstance(event, following.Ended):
        state = event.state
        return [*end.leftovers(paths, state.event), *end.why(paths, state, has_shown=has_shown), *end.summary(paths, state)]
    return []


def _changed(event: dict[str, Any]) -> list[str]:
    waiting_for = event.get("waiting_for")
    if waiting_for == "retry":
        return [f"{event.get('reason')}; attempt {event['attempt']} starts in {duration(event.get('seconds'))}"]
    if not waiting_for and event["state"] not in _UNREMARKABLE and event.get("reason"):
        return [f"{event['state']}: {event['reason']}"]
    return []
