"""What a job gets of machines, and its processes. Pure."""

from __future__ import annotations

import shlex
from typing import Any

from trainconf.compat.azureml.v2.document import Document, Field
from trainconf.compat.azureml.v2.fields import DISTRIBUTION, RESOURCES
from trainconf.sdk.settings.arguments import Arguments
from trainconf.sdk.settings.docker_flags import read_flags, size_gib

Placed = list[tuple[tuple[str, ...], dict[str, Any]]]


def read_resources(document: Document, keys: tuple[str, ...], target: str) -> tuple[int, Placed]:
    """The number of nodes, and settings of the compute target. What only a container has is told where there is none.

    target: what carries runs out, empty where it is not known.
    """
    found = document.read(keys, RESOURCES)
    settings: Placed = []
    for key in ("shm_size", "docker_args"):
        if key in found and target not in ("docker", ""):
            document.tell((*keys, key), f"has no meaning with compute={target}: no container of Docker runs the job")
        elif key in found:
            read = _shm_size if key == "shm_size" else _docker_args
            settings += [((*keys, key), tree) for tree in read(document, (*keys, key), found[key])]
    return int(found.get("instance_count", 1)), settings


def _shm_size(document: Document, keys: tuple[str, ...], given: str) -> list[dict[str, Any]]:
    size = size_gib(given)
    if size is None:
        document.wrong(keys, f"shm_size is {given!r}", ("allowed", "a size such as 2g or 512m"))
        return []
    return [{"compute": {"shm_size_gib": size}}]


def _docker_args(document: Document, keys: tuple[str, ...], given: Any) -> list[dict[str, Any]]:
    arguments = Arguments("docker_args", document.place(*keys))
    if not isinstance(given, (str, list)):
        arguments.refuse("docker_args", given, "a text or a list of flags of `docker run`")
        words = []
    else:
        words = shlex.split(given) if isinstance(given, str) else [str(word) for word in given]
    tree = read_flags(words, arguments)
    document.mistakes += arguments.mistakes
    return [tree] if tree else []


def read_distribution(document: Document, keys: tuple[str, ...], node_count: int) -> tuple[str, Placed]:
    """The choice of `distributed`, and its settings."""
    given = document.at(*keys)
    if given is None:
        return "none", []
    kind = str(given.get("type", "")).lower() if isinstance(given, dict) else ""
    if kind == "ray":
        document.wrong(keys, "trainconf starts no Ray cluster", ("allowed", ", ".join(DISTRIBUTION)),
                       hint="leave `distribution` out, and have the command start Ray itself: `ray start --head && python train.py`")
        return "none", []
    if kind not in DISTRIBUTION:
        document.wrong(keys, f"distribution has the type {kind!r}", ("allowed", ", ".join(DISTRIBUTION)))
        return "none", []
    found = document.read(keys, {"type": Field(), **DISTRIBUTION[kind]})
    nodes = (("resources", "instance_count"), {"node_count": node_count})
    if kind == "tensorflow":
        workers = found.get("worker_count", node_count)
        counts = {"worker_count": workers, "parameter_server_count": found.get("parameter_server_count", 0)}
        return kind, [(keys, counts), (nodes[0], {"node_count": min(node_count, workers)})]
    per_node = found.get("process_count_per_instance", 1)
    return kind, [((*keys, "process_count_per_instance"), {"process_count_per_node": per_node}), nodes]
