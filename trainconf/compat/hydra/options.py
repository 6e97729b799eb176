"""What is written under `hydra.launcher`, and what that is in trainconf's config."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from trainconf.compat.submitit.parameters import command

TASK = "trainconf.compat.hydra.task"
NEEDED = ("hydra-core", "omegaconf", "cloudpickle")
PLAIN = ("max_run_duration_seconds", "retries")
# Options of hydra-submitit-launcher for Slurm that have no setting of their own in `compute`: sbatch's names.
SBATCH = ("comment", "exclude", "gres", "cpus_per_gpu", "gpus_per_task", "mem_per_gpu", "mem_per_cpu")
SAME = ("partition", "qos", "account", "constraint")


class Options(NamedTuple):
    """choices: overrides. values: of the config. notes: what has no effect here, in words."""

    choices: list[str]
    values: dict[str, Any]
    notes: list[str]


def read(kind: str, given: dict[str, Any], folder: str) -> Options:
    """The options of a launcher. `folder` is the calls'; kind: whose names they have, `trainconf` or `submitit`."""
    plain = {name: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value for name, value in given.items()}
    return (_of_submitit if kind == "submitit" else _ours)(plain, folder)


def _ours(given: dict[str, Any], folder: str) -> Options:
    words, compute, env = given.pop("words"), given.pop("compute"), given.pop("env")
    values: dict[str, Any] = {"command": ["python", "-u", "-m", TASK, folder], "tags": given.pop("tags"), "sweep": {}}
    limit = given.pop("max_concurrent_runs")
    if limit is not None:
        values["sweep"]["max_concurrent_runs"] = limit
    values |= {name: value for name in PLAIN if (value := given.pop(name)) is not None}
    values["compute"] = {name: value for name, value in given.items() if value is not None}
    has_image = any(word.lstrip("+").startswith("env.docker.image=") for word in words)
    if compute.partition("/")[0] == "docker" and env == "current" and not has_image:  # a Python that reads the submitting one's pickles
        env = "bare"
        values["env"] = {"requirements": [f"{name}=={version(name)}" for name in NEEDED],
                         "python": {"version": f"{sys.version_info[0]}.{sys.version_info[1]}"}}
    return Options([f"compute={compute}", f"env={env}", *words], values, [])


def _of_submitit(given: dict[str, Any], folder: str) -> Options:
    on_slurm = given["compute"] == "slurm"
    tasks, nodes = given["tasks_per_node"], given["nodes"]
    cpus, gpus, memory = given["cpus_per_task"], given["gpus_per_node"], given["mem_gb"]
    compute: dict[str, Any] = {"cpus_per_task" if on_slurm else "cpus": None if cpus is None else cpus * tasks,
                               "gpus_per_node" if on_slurm else "gpus": gpus}
    values: dict[str, Any] = {"sweep": {}, "display_name": given["name"], "compute": compute}
    notes = []
    if on_slurm:
        compute |= {name: given[name] for name in SAME} | {"mem_gib": memory, "time_minutes": given["timeout_min"]}
        compute["signal_seconds"] = given["signal_delay_s"]
        compute["sbatch"] = {name.replace("_", "-"): given[name] for name in SBATCH if given[name] is not None} | {
            name.replace("_", "-"): value for name, value in given["additional_parameters"].items()}
        if given["max_num_timeout"]:
            compute |= {"requeue": "always", "max_requeues": given["max_num_timeout"]}
        values["sweep"]["max_concurrent_runs"] = given["array_parallelism"]
        if given["srun_args"]:
            notes.append("hydra.launcher.srun_args has no effect: no srun starts a single process here")
    else:
        values["max_run_duration_seconds"] = given["timeout_min"] * 60
        if memory is not None:
            notes.append("hydra.launcher.mem_gb has no effect on this machine: it has no limit of memory")
    values["compute"] = {name: value for name, value in compute.items() if value not in (None, {})}
    values["command"] = command([TASK, folder], given.get("setup") or ())
    choices = [f"compute={given['compute']}", "env=current"]
    if tasks * nodes > 1:
        choices.append("distributed=pytorch")
        values["distributed"] = {"process_count": tasks * nodes, "node_count": nodes}
    return Options(choices, values, notes)
