"""Says what a state of a Slurm job means for its run. Pure.

Only a job that is over ends a run here, and only when the run's own events do not say how: its agent always knows better.
"""

from __future__ import annotations

import pwd
import re

from trainconf.fast.records import Record
from trainconf.launchers.slurm.commands import Job

# squeue(1), JOB STATE CODES. What is in neither set runs, or is on its way out.
OVER = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"}
WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
# Ended by others, so that the same job may fare better another time.
TAKEN_AWAY = {"BOOT_FAIL", "CANCELLED", "NODE_FAIL", "PREEMPTED", "REVOKED"}
TOLD_BY_EXIT_CODE = {"COMPLETED", "FAILED"}  # only the exit code says how such a job ended
NOBODY_KNOWS = "?"  # in place of an exit code that neither the controller nor the accounting has
CANNOT_OPEN_OUTPUT = 53  # slurmstepd's code, as a signal, when the job's output file cannot be made on the node
OUT_OF_MEMORY_CODE = 137
# What slurmstepd writes into the job's log where Slurm itself watches its memory (slurm.conf(5), OverMemoryKill); the job is then FAILED.
EXCEEDED = r"exceeded memory limit \((\d+) > (\d+)\), being killed"
TIME_LIMIT_CODE = 124
HELD = "JobHeldUser"  # by its owner, or for its owner by `sweep pause`
NEVER = {  # reasons (squeue(1), JOB REASON CODES) for which a job waits in vain until somebody changes something
    "PartitionTimeLimit", "PartitionNodeLimit", "PartitionConfig", "BadConstraints", "DependencyNeverSatisfied", "JobHeldAdmin",
    "QOSMaxWallDurationPerJobLimit", "AssociationTimeLimit", "InvalidAccount", "InvalidQOS", "AccountNotAllowed",
}


class Ending(Record):
    """How a run ended that could not say so itself."""

    state: str
    exit_code: int | None
    reason: str


def is_over(job: Job) -> bool:
    return state_of(job) in OVER


def state_of(job: Job) -> str:
    """Its state without what sacct adds: `CANCELLED by 0`."""
    return job.state.partition(" ")[0].rstrip("+")


def needs_exit_code(job: Job) -> bool:
    """Whether only its exit code can tell how it ended, and that is not known yet."""
    return state_of(job) in TOLD_BY_EXIT_CODE and not job.exit_code


def why_waiting(job_id: str, job: Job) -> str:
    if job.reason == HELD:
        return f"job {job_id} is held in Slurm: `trainconf sweep resume` of a paused sweep lets it begin, else `scontrol release {job_id}`"
    reason = "" if job.reason in ("", "None") else f": {job.reason}"
    in_vain = ", which only a change of the job or of the cluster ends" if job.reason in NEVER else ""
    return f"job {job_id} waits in Slurm{reason}{in_vain}"


def ending(job_id: str, job: Job, run_dir: str, *, canceled: str, agent_was_seen: bool, log: str | None) -> Ending:
    """What to record of a run whose job is over and which recorded no end.

    canceled: why its end was asked for; "" where it was not. log: the last lines of its agent's log, if there is one.
    """
    state = state_of(job)
    on = f" on {job.nodes}" if job.nodes and "None" not in job.nodes else ""
    known = {
        "TIMEOUT": ("Failed", TIME_LIMIT_CODE, f"job {job_id} was ended{on} at its time limit in Slurm"),
        "DEADLINE": ("Failed", TIME_LIMIT_CODE, f"job {job_id} was ended{on} at its deadline in Slurm"),
        "OUT_OF_MEMORY": (
            "Failed", OUT_OF_MEMORY_CODE, f"job {job_id} was ended{on} because it used more memory than Slurm gave it (compute.mem_gib)"),
        "NODE_FAIL": ("Failed", None, f"a node of job {job_id} failed{on}"),
        "BOOT_FAIL": ("Failed", None, f"a node of job {job_id} could not be started{on}"),
        "PREEMPTED": ("Canceled", None, f"job {job_id} was preempted{on} by one of higher priority"),
        "CANCELLED": ("Canceled", None, f"job {job_id} was canceled in Slurm{_by(job)}"),
        "REVOKED": ("Canceled", None, f"job {job_id} was taken over by another cluster of the federation"),
    }
    found = Ending(*known[state]) if state in known else _ended(job_id, job, on, run_dir, agent_was_seen=agent_was_seen, log=log)
    if canceled:
        return Ending("Canceled", found.exit_code, f"{canceled}; {found.reason}")
    return found


def _ended(job_id: str, job: Job, on: str, run_dir: str, *, agent_was_seen: bool, log: str | None) -> Ending:
    """Slurm says COMPLETED or FAILED, and the run's events end before that."""
    code, how = _exit(job.exit_code)
    if agent_was_seen and (over := re.search(EXCEEDED, log or "")):
        used, given = (f"{int(size) / 2**30:.2f} GiB" for size in over.groups())
        why = f"it used {used} of memory, and Slurm gave it {given} (compute.mem_gib)"
        return Ending("Failed", OUT_OF_MEMORY_CODE, f"job {job_id} was ended{on} because {why}")
    if agent_was_seen:
        return Ending("Failed", code or None, f"job {job_id} ended{on} {how}, before its agent could record how the run ended")
    if log is not None and job.exit_code != f"0:{CANNOT_OPEN_OUTPUT}":
        message = f": {log}" if log else ", and said nothing"
        return Ending("Failed", code or None, f"job {job_id} ended{on} {how}, before its agent began{message}")
    silent = f"job {job_id} ended{on} without a word here"
    return Ending("Failed", None, f"{silent}: the run's folder is not seen there, or cannot be written to: {run_dir!r}")


def _exit(text: str) -> tuple[int | None, str]:
    """`code:signal` as the exit code that a shell would give, and in words."""
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if match is None:
        return None, "for reasons that Slurm does not tell"
    code, number = int(match[1]), int(match[2])
    return (128 + number, f"by signal {number}") if number else (code, f"with exit code {code}")


def _by(job: Job) -> str:
    """Who canceled it: sacct has their uid, squeue does not."""
    uid = job.state.partition(" by ")[2]
    if not uid.isdecimal():
        return ""
    try:
        return f" by {pwd.getpwuid(int(uid)).pw_name}"
    except (KeyError, OverflowError):
        return f" by user {uid}"
