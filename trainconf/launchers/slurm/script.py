"""Makes what sbatch is sent: its options as data, and last the batch script from them. Pure.

Options are spelled as submitit spells them, sorted, and quoted for sbatch's own parser. Nothing that submitit forces is here: no time limit
of five minutes, no wckey, no signal to the job itself. The path of the run may hold any byte, so it is an argument and never a directive.
"""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Mapping

from trainconf.launchers.protocol import Job
from trainconf.paths import RunPaths
from trainconf.spec import sha256_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LEAD_SLACK_SECONDS = 5  # on top of the grace: time to say what happened


def batch_of(job: Job, agent: list[str], conf: str) -> dict[str, Any]:
    """`batch` of plan.json: what is sent, and what the agent must know of it."""
    compute = job.compute
    lead_seconds = int(compute.get("signal_seconds") or math.ceil(job.spec.compute.grace_seconds) + LEAD_SLACK_SECONDS)
    requeue = compute.get("requeue", "never")
    memory = compute.get("mem_gib")
    mem_mib = None if memory is None else math.ceil(memory * 1024)
    options = {
        **_resources(compute, job.spec.distributed.node_count), **_shared(compute.get("cpus_per_task", 1), mem_mib),
        **_pass_through(compute),
        "open-mode": "append", "signal": f"B:TERM@{lead_seconds}", ("no-requeue" if requeue == "never" else "requeue"): True,
    }
    found = {
        "argv": ["sbatch", "--parsable", f"--chdir={job.paths.workspace.root}", f"--output={pattern(job.paths.agent_log)}"],
        "options": {name: value for name, value in options.items() if value is not None and value is not False},
        "setup": [str(line) for line in compute.get("setup") or []],
        "builder": [*_builder(agent), job.paths.run_dir] if _is_built_there(job) else [],
        "agent": agent, "cluster": {"conf": conf},
        "nodes": job.spec.distributed.node_count, "cpus_per_task": compute.get("cpus_per_task", 1), "mem_mib": mem_mib,
        "lead_seconds": lead_seconds, "requeue": requeue, "max_requeues": compute.get("max_requeues", 0),
    }
    return named(found, job.run_id, [job.paths.run_dir])


def for_sweep(batch: Mapping[str, Any], home: RunPaths, *, times: int = 1) -> dict[str, Any]:
    """The batch of a whole sweep, from that of one trial: in the sweep's name, on its folder, with `times` the resources."""
    memory = batch["mem_mib"]
    shared = _shared(batch["cpus_per_task"] * times, None if memory is None else memory * times)
    return named({**batch, "options": {**batch["options"], **shared}}, home.run_id, [home.run_dir])


def for_controller(compute: Mapping[str, Any], command: list[str], argv: list[str], conf: str) -> dict[str, Any]:
    """What is sent to run `command` on one CPU, and again after its time limit. It has no name yet."""
    options = {
        **_resources(compute, 1), **_shared(1, math.ceil(compute["mem_gib"] * 1024)), **_pass_through(compute),
        "open-mode": "append", "signal": f"B:TERM@{compute['signal_seconds']}", "requeue": True,
    }
    return {
        "argv": argv, "options": {name: value for name, value in options.items() if value is not None and value is not False},
        "setup": [str(line) for line in compute.get("setup") or []], "builder": [], "agent": command, "cluster": {"conf": conf},
        "lead_seconds": compute["signal_seconds"], "requeue": "always", "if_ended_early": ["--leaves"],
    }


def named(batch: Mapping[str, Any], run_id: str, arguments: list[str], note: str = "") -> dict[str, Any]:
    """The batch of the job with this name, whose agent gets these arguments. No other job has its name and comment."""
    name = job_name(run_id)
    found = {**batch, "job_name": name, "comment": comment(name, arguments, note), "words": arguments}
    return {**found, "script": _script(found)}


def comment(name: str, arguments: list[str], note: str = "") -> str:
    """The comment that only the job of that name with these arguments has; it ends with the `note`."""
    return " ".join(["trainconf", name, sha256_hex(shlex.join(arguments))[:12], *([note] if note else [])])


