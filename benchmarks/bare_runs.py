"""The smallest run that an agent can carry out: a directory, a plan, a lock, the first event."""

from __future__ import annotations

import os
import sys

from trainconf import files
from trainconf.history import events
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.protocol import Job, RunHandle
from trainconf.limits import MONITOR_INTERVAL_SECONDS
from trainconf.paths import RunPaths
from trainconf.spec import CodeSpec, DistributedSpec, RunSpec


def submit(folder: str, argv: list[str], process_count: int = 1) -> RunHandle:
    """Start a run of `argv` in the new run directory `folder`."""
    paths = RunPaths(folder)
    os.makedirs(paths.code)
    distributed = DistributedSpec(kind="pytorch", processes_per_node=process_count) if process_count > 1 else DistributedSpec()
    spec = RunSpec(code=CodeSpec(command=tuple(argv), argument_style="none"), distributed=distributed)
    compute = {"lease_dir": os.path.join(os.path.dirname(folder), "leases")}
    launcher = LocalLauncher()
    plan = launcher.plan(Job(
        spec=spec, paths=paths, experiment_name="bench", python=sys.executable, compute=compute,
        monitor_interval_seconds=MONITOR_INTERVAL_SECONDS,
    ))  # fmt: skip
    lock = files.FileLock(paths.lock)
    lock.acquire()
    events.append(paths, "NotStarted")
    return launcher.submit(plan, lock, {})


def finish(handle: RunHandle) -> dict[str, float]:
    """Wait for the end; return what the run consumed. Raises RuntimeError when it did not complete."""
    state = LocalLauncher().wait(handle)
    if state.status != "Completed":
        raise RuntimeError(f"{state.status}: {state.reason}")
    resources: dict[str, float] = state.event["resources"]
    return resources


def processes_of(handle: RunHandle) -> list[int]:
    """The pids of an agent and its watchdog, once the agent has written its first event."""
    while True:
        named = [event["agent"]["pid"] for event in events.read(handle.paths) if "agent" in event]
        if named and handle.agent_pid is not None:
            return [int(named[-1]), handle.agent_pid]
