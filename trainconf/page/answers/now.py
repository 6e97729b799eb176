"""What runs and what waits now: the slots and GPUs of this machine, as `trainconf watch` has them, and the jobs of schedulers."""

from __future__ import annotations

from trainconf.control import watch
from trainconf.history import events, record
from trainconf.launchers import states
from trainconf.page import summaries
from trainconf.page.answers.parts.place import job_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from trainconf.agent.leases.queue import Waiter
    from trainconf.control.watch import Lease, Machine
    from trainconf.history.liveness import State
    from trainconf.page.request import Request
    from trainconf.paths import RunPaths, WorkspacePaths

MOST_ROWS = 200


def now(request: Request) -> dict[str, Any]:
    """GET /api/now. `here`: a machine for each folder of leases. `scheduled`: runs that are jobs of a scheduler. `others`: the rest."""
    return of_workspace(request.workspace)


def of_workspace(workspace: WorkspacePaths) -> dict[str, Any]:
    """The same, for the stream."""
    living = _living(workspace)
    found = list(zip(living, states.states_of(living), strict=True))
    machines = watch.machines(workspace)
    ours = {paths.run_id: paths for paths in living}
    told = {name for machine in machines for lease in machine.leases for name in (lease.run_id, *lease.running)}
    told |= {waiter.run_id for machine in machines for waiter in machine.waiting}
    scheduled = [(paths, state) for paths, state in found if state.scheduler is not None or job_of(events.read(paths))]
    jobs = {paths.run_id for paths, _ in scheduled}
    others = [(paths, state) for paths, state in found if paths.run_id not in told | jobs and not state.is_final]
    return {
        "running": sum(state.status in watch.RUNNING for _, state in found),
        "waiting": sum(state.status in ("NotStarted", "Queued", "Preparing") for _, state in found),
        "here": [_machine(machine, ours) for machine in machines],
        "scheduled": [_job_row(paths, state) for paths, state in scheduled if not state.is_final][:MOST_ROWS],
        "counts": _counts(state.status for _, state in scheduled if not state.is_final),
        "others": [_run(paths, state) for paths, state in others[:MOST_ROWS]],
        "left_out": max(0, len(scheduled) - MOST_ROWS) + max(0, len(others) - MOST_ROWS),
    }  # fmt: skip


def _living(workspace: WorkspacePaths) -> list[RunPaths]:
    from trainconf.history.index.index import Index

    with Index(workspace) as index:
        return index.living()


def _counts(statuses: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for status in statuses:
        found[status] = found.get(status, 0) + 1
    return found


# ------------------------------------------------------------ this machine


def _machine(machine: Machine, ours: dict[str, RunPaths]) -> dict[str, Any]:
    """Its slots and GPUs, and the queue: each waiter with how many are before it, and who holds what it waits for."""
    leases = [_lease(lease, ours) for lease in machine.leases]
    kinds = {}
    for kind in watch.LEASED:
        of_kind = [lease for lease in leases if lease["kind"] == kind]
        kinds[kind] = {"taken": sum(not lease["free"] for lease in of_kind), "total": len(of_kind)}
    return {
        "directory": machine.directory, "slots": kinds["slot"], "gpus": kinds["gpu"], "leases": leases,
        "waiting": [_waiter(waiter, machine, ours) for waiter in machine.waiting[:MOST_ROWS]], "waiting_count": len(machine.waiting),
    }  # fmt: skip


def _lease(lease: Lease, ours: dict[str, RunPaths]) -> dict[str, Any]:
    holder, words = lease.holder, lease.words
    found = ours.get(words)
    return {
        "kind": lease.kind, "name": lease.name, "free": holder is None, "words": words, "user": holder.user if holder else None,
        "pid": holder.pid if holder else None, "run": lease.run_id or None, "running": list(lease.running),
        "since": events.text(lease.since) if lease.since is not None else None, "ours": found is not None or lease.run_id in ours,
        "metric": _metric(found) if found is not None else None,
    }  # fmt: skip


def _waiter(waiter: Waiter, machine: Machine, ours: dict[str, RunPaths]) -> dict[str, Any]:
    paths = ours.get(waiter.run_id)
    resource = (events.last(paths) or {}).get("waiting_for") if paths is not None else None
    kind = resource if resource in watch.LEASED else None
    holders = [lease.running[0] if len(lease.running) == 1 else lease.run_id
               for lease in machine.leases if lease.holder is not None and lease.kind == kind and lease.run_id]  # fmt: skip
    what = {"slot": "a slot", "gpu": "a GPU"}.get(str(kind), "a slot or a GPU")
    before = f", {waiter.place - 1} before it" if waiter.place > 1 else ", next in the queue"
    return {
        "id": waiter.run_id, "user": waiter.user, "place": waiter.place, "since": events.text(waiter.since), "kind": kind,
        "ours": paths is not None, "holders": list(dict.fromkeys(holders)), "words": f"waits for {what}{before}",
    }  # fmt: skip


# ------------------------------------------------------------ runs


def _job_row(paths: RunPaths, state: State) -> dict[str, Any]:
    job = {**job_of(events.read(paths)), **(state.scheduler or {})}
    return {**_run(paths, state), "scheduler": job.get("kind"), "job": job.get("job_id"), "nodes": job.get("nodes")}


def _run(paths: RunPaths, state: State) -> dict[str, Any]:
    began = next((event.get("time") for event in events.read(paths) if event["state"] == "Running"), None)
    return {
        "id": paths.run_id, "experiment": record.read_mapping(paths.record).get("experiment_name"), "state": state.status,
        "words": state.reason, "since": began or state.event.get("time"), "metric": _metric(paths),
    }  # fmt: skip


def _metric(paths: RunPaths) -> dict[str, Any] | None:
    """What the run has logged last of the metric it is judged by."""
    name = record.metric(paths)
    values = summaries.of(paths).values
    return {"name": name, "last": values[name]} if name is not None and name in values else None
