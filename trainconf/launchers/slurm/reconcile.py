"""Turns what Slurm says of jobs into the honest states of runs, and records the end that a job could not record itself."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Sequence

from trainconf import files
from trainconf.agent import job_folders
from trainconf.history import events, left_processes, liveness, record
from trainconf.history.liveness import State
from trainconf.launchers.slurm import job_states
from trainconf.launchers.slurm.clusters import Clusters
from trainconf.launchers.slurm.commands import Job
from trainconf.launchers.slurm.job_states import Ending
from trainconf.launchers.slurm.queue_cache import FORGOTTEN_S, QueueCache
from trainconf.launchers.slurm.script import is_job_of
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SILENT_AGENT_S = 30.0  # after which a running job whose agent has written nothing is worth a remark
LOG_LINES = 3
WAITING = ("NotStarted", "Queued")
WITH_AGENT = ("Starting", "Running", "Finalizing")  # recorded states that only an agent writes, which then holds the run's lock


def reconcile(clusters: Clusters, runs: Sequence[tuple[RunPaths, State]], *, at_once: bool = False) -> list[State]:
    """The states of runs and sweeps, whose recorded ones these are: one question for all of a workspace and cluster."""
    found: dict[int, State] = {}
    by_queue: dict[tuple[str, str], list[int]] = {}
    for index, (paths, state) in enumerate(runs):
        conf = (state.scheduler or {}).get("conf") or clusters.conf
        if os.path.exists(paths.sweep):
            found[index] = reconcile_sweep(paths, lambda trials: reconcile(clusters, trials))
        elif not clusters.knows(conf):
            why = f"as recorded; this shell knows another cluster: if the run is yours, export SLURM_CONF={shlex.quote(conf)}"
            found[index] = _unanswered(state, why)
        else:
            by_queue.setdefault((paths.workspace.root, conf), []).append(index)
    for key, indices in by_queue.items():
        some = [runs[index] for index in indices]
        found |= zip(indices, reconcile_jobs(clusters.queue(*key), some, at_once=at_once), strict=True)
    return [found[index] for index in range(len(runs))]


def reconcile_sweep(home: RunPaths, reconcile_trials: Callable[[list[tuple[RunPaths, State]]], list[State]]) -> State:
    """The state of a sweep: it runs from its first trial on, is over when each of them is, and lost when only lost ones are left."""
    from trainconf.agent.pool import end_sweep  # half of the agent, which `ls` does without
    from trainconf.history.find import trials_of
    from trainconf.history.follow import has_ended

    state = liveness.state_of(home)
    if state.scheduler is None:
        return state
    trials = [(paths, liveness.state_of(paths)) for paths in trials_of(home)]
    open_trials = [(paths, found) for paths, found in trials if not found.is_final]
    if state.status in WAITING and any(found.is_final or found.status in WITH_AGENT for _, found in trials):
        state = State("Running", "", state.event, state.scheduler)  # nobody has written it: the jobs know of their own trials alone
    of_slurm = [run for run in open_trials if run[1].scheduler is not None]
    states = reconcile_trials(of_slurm) if of_slurm else []
    if len(of_slurm) < len(open_trials) or not all(has_ended(found) for found in states):
        silent = next((found for found in states if found.is_unanswered), None)
        return state if silent is None else _unanswered(state, silent.reason)
    lost = [paths.run_id for (paths, _), found in zip(of_slurm, states, strict=True) if not found.is_final]
    if lost:
        names = ", ".join(lost[:3]) + " …" * (len(lost) > 3)
        return State("NotResponding", f"nobody can tell how {names} ended", state.event, state.scheduler)
    end_sweep(home)
    return liveness.state_of(home)


def reconcile_jobs(queue: QueueCache, runs: Sequence[tuple[RunPaths, State]], *, at_once: bool = False) -> list[State]:
    """The states of runs of one cluster, whose recorded ones these are."""
    job_ids = {str(state.scheduler["job_id"]) for _, state in runs if state.scheduler and state.scheduler["job_id"]}
    lost = {str(state.scheduler["job_id"]) for _, state in runs if state.scheduler and state.status in WITH_AGENT}
    queue.refresh(job_ids, {_owner(paths) for paths, _ in runs}, lost=lost, at_once=at_once)
    return [_state(queue, paths, state) for paths, state in runs]


def _state(queue: QueueCache, paths: RunPaths, recorded: State) -> State:
    if recorded.scheduler and recorded.scheduler["job_id"] == "":
        return _unsent_trial(paths, recorded)
    pool_job = None if events.has_begun(recorded.event) else pool_job_of(paths)
    given = None if pool_job is None else _given(queue, paths, recorded, pool_job)
    if given is not None:
        return given
    job_id, job = _job_of(queue, paths, recorded)
    if job is None and not job_id and is_being_sent(paths):
        return _noted(recorded, "it is being sent to Slurm")
    if queue.silent_since is not None:
        return _unanswered(recorded, f"as recorded; Slurm does not answer since {_clock(queue.silent_since)}")
    if job is None:
        return _unknown(queue, paths, recorded, job_id)
    if job_states.state_of(job) in job_states.WAITING:
        status = recorded.status if recorded.status == "CancelRequested" else "Queued"
        return State(status, job_states.why_waiting(job_id, job), recorded.event, recorded.scheduler)
    if job_states.needs_exit_code(job):
        return _noted(recorded, f"job {job_id} is over, and Slurm has not told yet how it ended")
    if job_states.is_over(job):
        return _record_end(paths, recorded, job_id, job)
    return _running(queue, paths, recorded, job_id, job)


def _given(queue: QueueCache, paths: RunPaths, recorded: State, pool_job: RunPaths) -> State | None:
    """The state of a trial that its job had not begun; None where the job's own end, or that it waits, is the trial's.

    A job that ended by itself before its agent began would not fare better as another one.
    """
    is_left = takes_no_more(pool_job)
    if not is_left and files.is_locked(pool_job.lock):
        return recorded
    _, job = _job_of(queue, paths, recorded)
    if job is not None and job_states.is_over(job):
        was_there = any("agent" in event for event in events.read(pool_job))
        is_left = was_there or job_states.state_of(job) in job_states.TAKEN_AWAY
    if not is_left:
        return None
    latest = liveness.state_of(paths)
    if latest.is_final or events.has_begun(latest.event):  # it did, just before its end
        return latest
    home = home_of(paths)
    why = f"its job ended before it began this trial; the controller of {home.run_id} gives it to another one"
    return State("NotResponding", why, recorded.event, recorded.scheduler)


def _job_of(queue: QueueCache, paths: RunPaths, recorded: State) -> tuple[str, Job | None]:
    """The run's job: by its number, or, when that never reached the submitter, by the comment no other job has."""
    assert recorded.scheduler is not None
    job_id = recorded.scheduler["job_id"]
    if job_id is None:
        comment = _comment(paths)
        return next(((number, job) for number, job in queue.jobs.items() if comment and job.owner_word == comment), ("", None))
    job = queue.jobs.get(str(job_id))
    # numbers begin anew when a controller loses its state
    return str(job_id), job if job is not None and is_job_of(job.owner_word, paths.run_id) else None


