"""Makes runs as a submitter would: the directory, its record, the first event, the lock. For the contract suite and plug-in authors."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

from trainconf import files
from trainconf.agent import job_folders
from trainconf.history import events, liveness
from trainconf.launchers.protocol import Job, Launcher, RunHandle
from trainconf.paths import RunPaths
from trainconf.spec import CodeSpec, ComputeSpec, DistributedSpec, RunSpec, canonical


def make_job(
    root: str,
    argv: list[str],
    *,
    run_id: str = "",
    params: dict[str, Any] | None = None,
    inputs: dict[str, str] | None = None,
    compute: dict[str, Any] | None = None,
    cpus: int = 1,
    gpus: int = 0,
    limit_s: float | None = None,
    grace_s: float = 5.0,
    distributed: DistributedSpec | None = None,
    **wishes: Any,
) -> Job:
    """A job whose command is `argv` as it stands, in a run directory under `root`/runs/exp. Nothing is made on disk.

    The run's id is unique on the machine, as real ones are: processes are found by it, also those of tests that run beside these.
    """
    paths = RunPaths(os.path.join(root, "runs", "exp", f"{run_id or 'run'}-{os.urandom(4).hex()}"))
    spec = RunSpec(
        code=CodeSpec(command=tuple(argv), argument_style="none", inputs=tuple(sorted((inputs or {}).items()))),
        params_json=canonical(params or {}),
        compute=ComputeSpec(cpus=cpus, gpus=gpus, max_run_duration_seconds=limit_s, grace_seconds=grace_s),
        distributed=distributed or DistributedSpec(),
    )
    compute = {"slots": 4, "lease_dir": os.path.join(root, "leases"), **(compute or {})}
    return Job(spec=spec, paths=paths, experiment_name="exp", python=sys.executable, compute=compute, **wishes)


def make_run_dir(job: Job, lock: str | None = None) -> None:
    """What stands in a run directory before a launcher gets it."""
    paths = job.paths
    os.makedirs(paths.code)
    job_folders.make(paths)
    files.write_atomic(paths.params, json.dumps(job.spec.params), durable=False)
    record = {"run_id": job.run_id, "experiment_name": "exp", "lock": lock or paths.lock}
    files.write_atomic(paths.record, json.dumps(record), durable=False)


def submit(launcher: Launcher, job: Job) -> RunHandle:
    """The whole road: directory, lock, first event, plan, launch."""
    plan = launcher.plan(job)
    make_run_dir(job)
    lock = files.FileLock(job.paths.lock)
    lock.acquire()
    events.append(job.paths, "NotStarted")
    return launcher.submit(plan, lock, job.secrets)


def python(code: str) -> list[str]:
    """A command that runs `code` in this Python."""
    return [sys.executable, "-c", code]


def shell(text: str) -> list[str]:
    """A command that runs `text` in sh."""
    return ["sh", "-c", text]


def until_told(ready: str, told: str, beside: str = "sleep 600") -> str:
    """A text for `shell` that starts `beside`, does `ready`, stays until SIGTERM, and then does `told`.

    It starts no program while it stays: dash 0.5.12 loses a signal that comes while it does (its handler looks away as long as
    `vforked` is set; 264 of 1500 by hand).
    """
    return f"trap '{told}' TERM; {beside} & {ready}; while :; do wait; done"


def until_up(*ranks: int) -> str:
    """A text for `shell` that stays until each of these ranks has made its `outputs/up<rank>`."""
    return f"until {' && '.join(f'[ -e outputs/up{rank} ]' for rank in ranks)}; do sleep 0.1; done"


def states(handle: RunHandle) -> list[str]:
    """All states so far."""
    return [event["state"] for event in events.read(handle.paths)]


def last(handle: RunHandle) -> dict[str, Any]:
    """The event that tells the state."""
    found = events.last(handle.paths)
    assert found is not None
    return found


def output(handle: RunHandle, rank: int = 0) -> str:
    """What a rank has written so far."""
    with open(handle.paths.log(rank), encoding="utf-8") as stream:
        return stream.read()


def agent_of(handle: RunHandle) -> int:
    """The pid of the agent; what was started is its guard."""
    return int(next(event["agent"]["pid"] for event in reversed(events.read(handle.paths)) if "agent" in event))


def kill_agent(handle: RunHandle) -> None:
    """End the agent with nobody to end what it leaves: its guard is killed before it."""
    agent = liveness.identity(agent_of(handle))
    assert handle.agent_pid is not None
    os.kill(handle.agent_pid, signal.SIGKILL)
    os.waitpid(handle.agent_pid, 0)
    os.kill(agent["pid"], signal.SIGKILL)
    while liveness.is_alive(agent):
        time.sleep(0.005)
    for _ in range(1000):  # its other threads have its files open for a moment longer
        if not files.is_locked(liveness.lock_of(handle.paths)):
            break
        time.sleep(0.005)
