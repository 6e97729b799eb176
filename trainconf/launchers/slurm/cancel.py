"""Ends runs and jobs on Slurm: a waiting job is taken out of the queue; of a running one the agent is told, and does the rest."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from trainconf import files
from trainconf.errors import LaunchError
from trainconf.history import events, follow, left_processes, liveness
from trainconf.history.record import read_plan
from trainconf.launchers.machine.agent_process import grace_of
from trainconf.launchers.machine.local import end_processes
from trainconf.launchers.slurm.clusters import Clusters
from trainconf.launchers.slurm.commands import UNKNOWN_ID, Controller, in_chunks
from trainconf.launchers.slurm.reconcile import batch_of, given_to, home_of, is_being_sent, pool_job_of, reconcile
from trainconf.launchers.slurm.script import is_job_of
from trainconf.paths import RunPaths
from trainconf.process import TIMED_OUT

_NO_MISTAKE = (UNKNOWN_ID, "already comp", "No error", "not running", "pending")
_TELL_AGENT = ("--batch", "--signal=USR1")
TRANSITION_S = (0.1, 0.2, 0.5, 1.0, 2.0)
FORCE_SECONDS = 5.0  # for an agent to kill everything and record it, before Slurm kills


def cancel_job(clusters: Clusters, paths: RunPaths, *, force: bool) -> None:
    """End the job of a run whose request to cancel is recorded. Raises LaunchError."""
    scheduler = liveness.scheduler_of(paths)
    if scheduler.get("job_id", "") == "":  # a run, or a trial, that was not sent
        end_unless_held(paths, f"{events.why_canceled(paths)}, before it was sent")
        return
    if not scheduler["job_id"] and is_being_sent(paths):  # whoever sends it looks for requests then
        return
    controller = clusters.controller(scheduler.get("conf") or "")
    job_id = str(scheduler["job_id"] or "")
    if not job_id:
        found = controller.find(*_name_and_comment(paths))
        if found is None:
            raise LaunchError("Slurm does not answer by now; the run is canceled when it does", ("run", paths.run_id))
        if not found:
            end_unless_held(paths, f"{events.why_canceled(paths)}, and Slurm never got its job")
            return
        job_id = found[0]
    own = _own(controller, paths.run_id, [job_id])
    if "_" not in job_id and _shares_job(paths):  # the others in that job shall go on
        if own and not _is_waiting(controller, job_id):  # else its agent looks for requests when it begins
            _scancel(controller, *_TELL_AGENT, job_id)
            return
        pool_job = pool_job_of(paths)
        if pool_job is None or own or not any("agent" in event for event in events.read(paths)):
            if pool_job is not None:
                _end_unbegun(controller, paths, pool_job, own)
            return
    _end(controller, own)
    if "_" in job_id:
        record_taken_out(controller, [(paths, job_id)])
    state = liveness.state_of(paths)
    if state.scheduler is not None:
        reconcile(clusters, [(paths, state)], at_once=True)
    if force and own and not follow.has_ended(follow.wait(paths, time.monotonic() + FORCE_SECONDS)):
        _scancel(controller, job_id)


def _end_unbegun(controller: Controller, paths: RunPaths, pool_job: RunPaths, own: Sequence[str]) -> None:
    """End a trial whose job waits in the queue, or is gone; and that job, when it has no other."""
    end_unless_held(paths, f"{events.why_canceled(paths)}, before it began")
    if all((events.last(run) or {"state": "Canceled"})["state"] in events.TERMINAL for run in given_to(pool_job)):
        for job_id in own:
            _scancel(controller, "--state=PENDING", job_id)
        end_unless_held(pool_job, "every trial that it was given was canceled")


def end_jobs(controller: Controller, run_id: str, job_ids: Sequence[str], *, force: bool = False) -> None:
    """End those of these jobs that belong to the run; with `force` Slurm kills them. Raises LaunchError."""
    own = _own(controller, run_id, job_ids)
    _end(controller, own)
    for some in in_chunks(own) if force else ():
        _scancel(controller, *some)


def _end(controller: Controller, job_ids: Sequence[str]) -> None:
    # Slurm 22.05 takes all waiting tasks of an array away when it is asked for one of them by its state
    tasks, jobs = [job_id for job_id in job_ids if "_" in job_id], [job_id for job_id in job_ids if "_" not in job_id]
    for some in in_chunks(jobs):
        _scancel(controller, "--state=PENDING", *some)
        _scancel(controller, *_TELL_AGENT, *some)
    for task in tasks:
        _scancel(controller, *(() if _is_waiting(controller, task) else _TELL_AGENT), task)


def end_left_here(paths: RunPaths, *, force: bool) -> None:
    """End what is left on this machine of a run without supervision: its agent and its watchdog were killed together."""
    if files.is_locked(liveness.lock_of(paths)) or not left_processes.left_of(paths.run_dir):
        return
    events.request_cancel(paths, force=force)  # of a sweep in one job only the sweep has the request by now
    end_processes(paths.run_dir, 0.0 if force else grace_of(paths))


def end_unless_held(paths: RunPaths, reason: str) -> None:
    """Record that a run was canceled, unless its agent is there, or it has ended meanwhile."""
    lock = files.FileLock(liveness.lock_of(paths))
    if lock.acquire(blocking=False):
        try:
            latest = events.last(paths)
            if latest is None or latest["state"] not in events.TERMINAL:
                events.append(paths, "Canceled", 1 if latest is None else int(latest["attempt"]), exit_code=None, reason=reason)
        finally:
            lock.release()


def record_taken_out(controller: Controller, trials: Sequence[tuple[RunPaths, str]]) -> None:
    """Record the end of canceled trials without a task in Slurm: it forgets at once a task that never began."""
    arrays = sorted({job_id.partition("_")[0] for _, job_id in trials if job_id})
    rows = controller.squeue("%i|%T", "--array", job_ids=arrays)
    if rows is None:
        return
    there = {job_id for job_id, state in rows if state != "CANCELLED"}
    for paths, job_id in trials:
        if job_id not in there and (latest := events.last(paths)) is not None and latest["state"] not in events.TERMINAL:
            end_unless_held(paths, f"{events.why_canceled(paths)}, before it began")


def _own(controller: Controller, run_id: str, job_ids: Sequence[str]) -> list[str]:
    """Those of these jobs that Slurm still has, and that are of this run: a run's folder can claim any number. Raises LaunchError."""
    rows = controller.squeue("%F|%k", job_ids=sorted({job_id.partition("_")[0] for job_id in job_ids}))
    if rows is None:
        raise _not_told("it does not answer")
    found = {job_id for job_id, comment in rows if is_job_of(comment, run_id)}
    return [job_id for job_id in job_ids if job_id.partition("_")[0] in found]


