"""Makes the requests for a job: the body of POST /containers/create for each of its nodes, and of its network. Calls no engine.

A path means the same inside and outside: the run directory, the inputs and HOME are mounted where they lie. The job can write only to the
code and to single files of the run directory, so it cannot change what is recorded of it, nor put a link where the host reads.
Names and meanings are those of https://docs.docker.com/reference/api/engine/.

    memory_gib     Memory, and MemorySwap of the same size: no swap on top, so that a run dies of its limit at once instead of crawling
    cpu_limit      NanoCpus: a share of time, not certain processors
    user           the caller's uid:gid with the caller's other groups; 0:0 where the engine's root *is* the caller (rootless)
    UsernsMode     always `host`: with a remapped engine nobody's files would be the caller's, elsewhere it changes nothing
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping, Sequence

import trainconf
from trainconf.distributed import mpi
from trainconf.distributed.layout import RankLayout
from trainconf.engine import container, job_shell
from trainconf.engine.address import EngineFacts
from trainconf.errors import ConfigError, Mistake
from trainconf.launchers.docker import arguments, checks
from trainconf.launchers.job.env import compat_variables, input_variables, tool_variables
from trainconf.launchers.protocol import Job
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GIB = 2**30
# An MPI takes large messages out of another process' memory, which a container may not (process_vm_readv(2), seccomp): MPICH fails of it.
ROOTS_OWN = ("CHOWN", "DAC_OVERRIDE", "FOWNER")  # capabilities(7): files that belong to somebody else
NO_FOREIGN_MEMORY = {"MPIR_CVAR_CH4_CMA_ENABLE": "0", "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}


def body(job: Job, places: Sequence[RankLayout], argv: Sequence[str], facts: EngineFacts) -> dict[str, Any]:
    """The request for the container of one node, `places` being its ranks; the agent adds its name, the attempt's label and the GPU ids.

    Raises ConfigError with every mistake of `check`.
    """
    requested = settings(job)
    mistakes = list(check(job, facts))
    further, wrong = arguments.convert(requested["arguments"], facts.api, node_count=job.spec.distributed.node_count)
    if mistakes or wrong:
        raise ConfigError([*mistakes, *wrong])
    request = {
        "Image": job.image,
        "Entrypoint": [""],  # none, whatever the image has
        "Cmd": _command(job, places, argv, facts),
        "Env": [*([] if job.spec.distributed.kind == "mpi" else [job_shell.GROUP_ENV]), *_gpu_env(job)],
        "User": user(requested, facts),
        "WorkingDir": job.paths.code,
        "Labels": _labels(job) | {container.LABEL_RANK: str(places[0].rank)},
        "Healthcheck": {"Test": ["NONE"]},
        "OpenStdin": True, "StdinOnce": True, "AttachStdin": True, "AttachStdout": False, "AttachStderr": False, "Tty": False,
        "HostConfig": _host_config(job, places, requested, facts),
        **_network_of(job, places[0].node_rank),
    }
    return arguments.merge(request, further)


def _command(job: Job, places: Sequence[RankLayout], argv: Sequence[str], facts: EngineFacts) -> list[str]:
    first, has_cgroup = places[0].rank, facts.has_cgroups
    log, usage, ends = job.paths.log(first), job.paths.usage(first), job.paths.ends(first)
    ranks = [place.rank for place in places]
    if job.spec.distributed.kind == "mpi":
        mpirun = [job.distributed.get("mpirun") or "mpirun", *map(str, job.distributed.get("mpirun_arguments") or [])]
        return job_shell.mpi_command(log, usage, ends, ranks, mpirun, argv, has_cgroup=has_cgroup)
    if len(ranks) == 1:
        return job_shell.command(log, usage, argv, has_cgroup=has_cgroup)
    return job_shell.ranks_command(log, usage, ends, ranks, argv, has_cgroup=has_cgroup)


def network(job: Job) -> dict[str, Any] | None:
    """The request for the run's own network, POST /networks/create; None for a single node, which needs none."""
    if job.spec.distributed.node_count == 1:
        return None
    return {"Name": network_name(job), "Driver": "bridge", "CheckDuplicate": True, "Labels": _labels(job)}


