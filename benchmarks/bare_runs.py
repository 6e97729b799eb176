"""The least of a run that an agent can carry out: a directory, a plan, a lock, the first event."""

from __future__ import annotations

import os
import sys

from trainconf import files
from trainconf.history import events
from trainconf.launchers.base import Job, RunHandle
from trainconf.launchers.local import LocalLauncher
from trainconf.paths import RunPaths
from trainconf.spec import CodeSpec, RunSpec


def submit(folder: str, argv: list[str]) -> RunHandle:
    """Start a run of `argv` in the new run directory `folder`."""
    paths = RunPaths(folder)
    os.makedirs(paths.code)
    spec = RunSpec(code=CodeSpec(command=tuple(argv), argument_style="none"))
    compute = {"lease_dir": os.path.join(os.path.dirname(folder), "leases")}
    launcher = LocalLauncher()
    plan = launcher.plan(Job(spec=spec, paths=paths, experiment_name="bench", python=sys.executable, compute=compute))
    lock = files.FileLock(paths.lock)
    lock.acquire()
    events.append(paths, "NotStarted")
    return launcher.submit(plan, lock, {})


def finish(handle: RunHandle) -> dict[str, float]:
    """Wait for the end; what the run consumed. Raises RuntimeError when it did not complete."""
    state = LocalLauncher().wait(handle)
    if state.status != "Completed":
        raise RuntimeError(f"{state.status}: {state.reason}")
    resources: dict[str, float] = state.event["resources"]
    return resources
