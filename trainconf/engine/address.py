"""Finds the container engine, says what it is like, and explains why it cannot be used.

The rules are those of the `docker` command: DOCKER_HOST, else the context that DOCKER_CONTEXT or `docker context use` names, else the
default socket. A context's file is read here and not by the docker SDK, whose import takes 80 ms: people with Docker Desktop or a
rootless engine have one, and would pay that for every run. A test holds both to the same answer.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

from trainconf import files
from trainconf.engine.client import OLDEST_API, SCHEME, Engine, EngineError, EngineUnreachable
from trainconf.errors import ContainerEngineError
from trainconf.fast.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DEFAULT_SOCKET = "/var/run/docker.sock"
_UNREACHABLE = {  # by errno(3)
    2: ("there is no container engine", "install or start Docker, or choose another engine with DOCKER_HOST or `docker context use`"),
    111: ("no container engine listens on its socket", "it was stopped or has crashed; often `systemctl start docker` starts it"),
    13: (
        "the container engine's socket refuses you",
        "become a member of the group that `ls -l {socket}` shows (often `usermod -aG docker $USER`, then log in again), or run a rootless "
        "engine of your own",
    ),
}
_SILENT = ("the container engine does not answer", "`docker info` should answer within a second; if it does not, restart the engine")
_MISSING_SOURCE = "bind source path does not exist"  # moby, volume/mounts/validate.go


class EngineAddress(Record):
    """Where the engine is, and what named it."""

    url: str
    source: str

    @property
    def socket(self) -> str:
        """The path of its socket."""
        return self.url.removeprefix(SCHEME)

    @property
    def facts(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Both, for a message."""
        return (("address", self.url), ("from", self.source))


class EngineFacts(Record):
    """What an engine says about itself."""

    version: str = ""
    api: str = ""
    is_rootless: bool = False  # its root is the user who started it
    has_userns_remap: bool = False  # its root is nobody on this machine, unless a container asks otherwise
    cgroup_driver: str = ""
    cgroup_version: str = ""  # "1" or "2"
    cpu_count: int = 0  # of the machine; 0 where it did not say, like memory_bytes
    memory_bytes: int = 0
    runtimes: tuple[str, ...] = ()
    system: str = ""

    @property
    def has_cgroups(self) -> bool:
        """Whether containers have a cgroup of their own; without one nothing limits or counts what they use (rootless, cgroup v1)."""
        return self.cgroup_driver != "none"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, which the constructor takes back."""
        return {**vars(self), "runtimes": list(self.runtimes)}


def find(environ: Mapping[str, str]) -> EngineAddress:
    """The engine that `docker` would speak to. Raises ContainerEngineError: it is on another machine, or the context cannot be read."""
    url = environ.get("DOCKER_HOST", "")
    if url:
        return _on_this_machine(EngineAddress(url, "DOCKER_HOST"))
    folder = environ.get("DOCKER_CONFIG") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".docker")
    name, named_by = environ.get("DOCKER_CONTEXT", ""), "DOCKER_CONTEXT"
    if not name:
        named_by = os.path.join(folder, "config.json")
        name = _current_context(named_by)
    if name not in ("", "default"):
        return _on_this_machine(EngineAddress(_context_host(folder, name, named_by), f"context {name} ({named_by})"))
    rootless = os.path.join(environ.get("XDG_RUNTIME_DIR", ""), "docker.sock")
    if not os.path.exists(DEFAULT_SOCKET) and os.path.isabs(rootless) and os.path.exists(rootless):
        return EngineAddress(SCHEME + rootless, "the default socket of a rootless engine")
    return EngineAddress(SCHEME + DEFAULT_SOCKET, "the default socket")


def facts(engine: Engine, address: EngineAddress, cache_dir: str = "") -> EngineFacts:
    """What the engine is like. The engine is always called, so that a missing one is noticed.

    The answer to GET /info takes 10 ms. It is kept in `cache_dir` while the socket is the same file: what is decided by it, rootless or
    not, cannot change meanwhile. Raises ContainerEngineError.
    """
    try:
        api = engine.api
        kept = _cache_file(address, api, cache_dir)
        found = _read_cache(kept)
        if found is None:
            found = _from_info(engine.get("/info"), api)
            _write_cache(kept, found)
    except EngineError as error:
        raise explain(address, error) from error
    return found


def explain(address: EngineAddress, error: EngineError) -> ContainerEngineError:
    """Why an engine could not be used, with the address that was tried, where that came from, and what to do."""
    if not isinstance(error, EngineUnreachable):
        if error.status == 505:
            oldest = ".".join(map(str, OLDEST_API))
            return ContainerEngineError("the container engine is too old", *address.facts, ("because", error.message),
                                        hint=f"Docker 20.10 is the oldest whose interface has version {oldest}")
        return ContainerEngineError("the container engine refuses", *address.facts, ("because", error.message))
    what, hint = _UNREACHABLE.get(error.errno or 0, _SILENT)
    return ContainerEngineError(what, *address.facts, ("because", error.message), hint=hint.format(socket=address.socket))


def missing_source(error: EngineError) -> str | None:
    """The path that the engine could not mount because it sees no such thing; None for any other refusal."""
    _, found, path = error.message.partition(_MISSING_SOURCE)
    return path.lstrip(": ") if found else None


def explain_missing_source(address: EngineAddress, path: str) -> ContainerEngineError:
    """The engine does not see a path of this machine: its socket leads to another machine's disk, unless the path was just removed."""
    if not os.path.lexists(path):
        return ContainerEngineError(f"{path} is gone: it cannot be mounted", *address.facts)
    return ContainerEngineError(
        f"the container engine does not see {path}, which is here", *address.facts,
        hint="its socket leads to a machine with another disk; folders are mounted by their path, so submit there",
    )


