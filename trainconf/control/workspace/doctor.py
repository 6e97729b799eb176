"""What works on this machine, and what it means where something does not."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from trainconf.engine import address
from trainconf.engine.address import EngineFacts
from trainconf.engine.client import Engine, EngineError
from trainconf.environments.image.recipe import DEFAULT_PYTHON
from trainconf.environments.venv.installers import find_installer
from trainconf.errors import ContainerEngineError
from trainconf.fast.records import Record
from trainconf.files import FileLock
from trainconf.history import liveness
from trainconf.launchers.machine.gpus import NvidiaDevices
from trainconf.paths import WorkspacePaths
from trainconf.process import Processes

ASK_S = 10.0
LOW_DISK_BYTES = 1_000_000_000


class Check(Record):
    """One line of the report. `ok` is None where something is missing that not everybody needs; `meaning` says what follows."""

    name: str
    ok: bool | None
    detail: str
    meaning: str = ""

    @property
    def verdict(self) -> str:
        """The report's first column."""
        return "missing" if self.ok is None else "ok" if self.ok else "broken"


def examine(workspace: WorkspacePaths, processes: Processes) -> list[Check]:
    """Every check, in the order in which a run would meet them."""
    folder = _existing(workspace.root)
    return [
        python(), hydra(), installer(), git(processes), disk(folder), locks(folder), processes_seen(), gpus(processes),
        docker(), slurm(processes), *other_launchers(),
    ]  # fmt: skip


def python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= (3, 10), f"{found} at {sys.executable}")


def hydra() -> Check:
    try:
        return Check("hydra", True, f"hydra-core {version('hydra-core')}, omegaconf {version('omegaconf')}")
    except PackageNotFoundError as error:
        return Check("hydra", False, f"{error.name} is not installed", "no config can be composed; `pip install hydra-core`")


def installer() -> Check:
    found = find_installer().name
    if found.startswith("uv"):
        return Check("uv", True, found)
    if find_spec("ensurepip") is None:
        return Check("uv", None, "not found, and this Python has no ensurepip", "only env=current works; `pip install uv`")
    return Check("uv", None, f"not found, {found} is used", "environments take ten times as long to build; `pip install uv`")


def git(processes: Processes) -> Check:
    answer = processes.run(["git", "--version"], timeout_s=ASK_S)
    if answer.ok:
        return Check("git", True, answer.text())
    return Check("git", None, "not found", "runs are recorded without commit and patch; the snapshot still holds all code")


def disk(folder: str) -> Check:
    """Whether the workspace's disk can be written to and synced, and how much is free."""
    probe = os.path.join(folder, f".trainconf-doctor.{os.getpid()}")
    try:
        with open(probe, "xb") as stream:
            stream.write(b"x")
            os.fsync(stream.fileno())
        os.unlink(probe)
        stats = os.statvfs(folder)
    except OSError as error:
        return Check("disk", False, f"{folder} cannot be written: {error.strerror}", "no run can be recorded here")
    free = stats.f_bavail * stats.f_frsize
    return Check("disk", True, f"{free / 1e9:.1f} GB free at {folder}", "that is little" if free < LOW_DISK_BYTES else "")


def locks(folder: str) -> Check:
    """Whether a lock that this process holds is refused to another one; some network disks only pretend."""
    path = os.path.join(folder, f".trainconf-doctor.{os.getpid()}.lock")
    try:
        with FileLock(path):
            refused = _refused_to_another_process(path)
        os.unlink(path)
    except OSError as error:
        return Check("locks", False, f"file locks fail in {folder}: {error.strerror}", "nobody could tell whether a run's agent lives")
    if refused:
        return Check("locks", True, "file locks exclude other processes")
    return Check("locks", False, f"file locks in {folder} do not exclude anybody", "put the workspace on a local disk")


def _refused_to_another_process(path: str) -> bool:
    child = os.fork()
    if child == 0:
        got_it = True
        try:
            got_it = FileLock(path).acquire(blocking=False)
        finally:
            os._exit(int(got_it))  # never back into the caller's code
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def processes_seen() -> Check:
    """Whether /proc tells enough to recognise a process beyond doubt."""
    try:
        known = bool(liveness.identity()["boot_id"])
    except (OSError, ProcessLookupError):
        known = False
    if known:
        return Check("processes", True, "start times and boot id can be read")
    return Check("processes", False, "/proc cannot be read", "agents and jobs cannot be told from other processes")


