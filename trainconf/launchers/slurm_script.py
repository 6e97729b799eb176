"""The batch script of a job, and the argument list of the sbatch it is sent with. Pure: it asks nobody.

Options are spelled as submitit spells them, sorted, and quoted for sbatch's own parser. Nothing submitit forces is here: no time limit of
five minutes, no wckey, no signal to the job itself. What may hold any byte, the path of the run, is an argument and never a directive.
"""

from __future__ import annotations

import math
import os
import re
import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from trainconf.launchers.base import Job
    from trainconf.paths import RunPaths

LEAD_SLACK_SECONDS = 5  # on top of the grace: time to say what happened


def batch(job: Job, agent: list[str], conf: str) -> dict[str, Any]:
    """`batch` of plan.json: what is sent, and what the agent must know of it."""
    compute = job.compute
    name = job_name(job.run_id)
    comment = f"trainconf {name} {_hash(job.paths.run_dir)}"
    lead_seconds = int(compute.get("signal_seconds") or math.ceil(job.spec.compute.grace_seconds) + LEAD_SLACK_SECONDS)
    requeue = compute.get("requeue", "never")
    options = {
        **_resources(compute, job.spec.distributed.node_count), **_pass_through(compute),
        "job-name": name, "comment": comment, "open-mode": "append", "signal": f"B:TERM@{lead_seconds}",
        ("no-requeue" if requeue == "never" else "requeue"): True,
    }  # fmt: skip
    directives = (directive(option, value) for option, value in sorted(options.items()))
    lines = ["#!/bin/bash", *filter(None, directives), ""]
    # A request to cancel that comes before the agent can take it must wait, not kill.
    lines += ["trap '' USR1"]
    setup = [str(line) for line in compute.get("setup") or []]
    lines += ["set -e", *setup] if setup else []
    lines += [f"{shlex.join([*_builder(agent), job.paths.run_dir])} || exit"] if _is_built_there(job) else []
    lines += [f"exec {shlex.join([*agent, job.paths.run_dir])}", ""]
    argv = ["sbatch", "--parsable", f"--chdir={job.paths.workspace.root}", f"--output={pattern(job.paths.agent_log)}"]
    return {
        "argv": argv, "script": "\n".join(lines), "job_name": name, "comment": comment, "cluster": {"conf": conf},
        "nodes": job.spec.distributed.node_count, "cpus_per_task": compute.get("cpus_per_task", 1),
        "lead_seconds": lead_seconds, "requeue": requeue, "max_requeues": compute.get("max_requeues", 0),
    }  # fmt: skip


def for_sweep(
    batch: Mapping[str, Any], run_dir: str, home: RunPaths, words: tuple[str, ...] = (), *, times: int = 1
) -> dict[str, Any]:  # fmt: skip
    """The batch of one trial, as that of its whole sweep: in its name, on its folder, with `times` the resources."""
    name = job_name(home.run_id)
    comment = f"trainconf {name} {_hash(shlex.join([home.run_dir, *words]))}"
    script: str = batch["script"].removesuffix(f"{shlex.quote(run_dir)}\n") + shlex.join([home.run_dir, *words]) + "\n"
    script = script.replace(directive("job-name", batch["job_name"]), directive("job-name", name), 1)
    script = script.replace(directive("comment", batch["comment"]), directive("comment", comment), 1)
    if times > 1:
        shared = re.compile(r"^(#SBATCH --(?:cpus-per-task|mem)=)(\d+)", re.MULTILINE)
        script = shared.sub(lambda found: f"{found[1]}{int(found[2]) * times}", script)
    return {**batch, "script": script, "job_name": name, "comment": comment}


def _is_built_there(job: Job) -> bool:
    return job.compute.get("build") == "job" and job.spec.environment.kind == "venv"


def _builder(agent: list[str]) -> list[str]:
    """What makes the run's environment on the node: started like the agent, but with the packages that installers need."""
    *python, script = agent
    return [word for word in python if word != "-S"] + [os.path.join(os.path.dirname(script), os.pardir, "submission", "build_in_job.py")]


def _resources(compute: Mapping[str, Any], node_count: int) -> dict[str, Any]:
    """Options from the settings that trainconf has words for."""
    memory = compute.get("mem_gib")
    return {
        "partition": compute.get("partition"), "account": compute.get("account"), "qos": compute.get("qos"), "nodes": node_count,
        "ntasks-per-node": 1, "cpus-per-task": compute.get("cpus_per_task", 1), "gpus-per-node": compute.get("gpus_per_node") or None,
        "mem": None if memory is None else f"{math.ceil(memory * 1024)}M", "time": compute.get("time_minutes"),
        "constraint": compute.get("constraint"), "exclusive": compute.get("exclusive") or None,
    }  # fmt: skip


def _pass_through(compute: Mapping[str, Any]) -> dict[str, Any]:
    """Options the user names; a list is joined by commas, false and null are left out."""
    given = {str(name).replace("_", "-"): value for name, value in (compute.get("sbatch") or {}).items()}
    return {name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in given.items()}


def directive(option: str, value: Any) -> str:
    """One #SBATCH line; empty for what is not asked for."""
    if value is None or value is False:
        return ""
    return f"#SBATCH --{option}" if value is True else f"#SBATCH --{option}={shlex.quote(str(value))}"


def job_name(run_id: str) -> str:
    """The run's id, in characters that Slurm prints as they are."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", run_id)


def pattern(path: str) -> str:
    """A path where sbatch expects a file name pattern: a backslash turns patterns off (sbatch(1), FILENAME PATTERN)."""
    return path.replace("\\", "\\\\") if "\\" in path else path.replace("%", "%%")


def _hash(text: str) -> str:
    from trainconf.spec import sha256_hex

    return sha256_hex(text)[:12]
