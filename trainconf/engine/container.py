"""The labels of a run's containers, and the GPUs they get: the launcher asks for them, the agent fills in the ids and looks for labels.

Standard library only; nothing here calls an engine. `job_shell` is what runs first in a container.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

LABEL_RUN_ID = "trainconf.run_id"
LABEL_RUN_DIR = "trainconf.run_dir"
LABEL_RANK = "trainconf.rank"
LABEL_ATTEMPT = "trainconf.attempt"
LABEL_UID = "trainconf.uid"

_CDI_DRIVER = "cdi"
_CDI_KIND = "nvidia.com/gpu"


def with_gpus(body: dict[str, Any], ids: Iterable[str]) -> dict[str, Any]:
    """A copy of a container's request whose one GPU request names the leased ids; a body without one comes back as it is."""
    host = body.get("HostConfig", {})
    requests = host.get("DeviceRequests")
    if not requests:
        return body
    first, *others = requests
    named = [f"{_CDI_KIND}={id_}" if first["Driver"] == _CDI_DRIVER else id_ for id_ in ids]
    return {**body, "HostConfig": {**host, "DeviceRequests": [{**first, "DeviceIDs": named}, *others]}}


def gpus_of_node(ids: Sequence[str], node: int, node_count: int) -> Sequence[str]:
    """The GPUs of a run that node number `node` gets: as many as every other node."""
    share = len(ids) // node_count
    return ids[node * share : (node + 1) * share]


def gpu_request(kind: str) -> dict[str, Any]:
    """The request for GPUs whose ids `with_gpus` fills in; `kind` is `device_requests` or `cdi`."""
    if kind == "cdi":
        return {"Driver": _CDI_DRIVER, "DeviceIDs": []}
    return {"Driver": "", "DeviceIDs": [], "Capabilities": [["gpu"]]}