def gpus(processes: Processes) -> Check:
    devices = NvidiaDevices(os.environ, processes).devices()
    outer = "CUDA_VISIBLE_DEVICES" in os.environ
    if devices:
        return Check("gpus", True, ", ".join(devices) + (" (by CUDA_VISIBLE_DEVICES)" if outer else ""))
    why = "CUDA_VISIBLE_DEVICES names none" if outer else "no NVIDIA driver found"
    return Check("gpus", None, why, "runs with compute.gpus above 0 are refused")


def docker() -> Check:
    """The engine that compute=docker would use, what it is like, and what of it works here."""
    try:
        where = address.find(os.environ)
        engine = Engine(where.url)
        found = address.facts(engine, where)
    except ContainerEngineError as error:
        (mistake,) = error.mistakes
        tried = ", ".join(f"{label} {text}" for label, text in mistake.facts if label in ("address", "from"))
        hint = f"; {mistake.hint}" if mistake.hint else ""
        return Check("docker", None, f"{mistake.what} ({tried})", f"compute=docker cannot be used{hint}")
    kind = "rootless" if found.is_rootless else "user namespaces" if found.has_userns_remap else "as root"
    gpus = "NVIDIA runtime" if "nvidia" in found.runtimes else "no NVIDIA runtime"
    at = f"engine {found.version}, API {found.api}, at {where.url} ({where.source})"
    lacks = [text for text in (_no_limits(found), _no_sdk(), _no_base_image(engine)) if text]
    return Check("docker", True, f"{at}, runs {kind}, cgroup v{found.cgroup_version}, {gpus}", "; ".join(lacks))


def _no_limits(found: EngineFacts) -> str:
    return "" if found.has_cgroups else "it has no cgroups: compute.memory_gib and compute.cpu_limit are refused"


def _no_sdk() -> str:
    if find_spec("docker") is not None:
        return ""
    return "no docker SDK, which pulls images, builds Dockerfiles and reads compute.arguments: `pip install 'trainconf[docker]'`"


def _no_base_image(engine: Engine) -> str:
    image = f"python:{DEFAULT_PYTHON}-slim"
    try:
        engine.get(f"/images/{image}/json")
    except EngineError as error:
        return f"{image} is not here yet and will be pulled" if error.is_missing else f"images cannot be asked for: {error.message}"
    return ""


def slurm(processes: Processes) -> Check:
    """Whether there is a client, a cluster that answers, and accounting."""
    answer = processes.run(["sbatch", "--version"], timeout_s=ASK_S)
    if not answer.found:
        return Check("slurm", None, "no sbatch", "jobs cannot be sent to Slurm from here")
    if not answer.ok:
        return Check("slurm", None, f"sbatch fails: {answer.last_lines(1)}", "jobs cannot be sent to Slurm from here")
    version = answer.text()
    configuration = processes.run(["scontrol", "show", "config"], timeout_s=ASK_S)
    if not configuration.ok:
        why = f"{version}, but its controller does not answer: {configuration.last_lines(1)}"
        return Check("slurm", None, why, "no job can be sent now")
    settings = dict(line.split("=", 1) for line in configuration.text().splitlines() if "=" in line)
    facts = {key.strip(): value.strip() for key, value in settings.items()}
    has_accounting = facts.get("AccountingStorageType", "") == "accounting_storage/slurmdbd"
    detail = f"{version}, cluster {facts.get('ClusterName', '?')}, {'with' if has_accounting else 'no'} accounting"
    forgets = f"how a job ended that could not say so itself is forgotten after {facts.get('MinJobAge', '?')}"
    return Check("slurm", True, detail, "" if has_accounting else forgets)


def other_launchers() -> list[Check]:
    """A line for each launcher of another package. One that is broken is needed by its own runs alone."""
    from trainconf import launchers, plugins
    from trainconf.errors import ConfigError

    found = []
    for name, (value, _) in sorted(plugins.offered().items()):
        try:
            launchers.get(name)
            plugins.settings_of(name)
        except ConfigError as error:
            found.append(Check(name, None, error.mistakes[0].what, f"compute={name} cannot be used"))
        else:
            found.append(Check(name, True, f"a launcher of another package, {value}"))
    return found


def _existing(folder: str) -> str:
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder
