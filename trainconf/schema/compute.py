"""compute=...: where a run is carried out, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from trainconf.schema.fields import setting


# Annotations are evaluated by OmegaConf, which reads `Optional[X]` on every line it supports and Python 3.10 to 3.14.
@dataclass
class LocalCompute:
    """compute=local: this machine."""

    target: str = setting("local", "name of the launcher; set by the choice of `compute`")
    slots: Optional[int] = setting(None, "slots of this machine for all runs together; default: its number of CPUs", minimum=1)
    cpus: int = setting(1, "slots the run occupies while it runs", minimum=1)
    gpus: int = setting(0, "GPUs the run is given, by lease", minimum=0)
    gpu_devices: Optional[list[str]] = setting(None, "GPU ids to lease; default: those of CUDA_VISIBLE_DEVICES, else of the driver")
    lease_dir: Optional[str] = setting(None, "absolute folder of the leases that runs share; default: one for the whole machine")


@dataclass
class DockerCompute(LocalCompute):
    """compute=docker: containers on this machine's Docker engine. Slots and GPUs are shared with local runs."""

    target: str = setting("docker", "name of the launcher; set by the choice of `compute`")
    memory_gib: Optional[float] = setting(
        None, "GiB of memory for the container, /dev/shm included and without swap; at least 0.006; default: no limit", above=0,
        in_spec=True,
    )
    cpu_limit: Optional[float] = setting(None, "CPU time for the container, in CPUs; default: no limit", minimum=0.01, in_spec=True)
    shm_size_gib: float = setting(2.0, "GiB of /dev/shm, through which data loaders hand over batches", above=0, in_spec=True)
    ulimits: dict[str, str] = setting(dict, "name: limit, or soft:hard, as in `memlock: -1`", in_spec=True)
    network: Optional[str] = setting(
        None, "host, none, bridge or the name of a network; default: the engine's, and for several nodes a network for the run alone",
        in_spec=True,
    )
    pids_limit: Optional[int] = setting(
        16384, "processes and threads in the container at a time; null: no limit", minimum=1, in_spec=True
    )
    no_new_privileges: bool = setting(
        True, "no process in the container gains rights: no sudo, no setuid", in_spec=True
    )
    capabilities: Optional[list[str]] = setting(
        list, "root's rights that the job keeps, as in [CHOWN]; names as in capabilities(7); null: those that the engine gives",
        in_spec=True,
    )
    gpu_request: str = setting(
        "device_requests", "how the container gets leased GPUs: by NVIDIA's container toolkit, or by CDI names",
        choices=("device_requests", "cdi"),
    )
    user: Optional[str] = setting(None, "uid:gid of the job; default: yours, so that you own its files", in_spec=True)
    arguments: dict[str, Any] = setting(
        dict, "further arguments of `docker run`, by their names in the docker SDK, as in `cap_add: [SYS_PTRACE]`; not a list of flags",
        in_spec=True,
    )


@dataclass
class SlurmCompute:
    """compute=slurm: a job of a Slurm cluster. `distributed.node_count` is its number of nodes."""

    target: str = setting("slurm", "name of the launcher; set by the choice of `compute`")
    partition: Optional[str] = setting(None, "partition, or several with commas; default: the cluster's")
    account: Optional[str] = setting(None, "account that is charged; default: yours")
    qos: Optional[str] = setting(None, "quality of service; default: the account's")
    cpus_per_task: int = setting(1, "CPUs on each node", minimum=1, in_spec=True)
    gpus_per_node: int = setting(0, "GPUs on each node; the job sees only these", minimum=0, in_spec=True)
    mem_gib: Optional[float] = setting(None, "GiB of memory on each node; default: the partition's", above=0, in_spec=True)
    time_minutes: Optional[int] = setting(None, "time limit of the job in minutes; default: the partition's", minimum=1)
    signal_seconds: Optional[int] = setting(
        None, "seconds before that limit at which the run gets SIGTERM; default: grace_seconds + 5", minimum=1
    )
    constraint: Optional[str] = setting(None, "features that the nodes must have, as in `a100&nvlink`", in_spec=True)
    exclusive: bool = setting(False, "no other job shares its nodes", in_spec=True)
    requeue: str = setting(
        "interrupted", "when the job goes back into the queue and the run goes on with its next attempt: interrupted is when it is "
        "preempted or loses a node; always is also at its time limit, for scripts that resume from outputs/",
        choices=("never", "interrupted", "always"),
    )
    max_requeues: int = setting(10, "how often requeue=always puts a run back for its time limit", minimum=1)
    setup: list[str] = setting(list, "lines of bash before the job, as in `module load cuda`; the job ends when one fails", in_spec=True)
    build: str = setting("submit", "where a missing venv is built: here before submission, or in the job", choices=("submit", "job"))
    container: str = setting(
        "auto", "what runs env.docker.image on the nodes; auto is pyxis where srun has it and the image is no .sif, else apptainer, else "
        "singularity", choices=("auto", "apptainer", "singularity", "pyxis"),
    )
    python: Optional[str] = setting(None, "Python of the agent on the nodes, 3.10 or later; default: the submitting one")
    pack: int = setting(1, "trials of a sweep that run at the same time inside one job", minimum=1)
    sbatch: dict[str, Any] = setting(
        dict, "any other option of sbatch by its long name, as in `gres: shard:2`; true for an option without a value", in_spec=True
    )
