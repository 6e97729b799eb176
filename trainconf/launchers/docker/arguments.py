"""`compute.arguments`: further arguments by the names of the docker SDK's `containers.run`. The SDK itself converts them.

An argument that trainconf decides is refused, with the setting to use instead. The SDK is imported only when there are arguments.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping

from trainconf.errors import Mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OURS = "trainconf's own part: it starts, follows and removes the container"
_NETWORK = "compute.network"
# By the SDK's name: what to use instead.
OWNED = {
    "image": "env.docker.image", "command": "command or script", "user": "compute.user", "working_dir": "always the run's code/",
    "environment": "env.variables", "name": _OURS, "detach": _OURS, "remove": _OURS, "auto_remove": _OURS, "stdin_open": _OURS,
    "tty": _OURS, "stream": _OURS, "stdout": _OURS, "stderr": _OURS, "version": _OURS, "init": "always true",
    "log_config": "always none: the job writes logs/std_log.txt of its run itself", "network": _NETWORK, "network_mode": _NETWORK,
    "networking_config": _NETWORK, "network_disabled": "compute.network=none", "mem_limit": "compute.memory_gib",
    "shm_size": "compute.shm_size_gib", "nano_cpus": "compute.cpu_limit", "ulimits": "compute.ulimits",
    "device_requests": "compute.gpus", "restart_policy": "retries", "stop_signal": "always SIGTERM, then SIGKILL after grace_seconds",
    "userns_mode": "always host, so that the job's files are yours", "use_config_proxy": "env.variables.HTTP_PROXY and its like",
    "platform": "env.docker.base_image, of the platform you need",
}
_ADDED_TO = ("Mounts", "GroupAdd", "CapAdd", "CapDrop", "SecurityOpt")
_SPLIT = ("ports", "volumes")  # go into more than one place of the request


def convert(arguments: Any, api: str, *, node_count: int = 1) -> tuple[dict[str, Any], list[Mistake]]:
    """The part of the request that the arguments make, `HostConfig` among it, and every mistake. `api` is the engine's version."""
    if not arguments:
        return {}, []
    try:
        from docker.models import containers
    except ImportError as error:
        return {}, [Mistake("compute.arguments needs the docker SDK, which is not installed", ("because", str(error)),
                            hint="pip install 'trainconf[docker]'")]
    known = {*containers.RUN_CREATE_KWARGS, *containers.RUN_HOST_CONFIG_KWARGS, *_SPLIT} - {"version"}
    request: dict[str, Any] = {"HostConfig": {}}
    mistakes: list[Mistake] = []
    for name, value in arguments.items():
        instead = OWNED.get(name) or ("node-<rank>, by which the nodes find each other" if name == "hostname" and node_count > 1 else "")
        if instead:
            mistakes.append(Mistake(f"compute.arguments.{name} is not for you to set", ("instead", instead)))
        elif name not in known:
            mistakes.append(_unknown(name, known))
        else:
            _convert_one(name, value, api, request, mistakes)
    # plain data: the SDK's mounts and health checks are dicts of a kind that no plan can copy
    return json.loads(json.dumps(request)), mistakes


def merge(request: dict[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Our request with these arguments in it: mounts, groups, capabilities and labels are added to, anything else is set."""
    host = dict(request["HostConfig"])
    for name, value in further.get("HostConfig", {}).items():
        host[name] = [*host.get(name, []), *value] if name in _ADDED_TO else value
    labels = {**further.get("Labels", {}), **request["Labels"]}
    return {**request, **further, "Labels": labels, "HostConfig": host}


def _unknown(name: str, known: set[str]) -> Mistake:
    from difflib import get_close_matches

    near = get_close_matches(name.lstrip("-").replace("-", "_"), sorted(known | set(OWNED)), n=1)
    facts = []
    if near:
        instead = f", which is {OWNED[near[0]]} here" if near[0] in OWNED else ""
        facts = [("nearest", near[0] + instead)]
    hint = "" if near else "its names are those of `docker run` with _ for -, often in the plural: cap_add, devices, tmpfs"
    return Mistake(f"compute.arguments.{name} is not an argument of the docker SDK's containers.run", *facts, hint=hint)


def _convert_one(name: str, value: Any, api: str, request: dict[str, Any], mistakes: list[Mistake]) -> None:
    """Have the SDK convert one argument, so that its refusal names that one."""
    from docker.errors import DockerException
    from docker.models import containers
    from docker.types import ContainerConfig, HostConfig, Mount

    host = request["HostConfig"]
    try:
        if name == "mounts":
            value = [Mount(**mount) for mount in value]
        if name == "ports":
            made = HostConfig(version=api, port_bindings=value)
            request["ExposedPorts"] = {port: {} for port in made["PortBindings"]}
        elif name == "volumes":
            made = HostConfig(version=api, binds=value)
        elif name in containers.RUN_HOST_CONFIG_KWARGS:
            made = HostConfig(version=api, **{name: value})
        else:
            config = ContainerConfig(version=api, image="", command=None, **{name: value})
            before = ContainerConfig(version=api, image="", command=None)
            request.update({key: made for key, made in config.items() if made != before[key]})
            return
        host |= {key: part for key, part in made.items() if key != "NetworkMode"}
    except (DockerException, TypeError, ValueError, LookupError, AttributeError) as error:
        mistakes.append(Mistake(f"compute.arguments.{name} is refused by the docker SDK", ("because", f"{error}")))
        return
    mistakes.extend(_missing_sources(name, made))


def _missing_sources(name: str, made: Mapping[str, Any]) -> Iterator[Mistake]:
    """Folders of this machine that are to be mounted and are missing; for `volumes` the engine would make them, as root."""
    sources = [mount["Source"] for mount in made.get("Mounts", ()) if mount["Type"] == "bind"]
    sources += [bind.partition(":")[0] for bind in made.get("Binds", ())]
    for source in sources:
        if source.startswith((".", "~")) or (name == "mounts" and not os.path.isabs(source)):
            yield Mistake(f"compute.arguments.{name} mounts {source}, which is not an absolute path",
                          ("allowed", "an absolute path, or a volume's name"))
        elif os.path.isabs(source) and not os.path.exists(source):
            yield Mistake(f"compute.arguments.{name} mounts {source}, which does not exist")
