"""The software of a run as it was really installed, and how it differs from another run's."""

from __future__ import annotations

from trainconf import files
from trainconf.control import diff
from trainconf.history import record
from trainconf.page.answers.chosen import find_run, run_of, search_of, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.page.request import Request
    from trainconf.paths import RunPaths

MOST_PACKAGES = 2000


def environment(request: Request) -> dict[str, Any]:
    """GET /api/runs/{id}/environment. With `with` also what differs from that run's: `changes` from this run to the other one."""
    paths = run_of(request)
    recorded = record.read_mapping(paths.record)
    spec = record.read_mapping(paths.spec)
    packages = diff.packages(paths)
    wanted, limit = search_of(request), whole(request.query, "limit", MOST_PACKAGES, MOST_PACKAGES)
    found = [[name, version] for name, version in sorted(packages.items()) if wanted in name.lower()]
    hashes = recorded.get("hashes")
    told: dict[str, Any] = {
        "env": recorded.get("env"), "hash": hashes.get("environment") if isinstance(hashes, dict) else None,
        "facts": [[key, value] for key, value in diff.software(spec) if value not in ("", [], None)],
        "packages": found[:limit], "total": len(found), "words": _why_empty(paths) if not packages else "", "with": None, "changes": [],
    }  # fmt: skip
    if other := request.query.get("with"):
        told |= {"with": other, "changes": _changes(paths, find_run(request.workspace, other))}
    return told


def _changes(a: RunPaths, b: RunPaths) -> list[dict[str, Any]]:
    """Facts and packages that differ; null where one of them does not have it."""
    old, new = ({**dict(diff.software(record.read_mapping(paths.spec))), **diff.packages(paths)} for paths in (a, b))
    return [
        {"name": name, "old": old.get(name), "new": new.get(name)}
        for name in sorted({*old, *new}) if old.get(name) != new.get(name)
    ]  # fmt: skip


def _why_empty(paths: RunPaths) -> str:
    """Why no package is listed."""
    try:
        files.read_untrusted(paths.environment_lock, files.JSON_BYTES)
    except FileNotFoundError:
        return f"it was not recorded what was installed for {paths.run_id}"
    except OSError as error:
        return f"its environment.lock cannot be read: {error.strerror}"
    return "its environment.lock names no package"