def _unsent_trial(paths: RunPaths, recorded: State) -> State:
    """A trial without a job. Its sweep's folder tells whether there will be one."""
    home = home_of(paths)
    if files.is_locked(home.trials):
        return _noted(recorded, "its sweep is being sent to Slurm")
    if liveness.scheduler_of(home):
        sends = f"`trainconf wait {home.run_id}` sends it when there is room, and so does a job of the sweep that ends"
        return _noted(recorded, f"not sent yet, for Slurm took no more jobs; {sends}")
    if files.is_locked(home.lock):
        return _noted(recorded, "its sweep is being made")
    why = "its submitter was ended before the sweep was whole, so no job has it or will have it; `trainconf cancel` ends it"
    return State("NotResponding", why, recorded.event, recorded.scheduler)


def home_of(paths: RunPaths) -> RunPaths:
    """The folder of a trial's sweep; of a run of its own a folder that is not there."""
    parent = record.read_mapping(paths.record).get("parent")
    return RunPaths(os.path.join(os.path.dirname(paths.run_dir), str(parent or "")))


def is_being_sent(paths: RunPaths) -> bool:
    """Whether somebody waits for sbatch's answer: about this run, or about the sweep that it is, or is in."""
    return any(files.is_locked(lock) for lock in (paths.plan, paths.trials, home_of(paths).trials))


def batch_of(paths: RunPaths) -> dict[str, Any]:
    """What was sent for a run, or for the job that has it beside other trials. Raises OSError, ValueError, TypeError, KeyError."""
    batch: dict[str, Any] = files.read_json(paths.plan)["batch"]
    if "task" in batch:
        return dict(files.read_json(home_of(paths).plan)["batch"])
    pool_job = pool_job_of(paths)
    return batch if pool_job is None else dict(files.read_json(pool_job.plan)["batch"])


def pool_job_of(paths: RunPaths) -> RunPaths | None:
    """The folder of the job that a trial was given to, where jobs are given trials one by one; None of any other run."""
    batch = record.read_plan(paths).get("batch")
    number = batch.get("pool_job") if isinstance(batch, dict) else None
    home = home_of(paths)
    return home.pool_job(number) if type(number) is int and os.path.exists(home.sweep) else None


