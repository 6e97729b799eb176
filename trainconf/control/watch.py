"""What runs and waits on this machine now: its slots and GPUs, who holds them, the queue for them, and a run's place in it."""

from __future__ import annotations

import os

from trainconf.fast.records import Record
from trainconf.history import events, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from trainconf.agent.leases.queue import Holder, Waiter
    from trainconf.paths import RunPaths, WorkspacePaths

LEASED = ("slot", "gpu")
DOOR = "door"
RUNNING = ("Starting", "Running", "Finalizing")


class Lease(Record):
    """A slot or a GPU. `holder` is None for one that is free; `since` is in seconds since the epoch, None where nobody can tell.

    running: the trials that run now, where a sweep holds it: one agent leases for all of them.
    """

    kind: str
    name: str
    holder: Holder | None = None
    since: float | None = None
    running: Sequence[str] = ()

    @property
    def run_id(self) -> str:
        """The run or sweep that holds it; empty when none does."""
        return os.path.basename(self.holder.run_dir) if self.holder else ""

    @property
    def words(self) -> str:
        """What has it: a run, the one trial of a sweep that runs, a program; `free` where nothing has."""
        if self.holder is None:
            return "free"
        if len(self.running) == 1:
            return self.running[0]
        what = "no lock file, but something else" if not self.holder.pid else "left of a run whose agent is gone"
        return self.run_id or self.holder.program or what

    def to_dict(self) -> dict[str, Any]:
        """The stable form."""
        known = {name: getattr(self.holder, name, None) or None for name in ("run_dir", "user", "pid", "program")}
        return {
            "kind": self.kind, "name": self.name, "is_free": self.holder is None, "run_id": self.run_id or None, **known,
            "running": list(self.running), "since": self.since,
        }  # fmt: skip


class Machine(Record):
    """The leases in one folder, and who waits for them, in the order in which they are served."""

    directory: str
    leases: list[Lease]
    waiting: list[Waiter]

    def to_dict(self) -> dict[str, Any]:
        """The stable form of `watch --json`; times are seconds since the epoch."""
        return {
            "directory": self.directory, "leases": [lease.to_dict() for lease in self.leases],
            "waiting": [{"place": each.place, "run_id": each.run_id, "user": each.user, "since": each.since} for each in self.waiting],
        }  # fmt: skip


class Waiting(Record):
    """The run waits for a slot or a GPU, at `place` in the queue. `holders` says in words who has them."""

    resource: str
    place: int
    holders: list[str]


def machines(workspace: WorkspacePaths) -> list[Machine]:
    """This machine's leases, and those of every other folder (`compute.lease_dir`) that runs of the workspace wait for or hold."""
    from trainconf.agent.leases import shared_folder
    from trainconf.history.index.index import Index

    with Index(workspace) as index:
        folders = dict.fromkeys([shared_folder.default_dir(), *map(lease_dir, index.living())])
    return [machine(folder) for folder in folders if folder]


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


def machine(directory: str, devices: Iterable[str] | None = None) -> Machine:
    """What the leases of one folder are at this moment. `devices` are the GPUs of the machine; its own when left out."""
    from trainconf.agent.leases import queue
    from trainconf.agent.leases.claim import device_file
    from trainconf.paths import RunPaths

    held = {name: holder for holder in queue.holding(directory) for name in holder.names}
    slots = [f"slot-{number}" for number in range(len(os.sched_getaffinity(0)))]
    gpus = {device_file(device): device for device in (_devices() if devices is None else devices)}
    more = sorted((name for name in held if name not in (DOOR, *slots, *gpus)), key=lambda name: (name[:4], len(name), name))
    told: dict[str, tuple[float | None, list[str]]] = {}
    leases = []
    for name in (*slots, *(name for name in more if name.startswith("slot-")), *gpus, *(name for name in more if name.startswith("gpu-"))):
        holder = held.get(name)
        run_dir = holder.run_dir if holder else ""
        if run_dir not in told:
            told[run_dir] = _what_runs(RunPaths(run_dir)) if run_dir else (None, [])
        kind, _, rest = name.partition("-")
        leases.append(Lease(kind, gpus.get(name, rest), holder, *told[run_dir]))
    return Machine(directory, leases, queue.waiters(directory))


def _devices() -> list[str]:
    from trainconf.launchers.machine.gpus import NvidiaDevices
    from trainconf.process import processes

    return NvidiaDevices(os.environ, processes).devices()


def _what_runs(paths: RunPaths) -> tuple[float | None, list[str]]:
    """Since when a run has its leases, and the trials of a sweep that run now."""
    from trainconf.history.find import trials_of

    if not os.path.exists(paths.sweep):
        return _started(paths), []
    running = [trial for trial in trials_of(paths) if (events.last(trial) or {}).get("state") in RUNNING]
    return min(filter(None, map(_started, running)), default=None), [trial.run_id for trial in running]


def _started(paths: RunPaths) -> float | None:
    """When a run's last attempt began, which is when it got its leases."""
    found = [event.get("time") for event in events.read(paths) if event["state"] == "Starting"]
    return events.seconds(found[-1]) if found else None
