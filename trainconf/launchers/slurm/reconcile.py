"""From what Slurm says of jobs to the honest states of runs; what a job that is over could not record itself is recorded here."""

from __future__ import annotations

import os
import time

from trainconf import files
from trainconf.agent import job_folders
from trainconf.history import events, left_processes, liveness
from trainconf.history.liveness import State
from trainconf.launchers.slurm import job_states as slurm_words
from trainconf.launchers.slurm.queue_cache import FORGOTTEN_S
from trainconf.launchers.slurm.script import is_job_of
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from trainconf.launchers.slurm.commands import Job
    from trainconf.launchers.slurm.queue_cache import Answers

NO_WORD_S = 30.0  # after which a running job whose agent has written nothing is worth a remark
LOG_LINES = 3
WITH_AGENT = ("Starting", "Running", "Finalizing")  # recorded states that only an agent writes, which then holds the run's lock


def settle(answers: Answers, runs: Sequence[tuple[RunPaths, State]], *, at_once: bool = False) -> list[State]:
    """The states of runs of one cluster, whose recorded ones these are."""
    wanted = {str(state.scheduler["job_id"]) for _, state in runs if state.scheduler and state.scheduler["job_id"]}
    lost = {str(state.scheduler["job_id"]) for _, state in runs if state.scheduler and state.status in WITH_AGENT}
    answers.bring_up_to_date(wanted, {_owner(paths) for paths, _ in runs}, lost=lost, at_once=at_once)
    return [_settled(answers, paths, state) for paths, state in runs]


def _settled(answers: Answers, paths: RunPaths, recorded: State) -> State:
    if recorded.scheduler and recorded.scheduler["job_id"] == "":
        return _unsent_trial(paths, recorded)
    job_id, job = _job_of(answers, paths, recorded)
    if job is None and not job_id and is_being_sent(paths):
        return _noted(recorded, "it is being sent to Slurm")
    if answers.silent_since is not None:
        return _noted(recorded, f"as recorded; Slurm does not answer since {_clock(answers.silent_since)}")
    if job is None:
        return _unknown(answers, paths, recorded, job_id)
    if slurm_words.state_of(job) in slurm_words.WAITING:
        status = recorded.status if recorded.status == "CancelRequested" else "Queued"
        return State(status, slurm_words.waiting(job_id, job), recorded.event, recorded.scheduler)
    if slurm_words.needs_exit_code(job):
        return _noted(recorded, f"job {job_id} is over, and Slurm has not told yet how it ended")
    if slurm_words.state_of(job) in slurm_words.OVER:
        return _record_end(paths, recorded, job_id, job)
    return _running(answers, paths, recorded, job_id, job)


def _job_of(answers: Answers, paths: RunPaths, recorded: State) -> tuple[str, Job | None]:
    """The run's job: by its number, or, when that never reached the submitter, by the comment no other job has."""
    assert recorded.scheduler is not None
    job_id = recorded.scheduler["job_id"]
    if job_id is None:
        comment = _comment(paths)
        return next(((number, job) for number, job in answers.jobs.items() if comment and job.owner_word == comment), ("", None))
    job = answers.jobs.get(str(job_id))
    # numbers begin anew when a controller loses its state
    return str(job_id), job if job is not None and is_job_of(job.owner_word, paths.run_id) else None


def _unsent_trial(paths: RunPaths, recorded: State) -> State:
    """A trial that no job is known of. What its sweep's folder says decides whether there will be one."""
    home = home_of(paths)
    if files.is_locked(home.trials):
        return _noted(recorded, "its sweep is being sent to Slurm")
    if liveness.scheduler_of(home):
        sends = f"`trainconf wait {home.run_id}` sends it when there is room, and so does a job of the sweep that ends"
        return _noted(recorded, f"not sent yet, for Slurm took no more jobs; {sends}")
    if files.is_locked(home.lock):
        return _noted(recorded, "its sweep is being made")
    what = "its submitter was ended before the sweep was whole, so no job has it or will have it"
    return State("NotResponding", f"{what}; `trainconf cancel` ends it", recorded.event, recorded.scheduler)


def home_of(paths: RunPaths) -> RunPaths:
    """The folder of a trial's sweep; of a run of its own a folder that is not there."""
    from trainconf.history import record

    parent = record.read_mapping(paths.record).get("parent")
    return RunPaths(os.path.join(os.path.dirname(paths.run_dir), str(parent or "")))


def is_being_sent(paths: RunPaths) -> bool:
    """Whether somebody waits for sbatch's answer: about this run, or about the sweep that it is, or is in."""
    return any(files.is_locked(lock) for lock in (paths.plan, paths.trials, home_of(paths).trials))


