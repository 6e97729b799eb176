"""One run as data: what `ls --json` and `show --json` print, read from its directory alone.

The fields are a promise to other tools (DESIGN, "Machine-readable"): none is ever renamed, and all are always there.
A damaged or missing file costs its own fields, which are then null or empty, and never the rest.
"""

from __future__ import annotations

import os
import time

from trainconf import files
from trainconf.history import events, labels, liveness, metrics
from trainconf.history.logged import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths

MINUTE_AT, LETTERS_AT = 18, 5  # from the end of an id such as digits-20261123-0532-x7k2
SHOWN_NAMES = 10  # of metrics that were logged instead of the one that counts
# What `describe` takes from run.json as it stands, and what stands for it where run.json does not say, or says it in another type.
RECORDED: dict[str, Any] = {
    "experiment_name": None, "display_name": None, "created": None, "params": {}, "tags": {}, "compute": None, "env": None,
    "distributed": None, "spec_hash": None, "parent": None,
}  # fmt: skip


def describe(paths: RunPaths) -> dict[str, Any]:
    """The run in the stable fields. Never raises for what is in the directory."""
    return assemble(paths, liveness.state_of(paths), metrics.summarise(paths).values)


def details(paths: RunPaths, state: State | None = None, summary: metrics.Summary | None = None) -> dict[str, Any]:
    """`describe` and, besides, why it is in that state, its spec, events, resources and files, and what of these cannot be read.

    `state` is given where more is known than the run's files tell, `summary` where its metrics were read already.
    """
    state = liveness.state_of(paths) if state is None else state
    history = events.read_all(paths)
    summary = metrics.summarise(paths) if summary is None else summary
    broken = [*filter(None, [damage(paths)]), *summary.damage]
    return {
        **assemble(paths, state, summary.values),
        "reason": state.reason,
        "spec": read_mapping(paths.spec) or None,
        "events": history,
        "resources": resources(history),
        "files": list_files(paths),
        "damage": broken,
        **records.summary(records.read(paths)),
    }


def assemble(paths: RunPaths, state: State, values: dict[str, Any], record: dict[str, Any] | None = None) -> dict[str, Any]:
    """The stable fields, from a state, metrics and maybe a run.json that were read already."""
    record = read_mapping(paths.record) if record is None else record
    started, ended = times(paths, state)
    known = {key: record[key] if key in record and _is_of_its_type(key, record[key]) else default for key, default in RECORDED.items()}
    said = labels.read(paths, known["tags"], known["display_name"])
    row = {
        "run_id": paths.run_id,
        "experiment_name": known["experiment_name"] or os.path.basename(os.path.dirname(paths.run_dir)),
        "display_name": said.display_name,
        "status": state.status,
        "created": known["created"],
        "started": started,
        "ended": ended,
        "duration_s": None,
        "exit_code": state.event.get("exit_code") if state.is_final else None,
        "attempt": state.event.get("attempt", 1),
        "params": known["params"],
        "metrics": values,
        "tags": said.tags,
        "note": said.note,
        "archived": said.archived,
        "properties": said.properties,
        "type": recorded_type if isinstance(recorded_type := record.get("type"), str) else "script",
        "compute": known["compute"],
        "env": known["env"],
        "distributed": known["distributed"],
        "spec_hash": known["spec_hash"],
        "parent": known["parent"],
        "git": read_mapping(paths.git) or None,
        "run_dir": paths.run_dir,
    }
    row["duration_s"] = duration_s(row)
    return row


def resources(history: list[dict[str, Any]]) -> dict[str, Any]:
    """What all attempts have used together: times are summed, of the memory it is the highest. None where one attempt's is not known."""
    found: dict[str, Any] = {}
    for used in (_mapping(event.get("resources")) for event in history):
        for name, value in used.items():
            before = found.get(name, 0)
            is_known = all(isinstance(each, (int, float)) for each in (before, value))
            found[name] = None if not is_known else max(before, value) if name.startswith("peak_") else round(before + value, 6)
    return found


def duration_s(row: dict[str, Any]) -> float | None:
    """Seconds from the first attempt's start to the end, or to now while it goes on; None when nobody knows.

    The waits between attempts count.
    """
    started = events.seconds(row["started"])
    if started is None or row["status"] == "NotResponding":
        return None
    ended = events.seconds(row["ended"]) if row["status"] in events.TERMINAL else time.time()
    return None if ended is None else round(max(0.0, ended - started), 6)


def metric(paths: RunPaths, record: dict[str, Any] | None = None) -> str | None:
    """The name of the metric that the run's experiment is judged by."""
    name = _mapping((read_mapping(paths.record) if record is None else record).get("metric")).get("name")
    return name if isinstance(name, str) else None