def _on_this_machine(address: EngineAddress) -> EngineAddress:
    if address.url.startswith(f"{SCHEME}/"):
        return address
    raise ContainerEngineError(
        f"the container engine at {address.url} is on another machine, or may be", ("from", address.source),
        ("allowed", f"{SCHEME}<absolute path of a socket on this machine>"),
        hint="the run's folder and its inputs are mounted by their path, which would name that machine's disk: submit there, or "
             f"choose the engine of this machine with DOCKER_HOST={SCHEME}{DEFAULT_SOCKET} or `docker context use default`",
    )


def _current_context(path: str) -> str:
    """What `docker context use` wrote; a missing file means the default."""
    try:
        with open(path, encoding="utf-8") as stream:
            name = json.load(stream).get("currentContext", "")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, AttributeError) as error:
        raise ContainerEngineError("docker's own settings cannot be read", ("path", path), ("because", str(error))) from error
    return str(name)


def _context_host(folder: str, name: str, named_by: str) -> str:
    """Where a context leads; its file is named by the hash of its name (docker CLI, context store)."""
    import hashlib

    path = os.path.join(folder, "contexts", "meta", hashlib.sha256(name.encode()).hexdigest(), "meta.json")
    try:
        with open(path, encoding="utf-8") as stream:
            return str(json.load(stream)["Endpoints"]["docker"]["Host"])
    except FileNotFoundError as error:
        raise ContainerEngineError(f"there is no docker context {name}", ("from", named_by), ("path", path),
                                   hint="`docker context ls` lists them") from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ContainerEngineError(f"the docker context {name} cannot be read", ("from", named_by), ("path", path),
                                   ("because", f"{type(error).__name__}: {error}")) from error


def _from_info(info: dict[str, Any], api: str) -> EngineFacts:
    security = {option.partition(",")[0] for option in info.get("SecurityOptions") or ()}
    return EngineFacts(
        version=str(info.get("ServerVersion", "")), api=api, is_rootless="name=rootless" in security,
        has_userns_remap="name=userns" in security, cgroup_driver=str(info.get("CgroupDriver", "")),
        cgroup_version=str(info.get("CgroupVersion", "")), cpu_count=int(info.get("NCPU") or 0),
        memory_bytes=int(info.get("MemTotal") or 0), runtimes=tuple(sorted(info.get("Runtimes") or ())),
        system=str(info.get("OperatingSystem", "")),
    )


def _cache_file(address: EngineAddress, api: str, cache_dir: str) -> str:
    """Named by the socket's own identity; empty when nothing can be kept."""
    import zlib

    try:
        seen = os.stat(address.socket)
    except OSError:
        return ""
    identity = repr((address.socket, api, seen.st_dev, seen.st_ino, seen.st_ctime_ns))
    return os.path.join(cache_dir, f"engine-{zlib.crc32(os.fsencode(identity)):08x}.json") if cache_dir else ""


def _read_cache(path: str) -> EngineFacts | None:
    try:
        values = files.read_json(path)
        return EngineFacts(**(values | {"runtimes": tuple(values["runtimes"])}))
    except (OSError, ValueError, TypeError, LookupError):
        return None  # not there, or of another version: the engine is asked


def _write_cache(path: str, found: EngineFacts) -> None:
    if not path:
        return
    with suppress(OSError):  # without it the next run asks again, for 10 ms
        os.makedirs(os.path.dirname(path), exist_ok=True)
        files.write_atomic(path, files.dumps(found.to_dict()), durable=False)
