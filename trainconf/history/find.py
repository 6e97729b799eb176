"""From what a user types to a run or a sweep: a full id, the unique beginning of one, its last letters, `last`, or the path of its folder.

`last` is what was submitted last: a run, or a sweep with all its trials.
"""

from __future__ import annotations

import os

from trainconf import files
from trainconf.errors import RunNotFoundError
from trainconf.history import events, liveness
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import WorkspacePaths

LAST = "last"
_NEWEST = ("latest", "newest", "recent", "current", "head", "@", "@{0}", "-1", "~1", "_", "!!")  # what `last` is called elsewhere
SHOWN_CANDIDATES = 10
SEARCHED_FOR_NEAREST = 1000  # latest runs whose ids are compared with a name that fits none


def find(workspace: WorkspacePaths, name: str) -> RunPaths:
    """The one run or sweep that answers to `name`. Raises RunNotFoundError, naming the candidates or the nearest ids."""
    if os.sep in name or name in (os.curdir, os.pardir):
        return _at_path(os.path.abspath(name))
    found = named(workspace, name)
    if not found and name:
        found = _last(workspace) if name == LAST else _starting_with(workspace, name) or _ending_with(workspace, name)
    if len(found) == 1:
        return found[0]
    if found:
        raise _ambiguous(name, found)
    raise _unknown(workspace, name)


def trials_of(sweep: RunPaths) -> list[RunPaths]:
    """The runs of a sweep, in the order in which they start: what its list names in the same runs/, and what is its own."""
    runs = os.path.dirname(os.path.dirname(sweep.run_dir))
    try:
        lines = [line.get("run_dir") for line in files.read_lines(sweep.trials) if isinstance(line, dict)]
    except OSError:
        return []
    parts = [line.split("/")[-2:] for line in lines if isinstance(line, str)]
    plain = [part for part in parts if len(part) == 2 and {*part}.isdisjoint({"", ".", ".."}) and "\0" not in "".join(part)]
    return [trial for trial in (RunPaths(os.path.join(runs, *part)) for part in plain) if _is_trial_of(trial, sweep)]


def given_to_the_last_agent(sweep: RunPaths) -> list[str]:
    """The folders that a sweep's latest agent was given, in order; what an earlier one had and did not begin, nobody has.

    Where jobs have the trials, those of all of them; not what was taken back from one, whoever has it now.
    """
    found: dict[str, None] = {}
    for line in files.read_lines(sweep.trials):
        if isinstance(line, dict) and "agent" in line:
            found.clear()
        elif isinstance(line, dict) and isinstance(line.get("run_dir"), str):
            found[os.path.join(sweep.run_dir, line["run_dir"])] = None
        elif isinstance(line, dict) and isinstance(line.get("taken_back"), str):
            found.pop(os.path.join(sweep.run_dir, line["taken_back"]), None)
    return list(found)


def _is_trial_of(trial: RunPaths, sweep: RunPaths) -> bool:
    """Whether it bears the sweep's id, or says itself that the sweep's agent is its own. The list alone could name anybody's run."""
    return trial.run_id.startswith(f"{sweep.run_id}_") or liveness.lock_of(trial) == sweep.lock


def _at_path(path: str) -> RunPaths:
    paths = RunPaths(path)
    if events.exists(paths) or paths.is_sweep:
        return paths
    what = "there is no such folder" if not os.path.isdir(path) else "it has no events.jsonl"
    raise RunNotFoundError(f"{path!r} is not a run directory: {what}", hint="`trainconf ls` lists the runs of this workspace")


def named(workspace: WorkspacePaths, name: str) -> list[RunPaths]:
    """Runs and sweeps with exactly this id, found without the index: one look per experiment."""
    try:
        experiments = sorted(os.listdir(workspace.runs))
    except OSError:
        return []
    found = [workspace.run(experiment, name) for experiment in experiments] if name else []
    return [paths for paths in found if paths.is_sweep or events.exists(paths)]


