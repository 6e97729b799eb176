"""Controls a sweep from inside a scheduler's job, which goes back into the queue when its time is up or it is preempted."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress

from trainconf.agent.nodes.slurm_job import SlurmJob
from trainconf.agent.plan import Batch
from trainconf.errors import LaunchError
from trainconf.history.record import read_mapping
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import Reporter
from trainconf.sweeps.resuming import ResumedSweep

PROGRAMS = ("sbatch", "squeue", "scancel")  # that send trials, look at them and end them
PATIENCE_SECONDS = 600.0  # with whoever makes the sweep and keeps its lock until all is sent
ALWAYS = 1 << 30


def carry_out(home: RunPaths, workspace: WorkspacePaths, reporter: Reporter, tell: Callable[[ResumedSweep], None]) -> bool:
    """Control the sweep until it has ended, or the job is ended; whether it has ended. `tell` shows a sweep to its end.

    Raises LaunchError where this machine cannot call the scheduler, StorageError when somebody else controls the sweep.
    """
    job = _job(home, os.environ)
    sweep: ResumedSweep | None = None
    try:
        sweep = ResumedSweep(home, workspace, reporter, job_id=job.job_id, patience_s=PATIENCE_SECONDS)
        _check_programs(sweep, home)
        if sweep.go_on():
            sweep.poll()  # what was asked for meanwhile opens a sweep again
            tell(sweep)
        return True
    except KeyboardInterrupt:  # SIGTERM: whatever is half done is what a killed controller leaves
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Slurm sends it to a requeued job, too, whose requeue may not have answered
        _leave(sweep, job, reporter)
        return False


def leave(home: RunPaths, reporter: Reporter) -> None:
    """Leave for a command that was ended before it began to `carry_out`: the job goes back into the queue where it would have put it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _leave(None, _job(home, os.environ), reporter)


def _job(home: RunPaths, environ: Mapping[str, str]) -> SlurmJob:
    batch = read_mapping(home.controller_job)
    conf = batch.get("cluster", {}).get("conf")
    if conf:  # the cluster as whoever sent this job named it: a node may have another name for it
        os.environ["SLURM_CONF"] = str(conf)
    lead = float(batch.get("lead_seconds") or 0.0)
    return SlurmJob(environ, Batch(requeue="always", max_requeues=ALWAYS, lead_seconds=lead), 0.0)


def _check_programs(sweep: ResumedSweep, home: RunPaths) -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        node = os.uname().nodename
        sweep.leave(f"{node} has no {', '.join(missing)}")
        raise LaunchError(f"a job on {node} cannot control the sweep, because {', '.join(missing)} is not on its PATH",
                          hint=f"on a login node: trainconf sweep resume {home.run_id} sweep.controller=detached")


def _leave(sweep: ResumedSweep | None, job: SlurmJob, reporter: Reporter) -> None:
    end = job.why_ending("SIGTERM")
    with suppress(OSError):  # on a full disk the job goes on all the same
        if sweep is not None:  # else it still waits for the sweep
            sweep.leave(end.reason)
    refusal = job.requeue() if end.may_requeue else "it is not wanted any more"
    reporter.info(f"{end.reason}: " + (f"the job does not go on: {refusal}" if refusal else "the job goes on after a while in the queue"))
