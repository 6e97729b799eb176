"""A run's directory as a row of the index, and back: what is kept of it, and what tells that it has changed."""

from __future__ import annotations

import json
import os
import sqlite3

from trainconf import files
from trainconf.history import events, liveness, metric_files, metrics, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import RunPaths


class Row:
    """A listed run: its paths, its stable fields, and the name of the metric its experiment is judged by."""

    __slots__ = ("fields", "metric", "paths")

    def __init__(self, paths: RunPaths, fields: dict[str, Any], metric: str | None) -> None:
        self.paths = paths
        self.fields = fields
        self.metric = metric


def unpack(paths: RunPaths, text: str) -> Row:
    """A listed run, from its row's text. Raises sqlite3.DatabaseError when that is damaged."""
    kept = parse(text)
    try:
        fields = kept["fields"]
        fields["run_dir"] = paths.run_dir  # the workspace may have been moved
        fields["duration_s"] = record.duration_s(fields)
        return Row(paths, fields, kept["metric"])
    except (KeyError, TypeError):
        raise sqlite3.DatabaseError("damaged row") from None


def read_row(folder: bytes, paths: RunPaths, seen: str, row: str) -> tuple[Any, ...]:
    """A folder below an experiment as a row of the index. `seen` and `row` are what it holds now: they spare reading old metrics."""
    names = (folder, *folder.split(b"/"))
    if os.path.exists(paths.sweep) and not os.path.exists(paths.spec):
        return (*names, "", "", 1, "[]", "{}", "")
    if not events.exists(paths):
        return (*names, "", "", 0, "[]", "{}", "")
    seen_now = look(paths)  # before reading: what changes meanwhile is read again next time
    summary = metrics.summarise(paths, _summary_in(seen, row))
    state = liveness.state_of(paths)
    fields = record.assemble(paths, state, summary.values)
    created = next((time for time in (fields["created"], fields["started"]) if events.seconds(time) is not None), "-")
    kept = files.dumps({"fields": fields, "metric": record.metric(paths)})
    seen_now += [summary.inode, summary.offset]
    return (*names, created, state.status, int(state.is_final), files.dumps(seen_now), kept, str(fields["spec_hash"] or ""))


def unread_row(folder: bytes, paths: RunPaths) -> tuple[Any, ...]:
    """The row of a run that was just made, in its place among the others; whoever shows it reads it first, for nothing was seen of it."""
    created = record.read_mapping(paths.record).get("created")
    return (folder, *folder.split(b"/"), created if events.seconds(created) is not None else "-", events.STATES[0], 0, "[]", "{}", "")


def _summary_in(seen: str, row: str) -> metrics.Summary | None:
    try:
        inode, offset = parse(seen)[4:]
        return metrics.Summary(inode, offset, parse(row)["fields"]["metrics"])
    except (ValueError, KeyError, TypeError):
        return None  # the row was pending until now


def look(paths: RunPaths) -> list[int]:
    """Size and time of a living run's events and request to cancel, and of its metrics: the sum and the latest."""
    found: list[int] = []
    for paths_of in ([paths.events, paths.cancel_request()], metric_files.of_run(paths)):
        size = written = 0
        for path in paths_of:
            try:
                info = os.lstat(path)
            except OSError:
                continue
            size, written = size + info.st_size, max(written, info.st_mtime_ns)
        found += [size, written]
    return found


def parse(text: str) -> Any:
    """JSON that the index holds. Raises sqlite3.DatabaseError when it is damaged."""
    try:
        return json.loads(text)
    except ValueError:
        raise sqlite3.DatabaseError("damaged row") from None