def network_name(job: Job) -> str:
    return f"trainconf-{job.run_id}"


def variables(job: Job) -> dict[str, str]:
    """The variables that the shell in its container gives every rank. The job's own win over ours, save TRAINCONF_*.

    The shell also sets PYTHONPATH: only there the image's own is known.
    """
    home = job.paths.workspace.home
    name = user_name(settings(job)["user"])
    return {
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        **({**mpi.VARIABLES, **NO_FOREIGN_MEMORY} if job.spec.distributed.kind == "mpi" else {}),
        "HOME": home,
        "XDG_CACHE_HOME": os.path.join(home, ".cache"),
        "USER": name,
        "LOGNAME": name,
        **tool_variables(job.spec.code.compat),
        **job.env,
        "TRAINCONF_RUN_ID": job.run_id,
        "TRAINCONF_RUN_DIR": job.paths.run_dir,
        "TRAINCONF_EXPERIMENT": job.experiment_name,
        "TRAINCONF_PARAMS": job.paths.params,
        **compat_variables(job.spec.code.compat),
        **input_variables(job.spec.code.inputs),
    }


def settings(job: Job) -> dict[str, Any]:
    """The compute config, with the defaults for what it does not say."""
    from dataclasses import fields

    from trainconf.schema import DockerCompute, default

    return {field.name: default(field) for field in fields(DockerCompute)} | dict(job.compute)


def user(requested: Mapping[str, Any], facts: EngineFacts) -> str:
    """`User` of the container. Unless another is requested, what the job writes is the caller's."""
    if requested["user"] is not None:
        return str(requested["user"])
    return "0:0" if facts.is_rootless else f"{os.getuid()}:{os.getgid()}"


def user_name(requested: str | None) -> str:
    """The name of the user that the job runs as: `compute.user`, or the caller. The number where nobody knows a name."""
    if requested is not None:
        named = str(requested).partition(":")[0]
        return "root" if named == "0" else named
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def umask(job: Job) -> str:
    """The caller's, which a container does not inherit; the usual one for another user, whose private files the caller could not read."""
    if settings(job)["user"] is not None:
        return job_shell.UMASK
    with open("/proc/self/status", encoding="ascii", errors="replace") as stream:  # os.umask() would change it for all threads
        return next((f"{int(line.split()[1], 8):03o}" for line in stream if line.startswith("Umask:")), job_shell.UMASK)


def check(job: Job, facts: EngineFacts) -> Iterator[Mistake]:
    """What is wrong with the request and can be known without the engine."""
    requested = settings(job)
    yield from checks.check_limits(requested, facts)
    yield from checks.check_network(requested, job.spec.distributed.node_count)
    yield from checks.check_mpi(job)
    yield from checks.check_gpus(job.spec.compute.gpus, job.spec.distributed.node_count)
    yield from checks.check_paths(targets(job), job)
    yield from checks.check_names([*job.env, *job.secrets])


def targets(job: Job) -> list[tuple[str, str, bool]]:
    """What is mounted at its own path: its setting, its path, whether it is read-only. What the host trusts is read-only."""
    inputs = [(f"inputs.{name}", path, True) for name, path in job.spec.code.inputs]
    run = [("the run directory", job.paths.run_dir, True), ("the run directory", job.paths.code, False)]
    return [*run, ("HOME", job.paths.workspace.home, False), *inputs]


def written_files(paths: RunPaths, ranks: Sequence[int]) -> list[str]:
    """The files, besides its code, that the container of these ranks writes to. Each is mounted by itself, so that the job can put
    nothing else in its place; each is there before."""
    return [*(paths.log(rank) for rank in ranks), paths.usage(ranks[0]), paths.ends(ranks[0]), paths.metrics, paths.records]