def missing_metric(name: str | None, logged: Iterable[str], status: str) -> str:
    """What to say of a run or sweep that has ended without the metric it is judged by; empty when there is nothing to say."""
    there = list(logged)
    if not name or name in there or status not in events.TERMINAL:
        return ""
    if not there:
        return f"no metric {name!r} was logged; there was none at all" if status == "Completed" else ""
    import difflib

    there.sort(key=lambda other: -difflib.SequenceMatcher(None, name, other).ratio())
    more = f" and {len(there) - SHOWN_NAMES} more" if len(there) > SHOWN_NAMES else ""
    return f"no metric {name!r} was logged; there {'was' if len(there) == 1 else 'were'} {', '.join(there[:SHOWN_NAMES])}{more}"


def damage(paths: RunPaths, record: dict[str, Any] | None = None) -> str:
    """What of a run's files cannot be read, in words; empty when all can be. `record` is run.json, if it was read already."""
    found = [events.damage(paths), labels.damage(paths)]
    if record is None:
        record = read_mapping(paths.record)
    if not record:
        found.append(f"its run.json {why_unreadable(paths.record)}")
    wrong = [key for key in RECORDED if key in record and not _is_of_its_type(key, record[key])]
    found += [f"in its run.json, {key} is not what it should be" for key in wrong]
    return "; ".join(filter(None, found))


def made_at(paths: RunPaths) -> str:
    """When a run or a sweep was made, as text that sorts: by its record; where that cannot be read, by its first event, or by its id."""
    told = read_mapping(paths.sweep if paths.is_sweep else paths.record).get("created")
    if events.seconds(told) is not None:
        return str(told)
    first = next((event.get("time") for event in events.read_all(paths)), None)
    if events.seconds(first) is not None:
        return str(first)
    day, _, minute = paths.run_id.partition("_")[0][-MINUTE_AT:-LETTERS_AT].partition("-")
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{minute[:2]}:{minute[2:]}" if (day + minute).isdecimal() else ""


def why_unreadable(path: str) -> str:
    """Why a file holds no JSON object that says anything: `is empty`."""
    if os.path.isdir(path):
        return "is a folder"
    try:
        found = files.read_json(path, liveness.RECORD_BYTES)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError as error:
        return f"is no JSON: {error}" if os.path.getsize(path) else "is empty"
    return "is empty" if isinstance(found, dict) else "is no JSON object"


def _is_of_its_type(key: str, value: Any) -> bool:
    """Whether run.json holds under a key what every reader may rely on."""
    if isinstance(RECORDED[key], dict):
        return isinstance(value, dict)
    if key == "created":
        return value is None or events.seconds(value) is not None
    return value is None or isinstance(value, str)


def notes(event: dict[str, Any]) -> list[str]:
    """What a final event tells besides how the run ended."""
    found = event.get("notes")
    return [note for note in found if isinstance(note, str)] if isinstance(found, list) else []


def list_files(paths: RunPaths) -> list[dict[str, Any]]:
    """Every file of the run but its code: path within the run directory and size in bytes. Links are not followed.

    What the job has written so far to ./outputs and ./logs is listed where it will be.
    """
    found: list[dict[str, Any]] = []
    folders = [(paths.run_dir, ""), (paths.job_outputs, "outputs"), (paths.job_logs, "logs")]
    while folders:
        folder, shown = folders.pop()
        if os.path.islink(folder):
            continue
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    path = os.path.join(shown, entry.name)
                    if path == "code" or (path == "outputs" and entry.is_symlink() and not os.path.islink(paths.job_outputs)):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append((entry.path, path))
                    else:
                        found.append({"path": path, "bytes": entry.stat(follow_symlinks=False).st_size})
        except OSError:
            continue  # vanished or unreadable meanwhile: a listing tells what can be seen
    return sorted(found, key=lambda file: str(file["path"]))


def read_mapping(path: str, limit: int = liveness.RECORD_BYTES) -> dict[str, Any]:
    """The JSON object in a file of at most `limit` bytes; empty when the file is missing, damaged or holds something else."""
    try:
        return _mapping(files.read_json(path, limit))
    except (OSError, ValueError):
        return {}


def read_plan(paths: RunPaths) -> dict[str, Any]:
    """plan.json, which describes each process of a run; empty when it is missing or damaged."""
    return read_mapping(paths.plan, files.JSON_BYTES)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def times(paths: RunPaths, state: State) -> tuple[str | None, str | None]:
    """When the job was first started, and when the run ended."""
    started = next((event for event in events.read(paths) if event["state"] == "Running"), {}).get("time")
    ended = state.event.get("time") if state.is_final else None
    return started if isinstance(started, str) else None, ended if isinstance(ended, str) else None
