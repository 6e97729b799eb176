"""Sends one batch script, exactly once.

A lost reply is looked up before anything is sent again.
"""

from __future__ import annotations

import re
import time

from trainconf.errors import ConfigError, LaunchError
from trainconf.launchers.slurm import limits as slurm_limits
from trainconf.launchers.slurm import refusal as slurm_refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from trainconf.launchers.slurm.commands import Controller
    from trainconf.process import Completed

SENDS = 3
LOOKS_S = (0.2, 1.0, 2.0)  # pauses between the looks for a job whose reply was lost: the controller may still be at it
_REPLY = re.compile(r"^(\d+)(?:;(\S+))?$", re.MULTILINE)
# Slurm says so when nobody knows whether the job was taken (slurm_errno.c); any other refusal is one.
_UNCERTAIN = re.compile(r"timed out|[Uu]nable to contact|[Zz]ero [Bb]ytes|[Cc]ommunication|[Tt]ransport|Connection re|temporarily|Protocol")


class Sent:
    """A job that Slurm has. `job_id` is None when it may have it: nobody has answered yet."""

    __slots__ = ("cluster", "job_id")

    def __init__(self, job_id: str | None, cluster: str = "") -> None:
        self.job_id = job_id
        self.cluster = cluster


class _Refused(Exception):
    """What Slurm said."""


def send(controller: Controller, batch: Mapping[str, Any], secrets: Mapping[str, str]) -> Sent:
    """Submit; secrets are only ever in the environment. Raises ConfigError for what Slurm refuses, LaunchError without a client."""
    try:
        return _send(controller, batch, secrets)
    except _Refused as refused:
        raise slurm_refusal.refusal(controller, batch, str(refused)) from None


def send_where_there_is_room(controller: Controller, batch: Mapping[str, Any], secrets: Mapping[str, str]) -> Sent | str:
    """As `send`; what Slurm says when it would take the job once others have ended."""
    try:
        return _send(controller, batch, secrets)
    except _Refused as refused:
        if slurm_refusal.NO_ROOM.search(str(refused)):
            return str(refused)
        raise slurm_refusal.refusal(controller, batch, str(refused)) from None


def _send(controller: Controller, batch: Mapping[str, Any], secrets: Mapping[str, str]) -> Sent:
    slurm_limits.check(controller, batch)
    for _ in range(SENDS):
        done = _sbatch(controller, batch, secrets)
        reply = _REPLY.findall(done.text()) if done.ok else []
        if reply:
            return Sent(*reply[-1])
        if not done.ok and not _UNCERTAIN.search(_said(done)) and _said(done):
            raise _Refused(_said(done))
        found = _look_up(controller, batch)
        if found is None:
            return Sent(None)
        if found:
            return Sent(found[0])
    raise LaunchError(
        f"Slurm did not take the job, asked {SENDS} times", ("said", _said(done) or "nothing"),
        hint="`scontrol ping` tells whether it is up",
    )


def _sbatch(controller: Controller, batch: Mapping[str, Any], secrets: Mapping[str, str]) -> Completed:
    from trainconf.launchers.slurm.commands import SUBMIT_SECONDS

    done = controller.call(*batch["argv"], input=batch["script"].encode("utf-8", "surrogateescape"), env=secrets, timeout_s=SUBMIT_SECONDS)
    if not done.found:
        raise no_client()
    return done


def no_client() -> ConfigError:
    """There is no sbatch here."""
    return ConfigError("compute=slurm needs Slurm's client commands, and sbatch was not found on PATH",
                       hint="submit from a login node of the cluster; `trainconf doctor` tells what works here")  # fmt: skip


def _look_up(controller: Controller, batch: Mapping[str, Any]) -> list[str] | None:
    """The job whose reply was lost: by its name and comment, which no other has. None when nobody answers."""
    found: list[str] | None = None
    for pause_s in LOOKS_S:
        time.sleep(pause_s)
        found = controller.find(batch["job_name"], batch["comment"])
        if found:
            break
    return found


def _said(done: Completed) -> str:
    text = (done.stderr + b"\n" + done.stdout).decode("utf-8", "replace")
    lines = (re.sub(r"^sbatch: (error: )?(Batch job submission failed: )?", "", line) for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("Try "))
