"""What a run of this machine waits for: its place in the queue, and who holds what it needs."""

from __future__ import annotations

from trainconf.fast.records import Record
from trainconf.history import events, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import RunPaths

LEASED = ("slot", "gpu")


class Waiting(Record):
    """The run waits for a slot or a GPU, at `place` in the queue. `holders` says in words who has them."""

    resource: str
    place: int
    holders: list[str]


def lease_dir(paths: RunPaths) -> str:
    """The folder of the leases that a run needs; empty where it needs none."""
    slots = record.read_plan(paths).get("slots")
    return str(slots.get("dir", "")) if isinstance(slots, dict) else ""


def waiting(paths: RunPaths) -> Waiting | None:
    """What a run waits for now; None when it waits for nothing of this machine."""
    from trainconf.agent.leases import queue

    resource = (events.last(paths) or {}).get("waiting_for")
    if resource not in LEASED:
        return None
    folder = lease_dir(paths)
    place = queue.place(folder, paths.run_id)
    return None if place is None else Waiting(str(resource), place, queue.holders(folder))