def batch_of(paths: RunPaths) -> dict[str, Any]:
    """What was sent for a run, or for the sweep that has it in one job. Raises OSError, ValueError, TypeError, KeyError."""
    batch: dict[str, Any] = files.read_json(paths.plan)["batch"]
    if "task" not in batch:
        return batch
    return dict(files.read_json(home_of(paths).plan)["batch"])


def _comment(paths: RunPaths) -> str:
    try:
        return str(batch_of(paths)["comment"])
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def _unknown(answers: Answers, paths: RunPaths, recorded: State, job_id: str) -> State:
    """Slurm answers, and does not know the job. That may be for a moment, between a submission and the next question."""
    since = answers.missing_since.get(job_id, _last_word(recorded))
    if answers.asked - since < FORGOTTEN_S:
        return recorded
    what = f"Slurm does not know job {job_id} any more, and no accounting tells how it ended" if job_id else "Slurm never got its job"
    if recorded.status == "CancelRequested":
        return _record(paths, recorded, slurm_words.Ending("Canceled", None, f"cancellation was requested; {what}"))
    said = f"{what}; its last word was {recorded.status} at {recorded.event.get('time')}; `trainconf cancel` ends it"
    return State("NotResponding", said, recorded.event, recorded.scheduler)


def _running(answers: Answers, paths: RunPaths, recorded: State, job_id: str, job: Job) -> State:
    if recorded.status not in ("NotStarted", "Queued") or any("agent" in event for event in events.read(paths)):
        return recorded
    if answers.now() - _last_word(recorded) < NO_WORD_S:
        return recorded
    says = f"Slurm says that job {job_id} is {job.state} on {job.nodes}"
    return _noted(recorded, f"{says}, but its agent has written nothing here: is the run's folder seen there?")


def _record_end(paths: RunPaths, recorded: State, job_id: str, job: Job) -> State:
    left = left_processes.left_of(paths.run_dir)
    if left:  # agent and guard were killed together, and Slurm knows no other processes of the job
        pids = ", ".join(map(str, sorted(left)))
        what = f"job {job_id} is over in Slurm, but the run still runs here as pid {pids}: `trainconf cancel` ends it"
        return State("NotResponding", what, recorded.event, recorded.scheduler)
    history = events.read(paths)
    ending = slurm_words.ending(
        job_id, job, paths.run_dir, cancel_was_requested=any(event["state"] == "CancelRequested" for event in history),
        agent_was_seen=any("agent" in event for event in history), log=_log(paths),
    )  # fmt: skip
    return _record(paths, recorded, ending)


def _record(paths: RunPaths, recorded: State, ending: slurm_words.Ending) -> State:
    """Make it the run's last event, if nobody else holds the run and the disk lets us; it is the answer in any case."""
    lock = files.FileLock(liveness.lock_of(paths))
    facts = {"exit_code": ending.exit_code, "reason": ending.reason}
    try:
        if not lock.acquire(blocking=False):
            return recorded  # its agent is there after all
        latest = events.last(paths)
        if latest is not None and latest["state"] in events.TERMINAL:
            return State(latest["state"], str(latest.get("reason") or ""), latest)
        facts |= job_folders.put_away_later(paths)
        events.append(paths, ending.state, int(recorded.event.get("attempt", 1)), **facts)
    except OSError:
        return State(ending.state, ending.reason, {**recorded.event, "state": ending.state, **facts})
    finally:
        lock.release()
    return liveness.state_of(paths)


def _log(paths: RunPaths) -> str | None:
    """The last words of the batch script, its setup lines included, or of the node about it; None when no node could begin its log here."""
    for log in (paths.agent_log, *_log_of_pack(paths)):
        try:
            with open(log, "rb") as stream:
                lines = stream.read()[-4096:].decode("utf-8", "replace").strip().splitlines()
        except OSError:
            continue
        return " / ".join(line.strip() for line in lines[-LOG_LINES:])
    return None


def _log_of_pack(paths: RunPaths) -> list[str]:
    """The trials of a pack are one job, which has one log."""
    home = home_of(paths)
    return [home.agent_log] if os.path.exists(home.sweep) else []


def _noted(recorded: State, note: str) -> State:
    return State(recorded.status, note, recorded.event, recorded.scheduler)


def _last_word(recorded: State) -> float:
    return events.seconds(recorded.event.get("time")) or 0.0


def _owner(paths: RunPaths) -> int:
    """Whose job it is: whoever submitted it wrote its first event."""
    try:
        return os.stat(paths.events).st_uid
    except OSError:
        return os.getuid()


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
