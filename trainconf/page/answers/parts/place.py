"""Where a run is, or was last: its scheduler's job, its machines, its image and containers."""

from __future__ import annotations

from trainconf.history import ranks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from trainconf.paths import RunPaths

MOST_NAMES = 8  # of machines, and of containers
ID_LENGTH = 12  # of a container and an image, as `docker ps` shows them


def place(paths: RunPaths, history: list[dict[str, Any]], spec: dict[str, Any] | None) -> list[list[str]]:
    """Names and words, such as ["machine", "node1"]; what was not recorded is left out."""
    job, each_rank = job_of(history), ranks.of_run(paths)
    agents_host = next((event["agent"].get("host") for event in reversed(history) if isinstance(event.get("agent"), dict)), None)
    hosts = [rank.host or str(agents_host or "") for rank in each_rank]
    machines = str(job["nodes"]) if job.get("nodes") else _listed(hosts)
    cluster = f" on {job['cluster']}" if job.get("cluster") else ""
    found = {
        "job": f"{job.get('kind', 'job')} {job['job_id']}{cluster}" if job.get("job_id") else "",
        "machine": machines,
        "image": _image(paths, spec),
        "container": _listed(rank.container[:ID_LENGTH] for rank in each_rank),
    }
    return [[name, words] for name, words in found.items() if words]


def job_of(history: list[dict[str, Any]]) -> dict[str, Any]:
    """What was recorded last of the scheduler's job that a run is; empty where it is none."""
    return next((event["scheduler"] for event in reversed(history) if isinstance(event.get("scheduler"), dict)), {})


def _image(paths: RunPaths, spec: dict[str, Any] | None) -> str:
    """Its name, or the digest of one that was built."""
    environment = (spec or {}).get("environment")
    if isinstance(environment, dict) and isinstance(environment.get("image"), str) and environment["image"]:
        return str(environment["image"])
    container = next((rank.get("container") for rank in ranks.planned(paths).values()), None)
    image = container.get("Image") if isinstance(container, dict) else None
    return image.removeprefix("sha256:")[:ID_LENGTH] if isinstance(image, str) else ""


def _listed(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(filter(None, names)))
    more = f" and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
    return ", ".join(found[:MOST_NAMES]) + more