def _scancel(controller: Controller, *argv: str) -> None:
    """Raises LaunchError when Slurm cannot be told. A job that has just ended, or has not begun, is no mistake."""
    for pause_s in (*TRANSITION_S, 0.0):
        done = controller.call("scancel", *argv)
        message = done.last_lines(2)
        if done.ok or any(known in message for known in _NO_MISTAKE):
            return
        if message or done.returncode == TIMED_OUT:
            break
        time.sleep(pause_s)  # it fails without a message while the controller is changing the job's state
    raise _not_told(message)


def _not_told(message: str) -> LaunchError:
    return LaunchError("the request is recorded, but Slurm could not be told", ("Slurm says", message or "nothing"),
                       hint="`trainconf cancel` again when it answers")


def _is_waiting(controller: Controller, job_id: str) -> bool:
    return any(state == "PENDING" for _, state in controller.squeue("%i|%T", job_ids=[job_id]) or ())


def _shares_job(paths: RunPaths) -> bool:
    """Whether the run is a trial in a job that has others, too. One that was resumed has a job of its own."""
    batch = read_plan(paths).get("batch")
    return isinstance(batch, dict) and not batch.keys().isdisjoint({"task", "pool_job"}) and os.path.exists(home_of(paths).sweep)


def _name_and_comment(paths: RunPaths) -> tuple[str, str]:
    """Of a run's job. Raises LaunchError when its plan cannot tell."""
    try:
        batch = batch_of(paths)
        return str(batch["job_name"]), str(batch["comment"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LaunchError("the run's plan does not tell which job it is", ("from", paths.plan)) from error
