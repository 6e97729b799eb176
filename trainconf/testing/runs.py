"""Makes runs as a submitter makes them, for tests of launchers: the directory, its record, the first event, the lock.

Also small commands for such runs, and ways to read what became of them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from trainconf import files
from trainconf.agent import job_folders
from trainconf.history import events
from trainconf.launchers.protocol import Job, Launcher, LaunchPlan, RunHandle
from trainconf.paths import RunPaths
from trainconf.spec import CodeSpec, ComputeSpec, DistributedSpec, RunSpec, canonical

HOSTILE_NAMES = [
    "with space", "quo'te\"s", "new\nline", "per%cent %s %(x)s", "$(touch pwned) `id` $HOME",
    "colon:semi;&|<>", os.fsdecode(b"bytes\xff\xfe"),
]  # fmt: skip
PATIENCE_S = 120.0


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
    **fields: Any,
) -> Job:
    """A job whose command is `argv`, in a run directory under `root`/runs/exp; `fields` are others of `Job`. Makes nothing on disk.

    The run id is unique on the machine, as real ones are: processes are found by it, also those of tests that run at the same time.
    """
    paths = RunPaths(os.path.join(root, "runs", "exp", f"{run_id or 'run'}-{os.urandom(4).hex()}"))
    spec = RunSpec(
        code=CodeSpec(command=tuple(argv), argument_style="none", inputs=tuple(sorted((inputs or {}).items()))),
        params_json=canonical(params or {}),
        compute=ComputeSpec(cpus=cpus, gpus=gpus, max_run_duration_seconds=limit_s, grace_seconds=grace_s),
        distributed=distributed or DistributedSpec(),
    )
    compute = {"slots": 4, "lease_dir": os.path.join(root, "leases"), **(compute or {})}
    return Job(spec=spec, paths=paths, experiment_name="exp", python=sys.executable, compute=compute, **fields)


def make_run_dir(job: Job, lock: str | None = None) -> None:
    """What stands in a run directory before a launcher gets it. A trial's `lock` is its sweep's."""
    paths = job.paths
    os.makedirs(paths.code)
    job_folders.make(paths)
    files.write_atomic(paths.params, json.dumps(job.spec.params), durable=False)
    record = {"run_id": job.run_id, "experiment_name": "exp", "lock": lock or paths.lock}
    files.write_atomic(paths.record, json.dumps(record), durable=False)


def submit(launcher: Launcher, job: Job) -> RunHandle:
    """Plan a job, make its directory and launch it."""
    plan = launcher.plan(job)
    make_run_dir(job)
    return launch(launcher, job, plan)


def launch(launcher: Launcher, job: Job, plan: LaunchPlan) -> RunHandle:
    """Take the lock of a run whose directory is there, write its first event, and submit it."""
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


def until_sigterm(ready: str, then: str, beside: str = "sleep 600") -> str:
    """A text for `shell` that starts `beside`, does `ready`, stays until SIGTERM, and then does `then`.

    It starts no program while it stays: dash 0.5.12 loses a signal that comes while it does (its handler looks away as long as
    `vforked` is set; 264 of 1500 by hand).
    """
    return f"trap '{then}' TERM; {beside} & {ready}; while :; do wait; done"


def until_up(*ranks: int) -> str:
    """A text for `shell` that stays until each of these ranks has made its `outputs/up<rank>`."""
    return f"until {' && '.join(f'[ -e outputs/up{rank} ]' for rank in ranks)}; do sleep 0.1; done"


def unique_sleep() -> str:
    """A command that sleeps for years, and that no other process of this machine has."""
    return f"sleep {600_000_000 + int.from_bytes(os.urandom(3), 'big')}"


def is_running(command: str) -> bool:
    """Whether a process has this command line, in whatever pid namespace it is."""
    wanted = command.replace(" ", "\0").encode() + b"\0"
    return any(_command_line(pid) == wanted for pid in filter(str.isdigit, os.listdir("/proc")))


def _command_line(pid: str) -> bytes:
    try:
        return Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return b""


def wait_until(claim: Any, what: str) -> None:
    """Return when `claim()` holds; fail when it does not within PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)


def states(handle: RunHandle) -> list[str]:
    """All states so far."""
    return [event["state"] for event in events.read(handle.paths)]


def last(handle: RunHandle) -> dict[str, Any]:
    """The event that says the state."""
    found = events.last(handle.paths)
    assert found is not None
    return found


def output(handle: RunHandle, rank: int = 0) -> str:
    """What a rank has written so far."""
    with open(handle.paths.log(rank), encoding="utf-8") as stream:
        return stream.read()