def takes_no_more(pool_job: RunPaths) -> bool:
    """Whether such a job begins nothing of what it was given any more."""
    return (events.last(pool_job) or {}).get("state") in ("Finalizing", *events.TERMINAL)


def given_to(pool_job: RunPaths) -> list[RunPaths]:
    """The trials that such a job was given."""
    lines = files.read_lines(pool_job.trials)
    return [RunPaths(line["run_dir"]) for line in lines if isinstance(line, dict) and isinstance(line.get("run_dir"), str)]


def _comment(paths: RunPaths) -> str:
    try:
        return str(batch_of(paths)["comment"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def _unknown(queue: QueueCache, paths: RunPaths, recorded: State, job_id: str) -> State:
    """Slurm answers, and does not know the job. That may be for a moment, between a submission and the next question."""
    since = queue.missing_since.get(job_id, _last_time(recorded))
    if queue.asked - since < FORGOTTEN_S:
        return recorded
    why = f"Slurm does not know job {job_id} any more, and no accounting tells how it ended" if job_id else "Slurm never got its job"
    if recorded.status == "CancelRequested":
        return _record(paths, recorded, Ending("Canceled", None, f"{events.why_canceled(paths)}; {why}"))
    why += f"; it was last recorded as {recorded.status}, at {recorded.event.get('time')}; `trainconf cancel` ends it"
    return State("NotResponding", why, recorded.event, recorded.scheduler)


def _running(queue: QueueCache, paths: RunPaths, recorded: State, job_id: str, job: Job) -> State:
    if recorded.status not in ("NotStarted", "Queued") or any("agent" in event for event in events.read(paths)):
        return recorded
    if queue.now() - _last_time(recorded) < SILENT_AGENT_S:
        return recorded
    says = f"Slurm says that job {job_id} is {job.state} on {job.nodes}"
    return _noted(recorded, f"{says}, but its agent has written nothing here: is the run's folder seen there?")


def _record_end(paths: RunPaths, recorded: State, job_id: str, job: Job) -> State:
    left = left_processes.left_of(paths.run_dir)
    if left:  # agent and watchdog were killed together, and Slurm knows no other processes of the job
        pids = ", ".join(map(str, sorted(left)))
        why = f"job {job_id} is over in Slurm, but the run still runs here as pid {pids}: `trainconf cancel` ends it"
        return State("NotResponding", why, recorded.event, recorded.scheduler)
    history = events.read(paths)
    is_canceled = any(event["state"] == "CancelRequested" for event in history)
    ending = job_states.ending(
        job_id, job, paths.run_dir, canceled=events.why_canceled(paths) if is_canceled else "",
        agent_was_seen=any("agent" in event for event in history), log=_log(paths),
    )
    return _record(paths, recorded, ending)


def _record(paths: RunPaths, recorded: State, ending: Ending) -> State:
    """Make it the run's last event, if nobody else holds the run and the disk lets us; it is the answer in any case."""
    lock = files.FileLock(liveness.lock_of(paths))
    facts = {"exit_code": ending.exit_code, "reason": ending.reason}
    try:
        if not lock.acquire(blocking=False):
            return recorded  # its agent is there after all
        latest = events.last(paths)
        if latest is not None and latest["state"] in events.TERMINAL:
            return State(latest["state"], str(latest.get("reason") or ""), latest)
        facts |= job_folders.put_away_later(paths, ending.state)
        events.append(paths, ending.state, int(recorded.event.get("attempt", 1)), **facts)
    except OSError:
        return State(ending.state, ending.reason, {**recorded.event, "state": ending.state, **facts})
    finally:
        lock.release()
    return liveness.state_of(paths)


def _log(paths: RunPaths) -> str | None:
    """The last lines of the job's log: of its script, `setup` lines included, or of the node. None when no node could begin one here."""
    home = home_of(paths)
    for log in (paths.agent_log, *([home.agent_log] if os.path.exists(home.sweep) else [])):  # the trials of a pack are one job
        try:
            with open(log, "rb") as stream:
                lines = stream.read()[-4096:].decode("utf-8", "replace").strip().splitlines()
        except OSError:
            continue
        return " / ".join(line.strip() for line in lines[-LOG_LINES:])
    return None


def _noted(recorded: State, note: str) -> State:
    return State(recorded.status, note, recorded.event, recorded.scheduler)


def _unanswered(recorded: State, why: str) -> State:
    return State(recorded.status, why, recorded.event, recorded.scheduler, is_unanswered=True)


def _last_time(recorded: State) -> float:
    return events.seconds(recorded.event.get("time")) or 0.0


def _owner(paths: RunPaths) -> int:
    """Whose job it is: whoever submitted it wrote its first event."""
    try:
        return os.stat(paths.events).st_uid
    except OSError:
        return os.getuid()


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
