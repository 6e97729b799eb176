"""Puts an agent into a real Slurm job by hand: what a launcher would write, and no launcher. For tests of the job's side."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from trainconf import files
from trainconf.history import events
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.protocol import Job
from trainconf.paths import RunPaths
from trainconf.testing.runs import make_run_dir

AGENT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "trainconf", "agent", "__main__.py")
PATIENCE_S = 240.0
sent: list[RunPaths] = []  # runs whose jobs the fixture `no_job_is_left` ends


def slurm(*words: str) -> str:
    """What one of Slurm's programs answers."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def agent_line(*words: str) -> str:
    """The last line of a batch script."""
    return "exec " + shlex.join([sys.executable, "-I", "-S", "-Xutf8=0", AGENT, *words])


def stage(job: Job, plan: dict[str, Any] | None = None, **batch: Any) -> RunPaths:
    """A run directory with a plan that says it belongs to Slurm; `plan` is what else is special about it."""
    make_run_dir(job)
    batch = {"requeue": "never", "lead_seconds": 0, **batch}
    plan = LocalLauncher().plan(job).to_dict() | {"target": "slurm", "slots": None, "batch": batch, **(plan or {})}
    files.write_atomic(job.paths.plan, json.dumps(plan), durable=False)
    events.append(job.paths, "NotStarted")
    sent.append(job.paths)
    return job.paths


def sbatch(paths: RunPaths, *options: str, setup: str = "", run_dir: str = "") -> str:
    """Send it; the job's id."""
    script = f"#!/bin/sh\n{setup}\n{agent_line(run_dir or paths.run_dir)}\n"
    output = "--output=" + paths.agent_log.replace("%", "%%")
    command = ["sbatch", "--parsable", "--open-mode=append", output, f"--job-name={paths.run_id}", *options]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def wait_state(paths: RunPaths, state: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
    """The event that says so, once there is one; a final state instead fails at once."""

    def found() -> dict[str, Any] | None:
        latest = events.last(paths)
        if latest is not None and latest["state"] in events.TERMINAL and latest["state"] != state:
            raise AssertionError(f"{latest}\n{log(paths)}")
        return next((event for event in reversed(events.read(paths)) if event["state"] == state), None)

    event: dict[str, Any] = until(found, f"{state} of {paths.run_id}", patience_s, lambda: f"{events.read(paths)}\n{log(paths)}")
    return event


def until(claim: Callable[[], Any], what: str, patience_s: float = PATIENCE_S, told: Callable[[], str] = str) -> Any:
    """What `claim` answers once that is true of it."""
    end = time.monotonic() + patience_s
    while True:
        found = claim()
        if found:
            return found
        assert time.monotonic() < end, f"waited in vain for {what}: {told()}"
        time.sleep(0.05)


def log(paths: RunPaths) -> str:
    """What the agent, and Slurm, said."""
    try:
        with open(paths.agent_log, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def slurm_state(job_id: str) -> str:
    """As Slurm has it; empty when it has forgotten the job."""
    done = subprocess.run(["scontrol", "show", "job", "-o", job_id], capture_output=True, text=True, check=False, timeout=300)
    return done.stdout.partition("JobState=")[2].partition(" ")[0]
