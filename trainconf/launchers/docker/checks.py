"""Checks the settings of a container before any engine is asked: limits, networks, paths and names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from trainconf.engine.address import EngineFacts
from trainconf.engine.job_shell import SHELLS_OWN, can_export
from trainconf.errors import Mistake
from trainconf.launchers.protocol import Job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MINIMUM_MEMORY_BYTES = 6 * 2**20  # moby, daemon/daemon_unix.go, linuxMinMemory
MINIMUM_CPUS = 0.01
ULIMITS = (
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending",
    "stack",
)
CAPABILITIES = (
    "ALL", "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN", "DAC_OVERRIDE",
    "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE",
    "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
    "SYSLOG", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE",
    "SYS_TIME", "SYS_TTY_CONFIG", "WAKE_ALARM",
)
_ULIMIT = re.compile(r"(-1|\d+)(?::(-1|\d+))?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")

# The image's own: nothing may be mounted on them, above them or in them.
_SYSTEM = (
    "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/local/bin", "/usr/local/lib",
    "/etc", "/proc", "/sys", "/opt/trainconf", "/mnt/trainconf",
)
# What programs expect to be there and writable: nothing may be mounted on them or above them, but something in them may.
_SHARED = ("/dev/shm", "/tmp", "/var/tmp", "/run", "/opt/conda")


def check_limits(requested: Mapping[str, Any], facts: EngineFacts) -> Iterator[Mistake]:
    """compute.memory_gib, cpu_limit, shm_size_gib, ulimits, capabilities and user."""
    memory, cpus = requested["memory_gib"], requested["cpu_limit"]
    for name in ("memory_gib", "cpu_limit"):
        if requested[name] is not None and not facts.has_cgroups:
            yield Mistake(
                f"compute.{name}={requested[name]:g} is a limit that this engine cannot keep", ("because", "its cgroup driver is none"),
                hint="a rootless engine keeps limits on a machine with cgroup v2 and systemd; or leave the limit out",
            )
    if memory is not None and memory * 2**30 < MINIMUM_MEMORY_BYTES:
        yield Mistake(f"compute.memory_gib={memory:g} is less than an engine accepts",
                      ("allowed", "at least 0.006 (6 MiB), or null for no limit"))
    if cpus is not None and not MINIMUM_CPUS <= cpus <= (facts.cpu_count or cpus):
        most = f" to {facts.cpu_count}, the CPUs of this machine," if facts.cpu_count else " or more,"
        yield Mistake(f"compute.cpu_limit={cpus:g} is not what the engine accepts",
                      ("allowed", f"{MINIMUM_CPUS}{most} or null for no limit"))
    for name, text in requested["ulimits"].items():
        if name not in ULIMITS:
            yield Mistake(f"compute.ulimits.{name} is not a limit a container has", ("allowed", ", ".join(ULIMITS)))
        elif not _is_ulimit(text):
            yield Mistake(f"compute.ulimits.{name}={text} is not a limit",
                          ("allowed", "a number, or soft:hard with soft up to hard; -1 is unlimited"))
    for name in requested["capabilities"] or ():
        if name not in CAPABILITIES:
            yield Mistake(f"compute.capabilities has {name!r}, which is no capability of Linux",
                          ("allowed", f"ALL, {', '.join(CAPABILITIES[1:])}; see capabilities(7)"))
    if requested["user"] is not None and not _USER.fullmatch(str(requested["user"])):
        yield Mistake(f"compute.user={requested['user']} is not a user", ("allowed", "uid, uid:gid, or names that the image knows"))


def check_network(requested: Mapping[str, Any], node_count: int) -> Iterator[Mistake]:
    """compute.network together with distributed.node_count."""
    if requested["network"] is not None and node_count > 1:
        yield Mistake(
            f"compute.network={requested['network']}, but {node_count} nodes find each other on a network of the run's own",
            ("allowed", "null, or distributed.node_count=1"),
        )


def check_gpus(gpus: int, node_count: int) -> Iterator[Mistake]:
    """compute.gpus together with distributed.node_count."""
    if gpus % node_count:
        low = gpus - gpus % node_count
        yield Mistake(
            f"compute.gpus={gpus} cannot be shared out to {node_count} nodes", ("allowed", f"{low} or {low + node_count}"),
            hint="compute.gpus is what the run is given, all its nodes together",
        )


def check_mpi(job: Job) -> Iterator[Mistake]:
    """distributed=mpi: mpirun has no way into another container, and there is no Slurm."""
    if job.spec.distributed.kind != "mpi":
        return
    if job.spec.distributed.node_count > 1:
        yield Mistake(
            f"distributed.node_count={job.spec.distributed.node_count}, but with compute=docker mpirun has all processes in one container",
            ("allowed", "1"), hint="raise distributed.process_count_per_node; compute=slurm has several nodes",
        )
    if job.distributed.get("launcher") == "srun":
        yield Mistake("distributed.launcher=srun, but with compute=docker there is no Slurm to ask", ("allowed", "auto or mpirun"))


def check_paths(targets: Iterable[tuple[str, str, bool]], job: Job) -> Iterator[Mistake]:
    """Paths that are mounted as they are: none may hide the image's own files, and the engine must be able to read their names."""
    for what, path, _ in targets:
        try:
            path.encode()
        except UnicodeEncodeError:
            yield Mistake(f"{what} has a name that is not UTF-8, and a container engine takes nothing else", ("path", repr(path)))
            continue
        hidden = hides(path)
        if hidden:
            hint = "" if what.startswith("inputs.") else f"the workspace is {job.paths.workspace.root}: move it"
            yield Mistake(f"{what} is mounted at its own path, and would hide {hidden} of the image", ("path", path),
                          hint=hint or "link or copy it to another place, such as a folder of the workspace")


def check_names(names: Iterable[str]) -> Iterator[Mistake]:
    """Variables reach the job through a shell."""
    for name in names:
        if name in SHELLS_OWN:
            yield Mistake(f"env.variables has {name}, which some shells in a container keep for themselves: it would not reach the job",
                          hint="give it another name, or set it in the script")
        elif not can_export(name):
            yield Mistake(f"env.variables has {name!r}, which the shell in a container cannot hand on",
                          ("allowed", "letters, digits and _, not a digit first"))


def hides(path: str) -> str:
    """The folder of every image that a mount at this path would hide; empty when none."""
    for system in (*_SYSTEM, *_SHARED):
        if system == path or system.startswith(path.rstrip("/") + "/"):
            return system
    return next((system for system in _SYSTEM if path.startswith(system + "/")), "")


def ulimit(name: str, text: str) -> dict[str, Any]:
    """`soft:hard`, or one number for both, as the engine takes it."""
    soft, _, hard = str(text).partition(":")
    return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}


def _is_ulimit(text: str) -> bool:
    match = _ULIMIT.fullmatch(str(text))
    if not match:
        return False
    soft, hard = int(match[1]), int(match[2] or match[1])
    return hard == -1 or -1 < soft <= hard
