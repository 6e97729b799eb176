"""Sends one batch script exactly once: a lost reply is looked up before anything is sent again."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from trainconf import files
from trainconf.errors import LaunchError, StorageError
from trainconf.fast.records import Record
from trainconf.history import events
from trainconf.launchers.slurm import admission
from trainconf.launchers.slurm.commands import SUBMIT_SECONDS, Controller, no_sbatch
from trainconf.paths import RunPaths
from trainconf.process import Completed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SENDS = 3
LOOK_UP_PAUSES_S = (0.2, 1.0, 2.0)  # before each look for a job whose reply was lost: the controller may still be at it
READER_SECONDS = 0.05  # for a reader that holds the run's lock for a moment; its agent, which may hold it too, is not waited for
_REPLY = re.compile(r"^(\d+)(?:;(\S+))?$", re.MULTILINE)
# Slurm says so when nobody knows whether the job was taken (slurm_errno.c); any other refusal is one.
_UNCERTAIN = re.compile(r"timed out|[Uu]nable to contact|[Zz]ero [Bb]ytes|[Cc]ommunication|[Tt]ransport|Connection re|temporarily|Protocol")


class Sent(Record):
    """A job that Slurm has."""

    job_id: str | None  # None when nobody has answered yet whether Slurm has it
    cluster: str = ""


class _Refused(Exception):
    """Slurm refuses the job; the message is its own."""


def send(controller: Controller, batch: Mapping[str, Any], secrets: Mapping[str, str]) -> Sent:
    """Submit; secrets are only ever in the environment. Raises ConfigError for what Slurm refuses, LaunchError without a client."""
    try:
        return _send(controller, batch, secrets)
    except _Refused as refused:
        raise admission.refusal(controller, batch, str(refused)) from None


def send_where_there_is_room(controller: Controller, batch: Mapping[str, Any], secrets: Mapping[str, str]) -> Sent | str:
    """As `send`; but Slurm's message, when it would take the job once others have ended."""
    try:
        return _send(controller, batch, secrets)
    except _Refused as refused:
        if admission.NO_ROOM.search(str(refused)):
            return str(refused)
        raise admission.refusal(controller, batch, str(refused)) from None


def record_sent(controller: Controller, paths: RunPaths, sent: Sent, scheduler: Mapping[str, Any]) -> None:
    """Record which job a run, or a sweep in one job, has become. Raises StorageError; the job is canceled then."""
    facts: dict[str, Any] = {"waiting_for": "scheduler", "scheduler": {**scheduler, "job_id": sent.job_id, "cluster": sent.cluster}}
    if sent.job_id is None:
        facts["reason"] = "Slurm has not answered; whether it has the job shows when it does"
    try:
        _record_unless_begun(paths, facts)
    except OSError as error:
        if sent.job_id:
            controller.call("scancel", sent.job_id)
        raise StorageError.from_os_error(error, "the job's number cannot be recorded, so it was canceled") from error
    request = events.cancel_request(paths) if sent.job_id else None
    if request is not None and sent.job_id:  # asked for while it was being sent
        from trainconf.launchers.slurm.cancel import end_jobs

        end_jobs(controller, paths.run_id, [sent.job_id], force=bool(request.get("force")))


def _record_unless_begun(paths: RunPaths, facts: dict[str, Any]) -> None:
    """Record that a run waits in a queue, unless its agent has said more by then, or has the run and is about to. Raises OSError."""
    lock = files.FileLock(paths.lock)
    if not _has_begun(paths) and lock.acquire(blocking=False, patience_s=READER_SECONDS):
        try:
            if not _has_begun(paths):
                events.append(paths, "Queued", (events.last(paths) or {}).get("attempt", 1), **facts)
        finally:
            lock.release()


def _has_begun(paths: RunPaths) -> bool:
    return any("agent" in event or event["state"] in events.TERMINAL for event in events.read(paths))


def _send(controller: Controller, batch: Mapping[str, Any], secrets: Mapping[str, str]) -> Sent:
    admission.check(controller, batch)
    for _ in range(SENDS):
        done = controller.call(
            *batch["argv"], input=batch["script"].encode("utf-8", "surrogateescape"), env=secrets, timeout_s=SUBMIT_SECONDS
        )
        if not done.found:
            raise no_sbatch()
        reply = _REPLY.findall(done.text()) if done.ok else []
        if reply:
            return Sent(*reply[-1])
        message = _message(done)
        if not done.ok and message and not _UNCERTAIN.search(message):
            raise _Refused(message)
        found = _look_up(controller, batch)
        if found is None:
            return Sent(None)
        if found:
            return Sent(found[0])
    raise LaunchError(f"Slurm did not take the job, asked {SENDS} times", ("Slurm says", message or "nothing"),
                      hint="`scontrol ping` tells whether it is up")


def _look_up(controller: Controller, batch: Mapping[str, Any]) -> list[str] | None:
    """The job whose reply was lost, by its name and comment, which no other job has. None when nobody answers."""
    found: list[str] | None = None
    for pause_s in LOOK_UP_PAUSES_S:
        time.sleep(pause_s)
        found = controller.find(batch["job_name"], batch["comment"])
        if found:
            break
    return found


def _message(done: Completed) -> str:
    text = (done.stderr + b"\n" + done.stdout).decode("utf-8", "replace")
    lines = (re.sub(r"^sbatch: (error: )?(Batch job submission failed: )?", "", line) for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("Try "))
