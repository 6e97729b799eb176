"""Sends one batch script, exactly once.

What Slurm refuses is told with what it would have taken; a lost reply is looked up before anything is sent again.
"""

from __future__ import annotations

import re
import time

from trainconf.errors import ConfigError, LaunchError, Mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from trainconf.launchers.slurm_controller import Controller
    from trainconf.process import Completed

SENDS = 3
LOOKS_S = (0.2, 1.0, 2.0)  # pauses between the looks for a job whose reply was lost: the controller may still be at it
_REPLY = re.compile(r"^(\d+)(?:;(\S+))?$", re.MULTILINE)
# Slurm says so when nobody knows whether the job was taken (slurm_errno.c); any other refusal is one.
_UNCERTAIN = re.compile(r"timed out|[Uu]nable to contact|[Zz]ero [Bb]ytes|[Cc]ommunication|[Tt]ransport|Connection re|temporarily|Protocol")
_NODES = ("sinfo", "--noheader", "--all", "--format=%R: %c CPUs, %m MB, %G")
_ACCOUNTS = ("sacctmgr", "--noheader", "--parsable2", "show", "associations", "where", "user={user}", "format=Account")
# Such as QOSMaxSubmitJobPerUserLimit and AssocGrpSubmitJobsLimit (squeue(1), JOB REASON CODES): it goes away when other jobs end.
_NO_ROOM = re.compile(r"(?:Max|Grp)Submit")
_LIMITS_OF_QOS = "format=Name,MaxSubmitJobsPerUser,MaxJobsPerUser,MaxWall,MaxTRESPerJob,MaxTRESPerUser"
_LIMITS_OF_ACCOUNTS = "format=Account,Partition,QOS,MaxSubmitJobs,GrpSubmitJobs,MaxWall,MaxTRES,GrpTRES"
# What a refusal is about: its words, the options that asked for it, and the question whose answer lists what there is.
_SUBJECTS: tuple[tuple[str, tuple[str, ...], str, tuple[str, ...]], ...] = (
    (r"partition name|invalid partition", ("partition",), "partitions", ("sinfo", "--noheader", "--all", "--format=%R")),
    (r"Assoc\w+Limit", ("account", "partition", "time"), "limits",
     ("sacctmgr", "--parsable2", "show", "associations", "where", "user={user}", _LIMITS_OF_ACCOUNTS)),
    (r"QOS\w+Limit|QOS policy", ("qos", "account", "partition", "time"), "limits",
     ("sacctmgr", "--parsable2", "show", "qos", _LIMITS_OF_QOS)),
    (r"account", ("account", "partition"), "accounts", _ACCOUNTS),
    (r"[Qq]os", ("qos",), "qos", ("sacctmgr", "--noheader", "--parsable2", "show", "qos", "format=Name")),
    (r"time limit", ("time", "partition"), "limits", ("sinfo", "--noheader", "--all", "--format=%R: at most %l")),
    (r"feature", ("constraint",), "features", ("sinfo", "--noheader", "--all", "--format=%f")),
    (r"[Mm]emory|node conf|CPU|GPU|[Gg]res|[Nn]ode count", ("mem", "cpus-per-task", "gpus-per-node", "nodes"), "nodes", _NODES),
)


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
        raise refusal(controller, batch, str(refused)) from None


def send_where_there_is_room(controller: Controller, batch: Mapping[str, Any], secrets: Mapping[str, str]) -> Sent | str:
    """As `send`; what Slurm says when it would take the job once others have ended."""
    try:
        return _send(controller, batch, secrets)
    except _Refused as refused:
        if _NO_ROOM.search(str(refused)):
            return str(refused)
        raise refusal(controller, batch, str(refused)) from None


def _send(controller: Controller, batch: Mapping[str, Any], secrets: Mapping[str, str]) -> Sent:
    _refuse_too_long(controller, batch)
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
    from trainconf.launchers.slurm_controller import SUBMIT_SECONDS

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


def refusal(controller: Controller, batch: Mapping[str, Any], said: str, what: str = "") -> ConfigError:
    """What Slurm said, what was asked for, and the list of what it would have taken; `what` where it is not Slurm that refuses."""
    facts = [] if what else [("Slurm says", said)]
    for words, options, label, question in _SUBJECTS:
        if re.search(words, said):
            asked = re.findall(rf"^#SBATCH (--(?:{'|'.join(options)})=.*)$", batch["script"], re.MULTILINE)
            facts += [("asked for", " ".join(asked))] if asked else []
            answer = "\n".join(_answer(controller, question))
            facts += [(label, answer)] if answer else []
            break
    return ConfigError(Mistake(what or "Slurm refuses the job", *facts, hint=_hint(said)))


def _hint(said: str) -> str:
    if _NO_ROOM.search(said):
        return "`squeue --me` lists your jobs: submit again when some of them have ended, or with another compute.qos or compute.account"
    return "`trainconf plan` shows the script that was sent"


def _refuse_too_long(controller: Controller, batch: Mapping[str, Any]) -> None:
    """A job over its partition's limit would wait for ever where the cluster does not enforce limits at submission."""
    asked = dict(re.findall(r"^#SBATCH --(time|partition)=(\S+)$", batch["script"], re.MULTILINE))
    if "time" not in asked:
        return
    rows = [line.split("|") for line in _answer(controller, ("sinfo", "--noheader", "--all", "--format=%P|%l"))]
    wanted = asked["partition"].split(",") if "partition" in asked else [name for name, *_ in rows if name.endswith("*")]
    limits = [minutes(limit) for name, limit in rows if name.rstrip("*") in {name.rstrip("*") for name in wanted}]
    if limits and all(limit is not None and limit < int(asked["time"]) for limit in limits):
        over = f"compute.time_minutes={asked['time']} is over the time limit of partition {','.join(wanted).rstrip('*')}"
        raise refusal(controller, batch, "time limit", over)


def minutes(text: str) -> float | None:
    """A time limit as sinfo prints it, [days-][[hours:]minutes:]seconds; None for none."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)", text)
    if match is None:
        return None
    days, hours, mins, seconds = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + mins + seconds / 60


def _answer(controller: Controller, question: tuple[str, ...]) -> Iterator[str]:
    """Its lines, each once."""
    import os

    done = controller.call(*(word.format(user=_user(os.getuid())) for word in question))
    lines = done.text().splitlines() if done.ok else []
    return iter(dict.fromkeys(line.strip() for line in lines if line.strip() not in ("", "(null)")))


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
