"""What `update_parameters` may say, and what that is in trainconf's config."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

from trainconf.errors import Mistake, UserError
from trainconf.resolve.settings import nearest

# submitit's own, as AutoExecutor documents them.
SHARED: dict[str, tuple[type, ...]] = {
    "name": (str,), "timeout_min": (int, float), "mem_gb": (int, float), "nodes": (int,), "cpus_per_task": (int,), "gpus_per_node": (int,),
    "tasks_per_node": (int,), "stderr_to_stdout": (bool,),
}  # fmt: skip
# Ours; with AutoExecutor each is written with `trainconf_` before it.
OWN: dict[str, tuple[type, ...]] = {
    "compute": (str,), "env": (str,), "overrides": (list, tuple), "experiment_name": (str,), "source_directory": (str, os.PathLike),
    "requirements": (list, tuple), "setup": (list, tuple), "signal_delay_s": (int, float), "array_parallelism": (int,), "tags": (dict,),
}  # fmt: skip
TASK = "trainconf.compat.submitit.task"
SIGNAL_DELAY_S = 30.0  # as submitit's local executor has it
ENDING_S = 30.0  # for a function that is told of its time limit to come to an end by itself


class Wanted(NamedTuple):
    """A submission as trainconf composes it: choices and the user's words as overrides, values as a tree."""

    overrides: list[str]
    values: dict[str, Any]


def check(parameters: Mapping[str, Any]) -> None:
    """Raise UserError, with all mistakes, for parameters that there are not, and for values of another type."""
    known = {**SHARED, **OWN}
    mistakes = []
    for name, value in parameters.items():
        if name not in known:
            near = nearest(name, list(known))
            hint = f"did you mean {near}?" if near else ""
            mistakes.append(Mistake(f"cluster=trainconf has no parameter {name}", ("allowed", ", ".join(known)), hint=hint))
        elif not isinstance(value, known[name]) or (isinstance(value, bool) and bool not in known[name]):
            names = " or ".join(kind.__name__ for kind in known[name])
            mistakes.append(Mistake(f"parameter {name} is {value!r}", ("allowed", names)))
    if mistakes:
        raise UserError(mistakes)


def wanted(parameters: Mapping[str, Any], calls: str, folder: str, max_timeouts: int, *, checkpoints: bool) -> Wanted:
    """What a submission of pickled calls says. `calls` is their folder, `folder` the executor's as it was given, with its %j.

    checkpoints: the function can be interrupted and goes on from there.
    """
    tasks, nodes = parameters.get("tasks_per_node", 1), parameters.get("nodes", 1)
    compute = parameters.get("compute", "local")
    on_slurm = compute.partition("/")[0] == "slurm"
    is_container = compute.partition("/")[0] == "docker"
    values: dict[str, Any] = {
        "argument_style": "none", "compat": ["submitit"], "params": {"calls": calls}, "tags": dict(parameters.get("tags", {})),
        "command": command([TASK, folder], parameters.get("setup", ())), "experiment_name": parameters.get("experiment_name", "submitit"),
        "source_directory": os.path.abspath(parameters.get("source_directory", ".")),
        "compute": _resources(parameters, tasks, on_slurm=on_slurm),
        "env": {"variables": {}},
    }  # fmt: skip
    if "name" in parameters:
        values["display_name"] = parameters["name"]
    if "array_parallelism" in parameters:
        values["sweep"] = {"max_concurrent_runs": parameters["array_parallelism"]}
    if "timeout_min" in parameters:
        _limit(values, parameters, max_timeouts if checkpoints else 0, on_slurm=on_slurm)
    env = parameters.get("env", "bare" if is_container else "current")
    if is_container:
        values["compute"]["arguments"] = {"volumes": {place: {"bind": place, "mode": "rw"} for place in {calls, _fixed(folder)}}}
    if env != "current":
        ours = [f"submitit=={version('submitit')}", f"cloudpickle=={version('cloudpickle')}"]  # a pickle is read by what wrote it
        values["env"]["requirements"] = [*ours, *parameters.get("requirements", ())]
        values["env"]["python"] = {"version": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    elif parameters.get("requirements"):
        given = ("requirements", ", ".join(parameters["requirements"]))
        raise UserError("requirements are of no use: env=current installs nothing", given, hint="give trainconf_env, such as bare")
    choices = ["experiment=adhoc", f"compute={compute}", f"env={env}"]
    if tasks * nodes > 1:
        choices.append("distributed=pytorch")
        values["distributed"] = {"process_count": tasks * nodes, "node_count": nodes}
    return Wanted([*choices, *map(str, parameters.get("overrides", ()))], values)


def _resources(parameters: Mapping[str, Any], tasks: int, *, on_slurm: bool) -> dict[str, Any]:
    """CPUs and GPUs of a node; memory where a target has a setting for it."""
    found: dict[str, Any] = {}
    cpus, gpus = parameters.get("cpus_per_task"), parameters.get("gpus_per_node")
    if cpus is not None:
        found["cpus_per_task" if on_slurm else "cpus"] = cpus * tasks
    if gpus is not None:
        found["gpus_per_node" if on_slurm else "gpus"] = gpus
    if "mem_gb" in parameters and on_slurm:
        found["mem_gib"] = parameters["mem_gb"]
    elif "mem_gb" in parameters and parameters.get("compute", "local").partition("/")[0] == "docker":
        found["memory_gib"] = parameters["mem_gb"]
    return found


def _limit(values: dict[str, Any], parameters: Mapping[str, Any], max_timeouts: int, *, on_slurm: bool) -> None:
    """The time limit: Slurm's own, where the job goes back into the queue; elsewhere the function is told and begins anew in its place."""
    seconds = parameters["timeout_min"] * 60
    delay_s = parameters.get("signal_delay_s", SIGNAL_DELAY_S)
    if on_slurm:
        values["compute"]["time_minutes"] = max(1, -int(-seconds // 60))
        values["compute"]["signal_seconds"] = max(1, int(delay_s))
        if max_timeouts:
            values["compute"].update(requeue="always", max_requeues=max_timeouts)
        return
    values["env"]["variables"]["TRAINCONF_SUBMITIT_LIMIT_S"] = f"{max(0.0, seconds - delay_s):.3f}"
    values["max_run_duration_seconds"] = seconds * (max_timeouts + 1) + ENDING_S


def command(module: Sequence[str], setup: Sequence[str]) -> list[str]:
    """What a job executes: the lines of `setup` in bash, then a module with its arguments."""
    call = ["python", "-u", "-m", *module]
    return ["bash", "-c", "\n".join(["set -e", *map(str, setup), 'exec "$@"']), "bash", *call] if setup else call


def _fixed(folder: str) -> str:
    """The part of the executor's folder before the first %j, %t, %A or %a."""
    from submitit.core.utils import JobPaths

    return str(JobPaths.get_first_id_independent_folder(folder))
