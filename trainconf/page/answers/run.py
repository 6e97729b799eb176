"""One run: its row, and what its page shows beside its curves and its log."""

from __future__ import annotations

import os
from itertools import pairwise

from trainconf.control import history
from trainconf.control.words.end import files_left
from trainconf.history import events, ranks, record, system
from trainconf.history.index import rows
from trainconf.page import summaries
from trainconf.page.answers.chosen import run_of
from trainconf.page.answers.parts.place import place
from trainconf.page.answers.runs import row_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.page.request import Request
    from trainconf.page.site import Site
    from trainconf.paths import RunPaths

MOST_METRICS = 2000
MOST_LOGS = 500


def overview(request: Request) -> dict[str, Any]:
    """Everything about a run that is not a curve, a log, its config, code, environment, events or files. Raises RunNotFoundError."""
    return of(request.site, run_of(request))


def of(site: Site, paths: RunPaths) -> dict[str, Any]:
    """The same, for the stream."""
    found = history.details(paths, summaries.of(paths))
    recorded = record.read_mapping(paths.record)
    goal = recorded.get("metric", {}).get("goal") if isinstance(recorded.get("metric"), dict) else None
    row = rows.Row(paths, found, record.metric(paths, recorded), goal, None, "; ".join(found["damage"]), found["reason"], {})
    last = found["events"][-1] if found["events"] else {}
    missing = record.missing_metric(row.metric, found["metrics"], found["status"])
    warnings = [*found["damage"], *record.notes(last), *filter(None, [files_left(last), missing])]
    metrics = _metrics(site, paths, found["metrics"])
    return {
        **row_of(row, site.sparks.read(row) if row.metric and site.sparks.is_quick(row) else site.sparks.known(row)),
        "state_line": found["status"] + (f": {found['reason']}" if found["reason"] else ""), "exit_code": found["exit_code"],
        "command": ranks.command(paths), "description": _text(recorded, "description"), "target": found["compute"], "env": found["env"],
        "compute": found["compute"], "distributed": found["distributed"], "choices": _mapping(recorded, "choices"),
        "params": found["params"],
        "attempts": _attempts(found["events"]), "log_files": _logs(paths), "metrics": metrics[:MOST_METRICS],
        "metrics_left_out": max(0, len(metrics) - MOST_METRICS), "children": found["children"], "warnings": warnings,
        "errors": found["errors"], "resources": found["resources"], "files_count": len(found["files"]), "properties": found["properties"],
        "hashes": {"spec": found["spec_hash"], **_mapping(recorded, "hashes")}, "git": found["git"], "paths": {"run": paths.run_dir},
        "place": place(paths, found["events"], found["spec"]),
    }  # fmt: skip


def _metrics(site: Site, paths: RunPaths, last: dict[str, Any]) -> list[dict[str, Any]]:
    """What was logged, with the number of points and their bounds; and what the agent has measured of the machine."""
    from trainconf.control.curves.points import VALUES, Points
    from trainconf.control.metrics import extent
    from trainconf.history.series import LOGGED

    with site.points.of(paths) as written:
        series = written.series()
        found = []
        for name in dict.fromkeys([*series, *last]):
            points = series.get(name) or Points(name, LOGGED)
            latest = last[name] if name in last else points.at(VALUES, len(points) - 1)
            found.append({
                "name": name, "count": len(points), "last": latest, "min": points.lowest, "max": points.highest, "source": points.source,
            })  # fmt: skip
    for name, (_, values, _) in system.columns(paths).items():
        told = extent(values)
        found.append({
            "name": f"system.{name}", "count": len(values), "last": values[-1], "min": told.lowest, "max": told.highest, "source": "system",
        })  # fmt: skip
    return found


def _attempts(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each attempt: its state at its end, and when it ran."""
    found: dict[Any, dict[str, Any]] = {}
    for event in history:
        each = found.setdefault(event.get("attempt", 1), {"attempt": event.get("attempt", 1), "started": None, "ended": None})
        each["state"] = event["state"]
        if event["state"] == "Running" and each["started"] is None:
            each["started"] = event.get("time")
        each["ended"] = event.get("time") if event["state"] in events.TERMINAL else None
    listed = list(found.values())
    for each, after in pairwise(listed):  # an attempt that another one followed ended then at the latest
        each["ended"] = each["ended"] or after["started"]
    return listed


def _logs(paths: RunPaths) -> list[dict[str, Any]]:
    """The logs of ranks that there are, that of the agent last."""
    found = []
    names = [(number, paths.log(number)) for number in ranks.with_log(paths)[:MOST_LOGS]]
    for rank, path in [*names, ("agent", os.path.realpath(paths.agent_log))]:
        try:
            found.append({"rank": rank, "path": os.path.relpath(path, paths.run_dir), "size_bytes": os.stat(path).st_size})
        except OSError:
            continue  # it has gone meanwhile
    return found


def _text(recorded: dict[str, Any], key: str) -> str | None:
    value = recorded.get(key)
    return value if isinstance(value, str) else None


def _mapping(recorded: dict[str, Any], key: str) -> dict[str, Any]:
    value = recorded.get(key)
    return value if isinstance(value, dict) else {}