def capabilities(requested: Mapping[str, Any]) -> dict[str, list[str]]:
    """Those requested. A job that is root by `compute.user` can also write files of the caller: without that it has no log."""
    if requested["capabilities"] is None:
        return {}
    is_others_root = os.getuid() != 0 and requested["user"] is not None and user_name(requested["user"]) == "root"
    kept = [*requested["capabilities"], *(ROOTS_OWN if is_others_root else ())]
    return {"CapDrop": ["ALL"], **({"CapAdd": list(dict.fromkeys(kept))} if kept else {})}


def _host_config(job: Job, places: Sequence[RankLayout], requested: Mapping[str, Any], facts: EngineFacts) -> dict[str, Any]:
    limits: dict[str, Any] = {"ShmSize": int(requested["shm_size_gib"] * GIB)}
    if requested["memory_gib"] is not None:
        limits["Memory"] = limits["MemorySwap"] = int(requested["memory_gib"] * GIB)
    if requested["cpu_limit"] is not None:
        limits["NanoCpus"] = round(requested["cpu_limit"] * 1e9)
    if requested["ulimits"]:
        limits["Ulimits"] = [checks.ulimit(name, text) for name, text in requested["ulimits"].items()]
    if job.spec.compute.gpus:
        limits["DeviceRequests"] = [container.gpu_request(requested["gpu_request"])]
    if requested["user"] is None and not facts.is_rootless:
        limits["GroupAdd"] = [str(group) for group in sorted(set(os.getgroups()) - {os.getgid()})]
    if requested["pids_limit"] is not None and facts.has_cgroups:
        limits["PidsLimit"] = requested["pids_limit"]
    if requested["no_new_privileges"]:
        limits["SecurityOpt"] = ["no-new-privileges"]
    return {
        "Init": True,
        "UsernsMode": "host",
        "LogConfig": {"Type": "none"},
        "Mounts": list(_mounts(job, [place.rank for place in places])),
        "NetworkMode": (requested["network"] or "default") if job.spec.distributed.node_count == 1 else network_name(job),
        **limits,
        **capabilities(requested),
    }


def _mounts(job: Job, ranks: Sequence[int]) -> Iterator[dict[str, Any]]:
    package = os.path.dirname(os.path.abspath(trainconf.__file__))
    yield _bind(package, f"{job_shell.PACKAGE_PATH}/{os.path.basename(package)}", read_only=True)
    seen = set()
    for _, path, read_only in targets(job):
        if path not in seen:
            seen.add(path)
            yield _bind(path, path, read_only=read_only)
    yield from (_bind(path, path, read_only=False) for path in written_files(job.paths, ranks))


def _bind(source: str, target: str, *, read_only: bool) -> dict[str, Any]:
    """Of type bind and no volume: a source that is missing is then an error, and not a new folder of root's."""
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only}


def _network_of(job: Job, node: int) -> dict[str, Any]:
    if job.spec.distributed.node_count == 1:
        return {}
    name = job_shell.NODE_HOST.format(node)
    return {"Hostname": name, "NetworkingConfig": {"EndpointsConfig": {network_name(job): {"Aliases": [name]}}}}


def _labels(job: Job) -> dict[str, str]:
    return {
        container.LABEL_RUN_ID: job.run_id,
        container.LABEL_RUN_DIR: job.paths.run_dir,
        container.LABEL_UID: str(os.getuid()),
    }


def _gpu_env(job: Job) -> list[str]:
    """Variables that NVIDIA's runtime reads from the request itself. An image that asks for all GPUs gets the leased ones, or none."""
    wanted = {name: value for name, value in job.env.items() if name.startswith("NVIDIA_")}
    if not job.spec.compute.gpus:
        wanted.setdefault("NVIDIA_VISIBLE_DEVICES", "void")
    return [f"{name}={value}" for name, value in wanted.items()]
