"""Keeps jobs of a sweep that wait from beginning while it is paused (scontrol(1), uhold), and lets them go. Those that have begun go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainconf import files
from trainconf.errors import LaunchError
from trainconf.history import liveness
from trainconf.launchers.slurm.clusters import Clusters
from trainconf.launchers.slurm.commands import Controller, in_chunks
from trainconf.launchers.slurm.reconcile import batch_of
from trainconf.launchers.slurm.script import is_job_of
from trainconf.paths import RunPaths

HELD_PRIORITY = "0"  # squeue(1), %Q: of a job that somebody holds


def hold(known: Clusters, trials: Sequence[RunPaths], *, is_held: bool) -> None:
    """Hold the jobs of these trials, or release them; whole arrays, as far as their tasks wait. Raises LaunchError when some are not."""
    by_cluster: dict[str, dict[str, str]] = {}  # run id by array or job, of each configuration
    for paths in trials:
        scheduler = liveness.scheduler_of(paths)
        if scheduler and scheduler["job_id"] != "":  # else it was not sent, and is not while the sweep is paused
            job = str(scheduler["job_id"] or "").partition("_")[0] or _found(known, paths, scheduler.get("conf") or "")
            if job:
                by_cluster.setdefault(scheduler.get("conf") or "", {}).setdefault(job, paths.run_id)
    for conf, jobs in by_cluster.items():
        controller = known.controller(conf)
        wrong = list(_not_yet(controller, jobs, is_held=is_held))
        for some in in_chunks(wrong):  # user's hold, also by root: whoever has submitted the sweep may release it
            controller.call("scontrol", "uhold" if is_held else "release", ",".join(some))
        left = list(_not_yet(controller, jobs, is_held=is_held)) if wrong else []
        if left:
            raise _not_told(f"it did not {'hold' if is_held else 'release'} {', '.join(left[:3])}")


def _not_yet(controller: Controller, jobs: dict[str, str], *, is_held: bool) -> Iterator[str]:
    """Those jobs of which something waits and is not held, or is held. A run's folder can claim any number: only its own ones."""
    rows = controller.squeue("%F|%T|%Q|%k", job_ids=sorted(jobs))
    if rows is None:
        raise _not_told("it does not answer")
    yield from sorted({
        job for job, state, priority, comment in rows
        if state == "PENDING" and (priority == HELD_PRIORITY) != is_held and job in jobs and is_job_of(comment, jobs[job])
    })  # fmt: skip


def _found(known: Clusters, paths: RunPaths, conf: str) -> str:
    """The job of a run whose submitter never heard of its number; "" without one."""
    try:
        batch = batch_of(paths)
    except (OSError, ValueError, TypeError, KeyError):
        return ""
    found = known.controller(conf).find(str(batch["job_name"]), str(batch["comment"]))
    if found is None:
        raise _not_told("it does not answer")
    return found[0] if found else ""


def _not_told(message: str) -> LaunchError:
    return LaunchError("the request is recorded, but Slurm could not be told", ("Slurm says", message), hint="ask again when it answers")


def is_paused(home: RunPaths) -> bool:
    """Whether somebody has paused a sweep, as its journal tells: nothing more of it is sent then."""
    deeds = [line["deed"] for line in files.read_lines(home.journal) if isinstance(line, dict) and line.get("deed") in ("pause", "resume")]
    return deeds[-1:] == ["pause"]