def _last(workspace: WorkspacePaths) -> list[RunPaths]:
    """The newest run, or its sweep; or a newer sweep that has no trial yet."""
    from trainconf.history import record
    from trainconf.history.index.index import Index

    with Index(workspace) as index:
        latest = [_submitted(row.paths) for row in index.latest(1)]
        newest = _newest(index.sweeps())
    if newest is not None and (not latest or record.made_at(newest) > record.made_at(latest[0])):
        return [newest]
    recorded = record.read_mapping(latest[0].record) if latest else {}
    parent = recorded.get("parent") if recorded or not latest else latest[0].run_id.rpartition("_")[0]  # its record is damaged
    sweeps = named(workspace, parent) if isinstance(parent, str) and os.sep not in parent else []
    return [paths for paths in sweeps if paths.is_sweep][:1] or latest


def _submitted(run: RunPaths) -> RunPaths:
    """The run that was submitted: of one that a process of it made, the one above."""
    from trainconf.history import record

    seen = {run.run_id}
    while (found := record.read_mapping(run.record)).get("type") == "child" and isinstance(parent := found.get("parent"), str):
        above = RunPaths(os.path.join(os.path.dirname(run.run_dir), parent))
        if os.path.basename(parent) != parent or parent in seen or not events.exists(above):
            break
        seen.add(parent)
        run = above
    return run


def _newest(sweeps: list[RunPaths]) -> RunPaths | None:
    """The newest sweep: ids tell the minute, and records the rest. None of none."""
    from trainconf.history import record

    minutes = [paths.run_id[-record.MINUTE_AT : -record.LETTERS_AT] for paths in sweeps]
    latest = max(minutes, default="")
    found = [paths for paths, minute in zip(sweeps, minutes, strict=True) if minute == latest]
    return max(found, key=record.made_at, default=None)


def _starting_with(workspace: WorkspacePaths, prefix: str) -> list[RunPaths]:
    """Runs and sweeps whose id begins so. The trials of a sweep do not count beside it."""
    from trainconf.history.index.index import Index

    with Index(workspace) as index:
        found = index.starting_with(prefix, SHOWN_CANDIDATES + 1)
        if found and found[0].is_sweep:
            return index.starting_with(prefix, SHOWN_CANDIDATES + 1, but_not=f"{found[0].run_id}_")
    return found


def _ending_with(workspace: WorkspacePaths, letters: str) -> list[RunPaths]:
    """Runs and sweeps whose id ends with these last letters, `x7k2`, and a trial's number."""
    from trainconf.history.index.index import Index
    from trainconf.history.record import LETTERS_AT

    if len(letters.partition("_")[0]) != LETTERS_AT - 1 or not letters.isascii():
        return []
    with Index(workspace) as index:
        ids = [*(row.paths for row in index.latest(SEARCHED_FOR_NEAREST)), *index.sweeps()]
    return [paths for paths in ids if paths.run_id.endswith(f"-{letters}")]


def _ambiguous(name: str, candidates: list[RunPaths]) -> RunNotFoundError:
    same_id = len({paths.run_id for paths in candidates}) == 1
    shown = [paths.run_dir if same_id else paths.run_id for paths in candidates[:SHOWN_CANDIDATES]]
    if len(candidates) > SHOWN_CANDIDATES:
        shown.append("and more")
    hint = "give the path of the run directory" if same_id else "give more of the id"
    return RunNotFoundError(f"{name} could be any of several runs", ("candidates", "\n".join(shown)), hint=hint)


def _unknown(workspace: WorkspacePaths, name: str) -> RunNotFoundError:
    from difflib import get_close_matches

    from trainconf.history.index.index import Index

    with Index(workspace) as index:
        ids = [row.paths.run_id for row in index.latest(SEARCHED_FOR_NEAREST)]
    where = ("workspace", workspace.root)
    if not ids:
        return RunNotFoundError(f"there is no run {name!r}: this workspace has none yet", where, hint="`trainconf` alone starts one")
    near = get_close_matches(name, ids, 3, 0.4)
    facts = [where, ("nearest", "\n".join(near))] if near else [where]
    hint = "`trainconf ls` lists the runs; the unique beginning of an id will do, or its last letters"
    newest = f"`last` is the newest run: {_last(workspace)[0].run_id}"
    if name.lower() in _NEWEST:
        hint = newest
    elif get_close_matches(name.lower(), (LAST,), 1, 0.7):
        hint = f"{newest}; {hint}"
    return RunNotFoundError(f"there is no run {name!r}", *facts, hint=hint)