def is_job_of(comment: str, run_id: str) -> bool:
    """Whether the job with this comment is a run's. A trial's job has the name of its sweep, which is how the trial's id begins."""
    mark, _, rest = comment.partition(" ")
    owner = rest.partition(" ")[0]
    return mark == "trainconf" and bool(owner) and job_name(run_id).startswith(owner)


def _script(batch: Mapping[str, Any]) -> str:
    """The text that sbatch reads."""
    options = {**batch["options"], "job-name": batch["job_name"], "comment": batch["comment"]}
    lines = ["#!/bin/bash", *(directive(name, value) for name, value in sorted(options.items())), ""]
    # A request to cancel that comes before the agent can take it must wait, not kill.
    lines += ["trap '' USR1"]
    command = [*batch["agent"], *batch["words"]]
    early = batch.get("if_ended_early")
    lines += [_HEARS.format(shlex.join([*command, *early]))] if early else []
    lines += ["set -e", *batch["setup"]] if batch["setup"] else []
    lines += [f"{shlex.join(batch['builder'])} || exit"] if batch["builder"] else []
    lines += [_PASSES_ON.format(shlex.join(command))] if early else [f"exec {shlex.join(command)}"]
    return "\n".join([*lines, ""])


# SIGTERM may come before the command takes it: while `setup` runs, or while Python starts. The shell stays, and is never killed by it.
# A command that ends with 0 or 1 has done what the signal asks for; else another one does it, which no signal reaches.
_HEARS = """\
command= ended= heard=
leave() {{ {}; }}
trap 'ended=1; [ -z "$command" ] || kill -TERM "$command" 2>/dev/null' TERM
trap 'code=$?; trap "" TERM; [ -z "$ended" ] || [ -n "$heard" ] || leave; exit "$code"' EXIT"""
_PASSES_ON = """\
set +e
[ -z "$ended" ] || exit 143
{} &
command=$!
[ -z "$ended" ] || kill -TERM "$command" 2>/dev/null
wait "$command"
code=$?
while [ "$code" -gt 128 ] && kill -0 "$command" 2>/dev/null; do wait "$command"; code=$?; done
case $code in 0|1) heard=1;; esac
exit "$code" """.rstrip()


def _is_built_there(job: Job) -> bool:
    return job.compute.get("build") == "job" and job.spec.environment.kind == "venv"


def _builder(agent: list[str]) -> list[str]:
    """What makes the run's environment on the node: started like the agent, but with the packages that installers need."""
    *python, script = agent
    return [word for word in python if word != "-S"] + [os.path.join(os.path.dirname(script), os.pardir, "submission", "build_in_job.py")]


def _resources(compute: Mapping[str, Any], node_count: int) -> dict[str, Any]:
    """Options that have settings of their own."""
    return {
        "partition": compute.get("partition"), "account": compute.get("account"), "qos": compute.get("qos"), "nodes": node_count,
        "ntasks-per-node": 1, "gpus-per-node": compute.get("gpus_per_node") or None, "time": compute.get("time_minutes"),
        "constraint": compute.get("constraint"), "exclusive": compute.get("exclusive") or None,
    }


def _shared(cpus: int, mem_mib: int | None) -> dict[str, Any]:
    """Options that grow with the number of trials in one job."""
    return {"cpus-per-task": cpus, **({} if mem_mib is None else {"mem": f"{mem_mib}M"})}


def _pass_through(compute: Mapping[str, Any]) -> dict[str, Any]:
    """Options the user names; a list is joined by commas."""
    given = {str(name).replace("_", "-"): value for name, value in (compute.get("sbatch") or {}).items()}
    return {name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in given.items()}


def directive(option: str, value: Any) -> str:
    """One #SBATCH line, whatever the value is: sbatch(1) knows no way to spell a line break, so a space stands for one.

    `options.check` refuses such values; this is for a plan that did not pass it."""
    text = " ".join(str(value).splitlines())
    return f"#SBATCH --{option}" if value is True else f"#SBATCH --{option}={shlex.quote(text)}"


def job_name(run_id: str) -> str:
    """The run's id, in characters that Slurm prints as they are."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", run_id)


def pattern(path: str) -> str:
    """A path where sbatch expects a file name pattern: a backslash turns patterns off (sbatch(1), FILENAME PATTERN)."""
    return path.replace("\\", "\\\\") if "\\" in path else path.replace("%", "%%")
