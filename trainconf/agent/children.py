"""Child runs that a job has made: put in place, and ended, when the run above them has ended.

A job that sees the workspace has made them beside its own run. The job of a container made them in its working directory, where nothing is
believed: of each, the record and the events are written anew from what is well-formed there, and only folders and files that hold no
more than the job's own words are moved. What the script has not ended, ends as the run above it does.
"""

from __future__ import annotations

import os
import stat

from trainconf import files
from trainconf.history import events, liveness
from trainconf.history.logged import records
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LONGEST_NAME = 200
LONGEST_TEXT = 3000  # characters of a reason or a name
INHERITED = ("env", "compute", "distributed", "metric", "trainconf")
REASONS = {
    "Completed": "the run above it has completed", "Failed": "the run above it has failed", "Canceled": "the run above it was canceled",
}  # fmt: skip


def settle(paths: RunPaths, state: str, report: Callable[[str], object]) -> None:
    """Put the children of a run in place, and end those that go on; the run itself ends in `state`. May be called again."""
    try:
        for name in _names_in(paths.children):
            _put_in_place(paths, name, report)
        _remove_empty(paths.children)
        _end(paths, state, {paths.run_id})
    except OSError as error:
        report(f"{paths.run_id}: its child runs cannot be settled: {error}")


def _end(paths: RunPaths, state: str, seen: set[str]) -> None:
    """End the children that its records name, and theirs, as far as they are children of it and nobody holds them."""
    for kind, facts in records.read(paths):
        child = RunPaths(os.path.join(os.path.dirname(paths.run_dir), facts["id"])) if kind == "child" else paths
        if child.run_id in seen or not _is_child(child, paths):
            continue
        seen.add(child.run_id)
        lock = files.FileLock(child.lock)
        if lock.acquire(blocking=False):
            try:
                latest = events.last(child)
                if latest is not None and latest["state"] not in events.TERMINAL:
                    events.append(child, state, exit_code={"Completed": 0, "Failed": 1}.get(state), reason=REASONS[state])
            finally:
                lock.release()
        _end(child, state, seen)


def _is_child(child: RunPaths, parent: RunPaths) -> bool:
    """Whether it is a run that a process of its parent is; one that was submitted has an agent of its own."""
    try:
        record = files.read_json(child.record, liveness.RECORD_BYTES)
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("parent") == parent.run_id and record.get("type") == "child"


def _names_in(folder: str) -> list[str]:
    """The names in a real folder; none where there is none, or something else."""
    try:
        return files.names_in(folder) if stat.S_ISDIR(os.lstat(folder).st_mode) else []
    except (FileNotFoundError, NotADirectoryError):
        return []


def _put_in_place(parent: RunPaths, name: str, report: Callable[[str], object]) -> None:
    """Make a run of what a container has left as one. A name that is no run's, or is taken, stays where it is. Raises OSError.

    What cannot be moved, such as another user's folder, stays as well, and is reported.
    """
    source = RunPaths(os.path.join(parent.children, name))
    target = RunPaths(os.path.join(os.path.dirname(parent.run_dir), name))
    if not _is_name(name) or os.path.lexists(target.run_dir) or not stat.S_ISDIR(os.lstat(source.run_dir).st_mode):
        return
    history = events.read(source)
    record = _record(parent, source, target)
    if not history or not record:
        return  # its process was ended while it began
    os.mkdir(target.run_dir)
    for each in ("metrics", "records", "outputs", "logs"):
        try:
            _move(getattr(source, each), getattr(target, each), is_folder=each in ("outputs", "logs"))
        except OSError as error:
            report(f"{target.run_id}: its {each} stay in {source.run_dir}: {error}")
    files.write_new(target.record, files.dumps(record), durable=False)
    files.append_lines(target.events, _events(history))
    _remove_rest(source.run_dir)


def _record(parent: RunPaths, source: RunPaths, target: RunPaths) -> dict[str, Any]:
    """run.json: what is the parent's, and what a job may say of its child."""
    try:
        above, said = (files.read_json(each.record, liveness.RECORD_BYTES) for each in (parent, source))
        tags = {key: value for key, value in said["tags"].items() if isinstance(value, str) and len(value) <= LONGEST_TEXT}
        name, created, of = said.get("display_name"), said.get("created"), said.get("parent")
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {
        "run_id": target.run_id, "experiment_name": above.get("experiment_name"),
        "display_name": name[:LONGEST_TEXT] if isinstance(name, str) else None,
        "tags": tags, "created": created if events.seconds(created) is not None else above.get("created"), "spec_hash": None,
        "hashes": {}, "params": {}, "parent": of if isinstance(of, str) and _is_name(of) else parent.run_id, "type": "child",
        "overrides": [], "retries": 0,
        "lock": target.lock, **{key: above.get(key) for key in INHERITED},
    }  # fmt: skip


def _events(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """When it began, and how its script has ended it."""
    first, last = history[0], history[-1]
    found: list[dict[str, Any]] = [{"time": _time(first), "state": "Running", "attempt": 1}]
    if last["state"] in events.TERMINAL:
        reason = last.get("reason")
        facts = {"exit_code": {"Completed": 0, "Failed": 1}.get(last["state"]),
                 "reason": reason[:LONGEST_TEXT] if isinstance(reason, str) else ""}  # fmt: skip
        found.append({"time": _time(last), "state": last["state"], "attempt": 1, **facts})
    return found


def _time(event: dict[str, Any]) -> str:
    time = event.get("time")
    return time if isinstance(time, str) and events.seconds(time) is not None else events.now()


def _is_name(name: str) -> bool:
    is_plain = name.isascii() and name[:1].isalnum() and all(c.isalnum() or c in "_-." for c in name)
    return is_plain and len(name) <= LONGEST_NAME and name not in ("last", "best")


def _move(source: str, target: str, *, is_folder: bool) -> None:
    try:
        mode = os.lstat(source).st_mode
    except FileNotFoundError:
        mode = 0
    if mode and (stat.S_ISDIR(mode) if is_folder else stat.S_ISREG(mode)):
        os.rename(source, target)
    elif is_folder:
        os.mkdir(target)


def _remove_rest(folder: str) -> None:
    """What is left of a child that was moved: its record, events and lock. Anything else stays, and so does the folder."""
    for path in (RunPaths(folder).record, RunPaths(folder).events, RunPaths(folder).lock):
        try:
            os.unlink(path)
        except OSError:
            continue  # a folder, or another user's
    _remove_empty(folder)


def _remove_empty(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:
        return  # not there, or something else is in it
