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
    slots: Optional[int] = setting(None, "slots this machine has for all runs together; null is its number of CPUs", minimum=1)
    cpus: int = setting(1, "slots the run occupies while it runs", minimum=1)
    gpus: int = setting(0, "GPUs the run is given, by lease", minimum=0)
    gpu_devices: Optional[list[str]] = setting(None, "GPU ids that may be leased; null is what CUDA_VISIBLE_DEVICES or the driver says")
    lease_dir: Optional[str] = setting(None, "absolute folder of the leases all runs of this machine share; null is the machine's own")


@dataclass
class DockerCompute(LocalCompute):
    """compute=docker: containers on this machine's Docker engine. Slots and GPUs are shared with local runs."""

    target: str = setting("docker", "name of the launcher; set by the choice of `compute`")
    memory_gib: Optional[float] = setting(
        None, "GiB of memory the container may use, /dev/shm included and no swap on top; null is no limit, least 0.006", above=0,
        in_spec=True,
    )
    cpu_limit: Optional[float] = setting(None, "CPUs' worth of time the container may use; null is no limit", minimum=0.01, in_spec=True)
    shm_size_gib: float = setting(2.0, "GiB of /dev/shm, through which data loaders hand over batches", above=0, in_spec=True)
    ulimits: dict[str, str] = setting(dict, "name: limit, or soft:hard, as in `memlock: -1`", in_spec=True)
    network: Optional[str] = setting(
        None, "host, none, bridge or a network's name; null is the engine's default, and for several nodes one of the run's own",
        in_spec=True,
    )
    pids_limit: Optional[int] = setting(
        16384, "processes and threads the container may have at a time; null is no limit", minimum=1, in_spec=True
    )
    no_new_privileges: bool = setting(
        True, "nothing in the container gets more rights than it began with: no sudo, no setuid", in_spec=True
    )
    capabilities: Optional[list[str]] = setting(
        list, "rights of root that the job keeps, as in [CHOWN], by their names in capabilities(7); null is what the engine gives",
        in_spec=True,
    )
    gpu_request: str = setting(
        "device_requests", "how leased GPUs are asked for: of NVIDIA's container toolkit, or by CDI names",
        choices=("device_requests", "cdi"),
    )
    user: Optional[str] = setting(None, "uid:gid of the job; null is yours, so that its files are yours", in_spec=True)
    arguments: dict[str, Any] = setting(
        dict, "further arguments of `docker run` by their names in the docker SDK, as in `cap_add: [SYS_PTRACE]`; not a list of flags",
        in_spec=True,
    )


@dataclass
class SlurmCompute:
    """compute=slurm: a job of a Slurm cluster. Nodes are `distributed.node_count`; null leaves a question to the cluster."""

    target: str = setting("slurm", "name of the launcher; set by the choice of `compute`")
    partition: Optional[str] = setting(None, "partition, or several with commas; null is the cluster's default")
    account: Optional[str] = setting(None, "account the job is charged to; null is yours")
    qos: Optional[str] = setting(None, "quality of service; null is the account's")
    cpus_per_task: int = setting(1, "CPUs on each node", minimum=1, in_spec=True)
    gpus_per_node: int = setting(0, "GPUs on each node; the job sees those that Slurm gives it", minimum=0, in_spec=True)
    mem_gib: Optional[float] = setting(None, "GiB of memory on each node; null is the partition's default", above=0, in_spec=True)
    time_minutes: Optional[int] = setting(None, "minutes the job may take; null is the partition's default", minimum=1)
    signal_seconds: Optional[int] = setting(
        None, "seconds before that time is up at which the run is ended politely; null is grace_seconds and 5 more", minimum=1
    )
    constraint: Optional[str] = setting(None, "features the nodes must have, as in `a100&nvlink`", in_spec=True)
    exclusive: bool = setting(False, "no other job on its nodes", in_spec=True)
    requeue: str = setting(
        "interrupted", "when the job goes back into the queue, and the run on with the next attempt: interrupted is preempted or without "
        "one of its nodes; always is also out of time, for scripts that go on from what they left in outputs/",
        choices=("never", "interrupted", "always"),
    )
    max_requeues: int = setting(10, "times that a run goes back for its time limit, with requeue=always", minimum=1)
    setup: list[str] = setting(list, "lines of bash before the job, as in `module load cuda`; one that fails ends it", in_spec=True)
    build: str = setting("submit", "where a missing venv is built: before submission, or in the job", choices=("submit", "job"))
    container: str = setting(
        "auto", "what runs env.docker.image on the nodes; auto is pyxis where srun has it and the image is no .sif, else apptainer, else "
        "singularity", choices=("auto", "apptainer", "singularity", "pyxis"),
    )
    python: Optional[str] = setting(None, "Python of the agent on the nodes, 3.10 or later; null is the submitting one")
    pack: int = setting(1, "trials of a sweep that run at a time inside one job", minimum=1)
    sbatch: dict[str, Any] = setting(
        dict, "any other option of sbatch by its long name, as in `gres: shard:2`; true stands for an option without a value", in_spec=True
    )
