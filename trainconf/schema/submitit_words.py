"""Option words of submitit and hydra-submitit-launcher that may stand under `compute`, and the settings that they mean."""

from __future__ import annotations

PREFIX = "slurm_"  # a word that begins so is for Slurm alone, as in submitit
_SBATCH = ("comment", "exclude", "gres", "cpus_per_gpu", "gpus_per_task", "mem_per_gpu", "mem_per_cpu", "nodelist", "dependency", "mem")
# Of every target; what stands under `slurm_` besides is in the tables below.
_EVERYWHERE = {
    "name": "display_name", "nodes": "distributed.node_count", "array_parallelism": "sweep.max_concurrent_runs",
    "tasks_per_node": "distributed.process_count_per_node", "stderr_to_stdout": "",
}  # fmt: skip
_HERE = {**_EVERYWHERE, "timeout_min": "max_run_duration_seconds", "gpus_per_node": "compute.gpus", "cpus_per_task": "compute.cpus"}
_ON_SLURM = {
    **_EVERYWHERE, **{name: f"compute.sbatch.{name.replace('_', '-')}" for name in _SBATCH},
    **{name: f"compute.{name}" for name in ("partition", "account", "qos", "constraint", "exclusive", "setup", "gpus_per_node",
                                            "cpus_per_task")},
    "timeout_min": "compute.time_minutes", "time": "compute.time_minutes", "mem_gb": "compute.mem_gib", "job_name": "display_name",
    "signal_delay_s": "compute.signal_seconds", "additional_parameters": "compute.sbatch", "max_num_timeout": "compute.max_requeues",
    "ntasks_per_node": "distributed.process_count_per_node", "srun_args": "", "use_srun": "",
}  # fmt: skip
_MEANINGS = {  # by target: the word, without the prefix, and our key; an empty one has no effect
    "local": {**_HERE, "mem_gb": ""}, "docker": {**_HERE, "mem_gb": "compute.memory_gib"}, "slurm": _ON_SLURM,
}  # fmt: skip


def words(target: str) -> dict[str, str]:
    """Each word that may stand under `compute` of a target, with the setting that it means; an empty one has no effect."""
    if target not in _MEANINGS:
        return {}
    slurms = {f"{PREFIX}{name}": key if target == "slurm" else "" for name, key in _ON_SLURM.items()}
    return {**_MEANINGS[target], **slurms}
