"""A run's directory as a row of the index, and back: what is kept of it, and what tells that it has changed."""

from __future__ import annotations

import os
import time

from trainconf import files
from trainconf.fast.json import loads
from trainconf.fast.records import Record
from trainconf.fast.sqlite import sqlite3
from trainconf.history import events, liveness, metrics, record
from trainconf.history.event_files import scan
from trainconf.history.index import columns
from trainconf.history.index.best import Judge
from trainconf.history.logged import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.history.event_files.scan import EventFile
    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths


class Row(Record):
    """A listed run."""

    paths: RunPaths
    fields: dict[str, Any]  # the stable ones
    metric: str | None  # by which its experiment is judged
    goal: str | None  # whether that is to be maximized or minimized
    best: float | None  # of its values so far, where there is a goal
    damage: str  # what of its files cannot be read
    reason: str  # why it is in its state, where there is something to say
    values: dict[str, Any]  # of the columns that were asked for besides


class ReadRun(Record):
    """A folder below an experiment as the index keeps it: values of the table of runs, the row's text, and what can be asked for."""

    columns: tuple[Any, ...]
    text: str = ""
    facts: dict[str, Any] = {}  # noqa: RUF012  # nobody changes it


def unpack(paths: RunPaths, text: str) -> Row:
    """A listed run, from its row's text. Raises sqlite3.DatabaseError when that is damaged."""
    kept = parse(text)
    try:
        fields = kept["fields"]
        fields["run_dir"] = paths.run_dir  # the workspace may have been moved
        fields["duration_s"] = record.duration_s(fields)
        return Row(paths, fields, kept["metric"], kept["goal"], kept["best"], kept["damage"], kept["reason"], {})
    except (KeyError, TypeError):
        raise sqlite3.DatabaseError("damaged row") from None


def read_run(folder: bytes, paths: RunPaths, row: str = "{}", scheduled: State | None = None) -> ReadRun:
    """What the index keeps of a folder below an experiment.

    row: the text that it has now, which spares reading old metrics. scheduled: what a scheduler has said of the run, which counts where
    nothing was recorded since.
    """
    names = (folder, *folder.split(b"/"))
    if paths.is_sweep and not os.path.exists(paths.spec):
        return ReadRun((*names, "", "", 1, "0", "", 0))
    if not events.exists(paths):
        return ReadRun((*names, "", "", 0, "0", "", 0))
    traced = scan.files_of(paths)
    seen = fingerprint(paths, traced)  # before reading: what changes meanwhile is read again next time
    recorded = record.read_mapping(paths.record)
    metric = record.metric(paths, recorded)
    goal = _mapping(recorded.get("metric")).get("goal")
    goal = goal if isinstance(goal, str) else None
    judge = None if metric is None or goal not in columns.GOALS else Judge(metric, goal)
    summary = metrics.summarise(paths, _summary_in(row, metric, goal), traced, judge)
    state = liveness.state_of(paths)
    if scheduled is not None and state.scheduler is not None and (scheduled.is_final or scheduled.event == state.event):
        state, seen = scheduled, 0  # what a scheduler says changes in no file
    fields = record.assemble(paths, state, summary.values, recorded)
    created = next((time for time in (fields["created"], fields["started"]) if events.seconds(time) is not None), "-")
    damage = record.damage(paths, recorded)
    best = None if judge is None else judge.of_summary(summary)
    kept: dict[str, Any] = {"fields": fields, "metric": metric, "goal": goal, "best": best, "damage": damage, "reason": state.reason}
    if not state.is_final:
        kept["read"] = [summary.cursor.places, summary.last, summary.best]
    facts = columns.facts_of(fields, state.reason, metric, str(goal), best)
    spec_hash = columns.storable(fields["spec_hash"] or "")
    return ReadRun(
        (*names, created, state.status, int(state.is_final), str(seen), spec_hash, int(fields["archived"])), files.dumps(kept), facts
    )


def unread_row(folder: bytes, paths: RunPaths) -> tuple[Any, ...]:
    """The row of a run that was just made, in its place among the others; whoever shows it reads it first, for nothing was seen of it."""
    created = record.read_mapping(paths.record).get("created")
    return (folder, *folder.split(b"/"), created if events.seconds(created) is not None else "-", events.STATES[0], 0, "0", "", 0)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _summary_in(row: str, metric: str | None, goal: str | None) -> metrics.Summary | None:
    """What was read of a run until now; None when it was judged by something else."""
    try:
        kept = parse(row)
        places, last, best = kept["read"]
        return metrics.Summary(metrics.Cursor(places), last, best) if (kept["metric"], kept["goal"]) == (metric, goal) else None
    except (ValueError, KeyError, TypeError):
        return None  # the row was pending until now, or of a run that had ended


def fingerprint(paths: RunPaths, event_files: list[EventFile] | None = None) -> int:
    """A number that changes when one of the files does that a row is made of; 0 while the next change might not show.

    What a file was written over with in place, at its old size and time, changes its ctime all the same (stat(2)).
    """
    found: list[int] = []
    newest_ns = 0  # of the times alone: an inode's number may be larger than any of them
    own = (*metrics.files_of(paths), *records.files_of(paths))
    made_of = (paths.run_dir, paths.events, paths.cancel_request(), paths.record, paths.labels, paths.git, *own)
    for path in (*made_of, *(file.path for file in (scan.files_of(paths) if event_files is None else event_files))):
        try:
            info = os.lstat(path)
        except OSError:
            found.append(0)
            continue
        if path != paths.run_dir:
            found += [info.st_size, info.st_mtime_ns]
            newest_ns = max(newest_ns, info.st_mtime_ns)
        found += [info.st_ino, info.st_ctime_ns]
        newest_ns = max(newest_ns, info.st_ctime_ns)
    return 0 if newest_ns > time.time_ns() - files.RACY_NS else hash(tuple(found)) or 1


def parse(text: str) -> Any:
    """JSON that the index holds. Raises sqlite3.DatabaseError when it is damaged."""
    try:
        return loads(text)
    except (ValueError, RecursionError):
        raise sqlite3.DatabaseError("damaged row") from None
