"""Says why a cluster does not take a job: what Slurm said, what was asked for, and what the cluster has.

`check` finds before submission what no partition asked for can give: where a cluster does not enforce its limits at submission, such a job
would wait for ever. It asks only for a job that wants more than one CPU of one node for as long as it may; every partition gives that.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator, Mapping, Sequence
from math import inf

from trainconf.errors import ConfigError, Mistake, NoRoomError
from trainconf.launchers.slurm.commands import Controller
from trainconf.launchers.slurm.options import SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SINFO = ("sinfo", "--noheader", "--all")
_KINDS_OF_NODE = (*_SINFO, "--exact", "--format=%P|%l|%s|%D|%c")
_NODES = (*_SINFO, "--format=%R: %c CPUs, %m MB, GPUs and other --gres: %G")
_ACCOUNTS = ("sacctmgr", "--noheader", "--parsable2", "show", "associations", "where", "user={user}", "format=Account")
# Such as QOSMaxSubmitJobPerUserLimit and AssocGrpSubmitJobsLimit (squeue(1), JOB REASON CODES): it goes away when other jobs end.
NO_ROOM = re.compile(r"(?:Max|Grp)Submit")
_LIMITS_OF_QOS = "format=Name,MaxSubmitJobsPerUser,MaxJobsPerUser,MaxWall,MaxTRESPerJob,MaxTRESPerUser"
_LIMITS_OF_ACCOUNTS = "format=Account,Partition,QOS,MaxSubmitJobs,GrpSubmitJobs,MaxWall,MaxTRES,GrpTRES"
# What a refusal is about: its words, the options that asked for it, and the question whose answer lists what there is.
_SUBJECTS: tuple[tuple[str, tuple[str, ...], str, tuple[str, ...]], ...] = (
    (r"partition name|invalid partition", ("partition",), "partitions", (*_SINFO, "--format=%R")),
    (r"Assoc\w+Limit", ("account", "partition", "time"), "limits",
     ("sacctmgr", "--parsable2", "show", "associations", "where", "user={user}", _LIMITS_OF_ACCOUNTS)),
    (r"QOS\w+Limit|QOS policy", ("qos", "account", "partition", "time"), "limits",
     ("sacctmgr", "--parsable2", "show", "qos", _LIMITS_OF_QOS)),
    (r"account", ("account", "partition"), "accounts", _ACCOUNTS),
    (r"[Qq]os", ("qos",), "qos", ("sacctmgr", "--noheader", "--parsable2", "show", "qos", "format=Name")),
    (r"time limit", ("time", "partition"), "limits", (*_SINFO, "--format=%R: at most %l")),
    (r"partition's nodes", ("nodes", "partition"), "partitions", (*_SINFO, "--format=%R: %D nodes, %s for one job")),
    (r"feature", ("constraint",), "features", (*_SINFO, "--format=%f")),
    (r"[Mm]emory|node conf|CPU|GPU|[Gg]res|[Nn]ode count", ("mem", "cpus-per-task", "gpus-per-node", "nodes", "gres"), "nodes", _NODES),
)


def refusal(controller: Controller, batch: Mapping[str, Any], message: str) -> ConfigError:
    """What Slurm said, what was asked for, and the list of what it would have taken. A NoRoomError where it takes it later."""
    hint = "`trainconf plan` shows the script that was sent"
    if NO_ROOM.search(message):
        hint = "`squeue --me` lists your jobs: submit again when some of them have ended, or with another compute.qos or compute.account"
    if "configuration source" in message or "slurm.conf" in message:
        hint = "this machine knows no cluster: submit from a login node, or name its configuration: SLURM_CONF=/etc/slurm/slurm.conf"
    kind = NoRoomError if NO_ROOM.search(message) else ConfigError
    return kind(Mistake("Slurm refuses the job", ("Slurm says", message), *_facts(controller, batch, message), hint=hint))


def check(controller: Controller, batch: Mapping[str, Any]) -> None:
    """Raises ConfigError: more time, nodes or CPUs than any partition has that the job may run in."""
    requested = batch["options"]
    if "time" not in requested and (requested.get("nodes"), requested.get("cpus-per-task")) == (1, 1):
        return
    done = controller.call(*_KINDS_OF_NODE)
    mistakes = [
        Mistake(what, *_facts(controller, batch, subject), hint="`trainconf plan` shows the script that was sent")
        for what, subject in _impossible(requested, done.text().splitlines() if done.ok else [])
    ]
    if mistakes:
        raise ConfigError(mistakes)


def _impossible(requested: Mapping[str, Any], lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is wrong, each with the word for what there is instead. `lines` are those of _KINDS_OF_NODE; a default partition has a `*`."""
    rows = [line.split("|") for line in lines if line.count("|") == 4]
    names = str(requested.get("partition") or ",".join(dict.fromkeys(row[0].rstrip("*") for row in rows if row[0].endswith("*"))))
    chosen = [row for row in rows if row[0].rstrip("*") in names.split(",")]
    if not chosen:
        return
    node_counts: dict[str, float] = {}
    for name, _, _, count, _ in chosen:
        node_counts[name] = node_counts.get(name, 0) + _number(count)
    nodes, has_qos = int(requested["nodes"]), "qos" in requested
    # a quality of service may lift a partition's limits, but not add to its machines (sacctmgr(1), Flags)
    if not has_qos and "time" in requested and max(minutes(row[1]) for row in chosen) < int(requested["time"]):
        yield f"compute.time_minutes={requested['time']} is over the time limit of partition {names}", "time limit"
    if not has_qos and max(_number(row[2].rpartition("-")[2]) for row in chosen) < nodes:
        yield f"{nodes} nodes are over the limit of partition {names} for one job", "partition's nodes"
    elif max(node_counts.values()) < nodes:
        yield f"{nodes} nodes are more than partition {names} has", "partition's nodes"
    cpus = int(requested["cpus-per-task"])
    if max(_number(row[4]) for row in chosen) < cpus:
        yield f"{cpus} CPUs on each node (compute.cpus_per_task) are more than any node of partition {names} has", "CPU"


def _number(text: str) -> float:
    """Without a limit where it is none, or Slurm prints something else."""
    return float(text) if text.isdecimal() else inf


def minutes(text: str) -> float:
    """A time limit as sinfo prints it, [days-][[hours:]minutes:]seconds; infinite for none."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)", text)
    if match is None:
        return inf
    days, hours, mins, seconds = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + mins + seconds / 60


def _facts(controller: Controller, batch: Mapping[str, Any], message: str) -> list[tuple[str, str]]:
    """What was asked for, and what the cluster has of that."""
    for pattern, options, label, question in _SUBJECTS:
        if re.search(pattern, message):
            given = {name: batch["options"][name] for name in options if name in batch["options"]}
            requested = [f"{SETTINGS.get(name, f'compute.sbatch.{name}')} (--{name}={value})" for name, value in sorted(given.items())]
            answer = _answer(controller, question)
            return [("asked for", ", ".join(requested))] * bool(requested) + [(label, answer or "none")] * (answer is not None)
    return []


def _answer(controller: Controller, question: tuple[str, ...]) -> str | None:
    """What is answered, each line once; None when nobody does."""
    done = controller.call(*(word.format(user=_user(os.getuid())) for word in question))
    if not done.ok:
        return None
    lines = (line.strip().replace("(null)", "none") for line in done.text().splitlines())
    return "\n".join(dict.fromkeys(line for line in lines if line not in ("", "none")))


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
