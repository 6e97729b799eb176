"""What a cluster refuses, in words: what Slurm said, what was asked for, and the list of what it would have taken."""

from __future__ import annotations

import os
import re

from trainconf.errors import ConfigError, Mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from trainconf.launchers.slurm.commands import Controller

_NODES = ("sinfo", "--noheader", "--all", "--format=%R: %c CPUs, %m MB, %G")
_LIMITS_OF_PARTITIONS = ("sinfo", "--noheader", "--all", "--format=%R: at most %l")
_ACCOUNTS = ("sacctmgr", "--noheader", "--parsable2", "show", "associations", "where", "user={user}", "format=Account")
# Such as QOSMaxSubmitJobPerUserLimit and AssocGrpSubmitJobsLimit (squeue(1), JOB REASON CODES): it goes away when other jobs end.
NO_ROOM = re.compile(r"(?:Max|Grp)Submit")
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
    (r"time limit", ("time", "partition"), "limits", _LIMITS_OF_PARTITIONS),
    (r"partition's nodes", ("nodes", "partition"), "partitions", ("sinfo", "--noheader", "--all", "--format=%R: %D nodes, %s for one job")),
    (r"feature", ("constraint",), "features", ("sinfo", "--noheader", "--all", "--format=%f")),
    (r"[Mm]emory|node conf|CPU|GPU|[Gg]res|[Nn]ode count", ("mem", "cpus-per-task", "gpus-per-node", "nodes"), "nodes", _NODES),
)


def refusal(controller: Controller, batch: Mapping[str, Any], said: str) -> ConfigError:
    """What Slurm said, what was asked for, and the list of what it would have taken."""
    return ConfigError(Mistake("Slurm refuses the job", ("Slurm says", said), *what_there_is(controller, batch, said), hint=_hint(said)))


def never(controller: Controller, batch: Mapping[str, Any], reasons: Iterable[tuple[str, str]]) -> ConfigError:
    """What Slurm would take and never start: sentences, each with the word for what there is instead."""
    return ConfigError([Mistake(told, *what_there_is(controller, batch, about), hint=_hint("")) for told, about in reasons])


def what_there_is(controller: Controller, batch: Mapping[str, Any], said: str) -> list[tuple[str, str]]:
    """Facts to these words of Slurm: what was asked for, and what the cluster has of that."""
    for words, options, label, question in _SUBJECTS:
        if re.search(words, said):
            asked = [f"--{name}={batch['options'][name]}" for name in sorted(options) if name in batch["options"]]
            answer = _answer(controller, question)
            return [("asked for", " ".join(asked))] * bool(asked) + [(label, answer or "none")] * (answer is not None)
    return []


def _hint(said: str) -> str:
    if NO_ROOM.search(said):
        return "`squeue --me` lists your jobs: submit again when some of them have ended, or with another compute.qos or compute.account"
    return "`trainconf plan` shows the script that was sent"


def _answer(controller: Controller, question: tuple[str, ...]) -> str | None:
    """What is answered, each line once; None when nobody does."""
    done = controller.call(*(word.format(user=_user(os.getuid())) for word in question))
    if not done.ok:
        return None
    return "\n".join(dict.fromkeys(line.strip() for line in done.text().splitlines() if line.strip() not in ("", "(null)")))


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
