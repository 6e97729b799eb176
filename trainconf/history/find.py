"""From what a user types to a run: a full id, the unique beginning of one, `last`, or the path of a run directory.

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
SHOWN_CANDIDATES = 10
SEARCHED_FOR_NEAREST = 1000  # latest runs whose ids are compared with a name that fits none


def find_run(workspace: WorkspacePaths, name: str) -> RunPaths:
    """The one run that answers to `name`. Raises RunNotFoundError, naming the candidates or the nearest ids."""
    if os.sep in name or name in (os.curdir, os.pardir):
        return _at_path(os.path.abspath(name))
    exact = _named(workspace, name)
    if not exact and name:
        exact = _last_run(workspace) if name == LAST else _starting_with(workspace, name)
    if len(exact) == 1:
        return exact[0]
    if exact:
        raise _ambiguous(name, exact)
    raise _unknown(workspace, name)


def find_sweep(workspace: WorkspacePaths, name: str) -> RunPaths | None:
    """The folder of the sweep with exactly this id, or of the last one for `last`; None when there is none, or a run came later."""
    if not name or os.sep in name or name in (os.curdir, os.pardir):
        return None
    if name == LAST:
        parent = _parent_of(_latest(workspace))
        return find_sweep(workspace, parent) if parent and parent != LAST else None
    experiments = os.listdir(workspace.runs) if os.path.isdir(workspace.runs) else []
    found = (workspace.run(experiment, name) for experiment in experiments)
    return next((paths for paths in found if os.path.exists(paths.sweep)), None)


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


def _is_trial_of(trial: RunPaths, sweep: RunPaths) -> bool:
    """Whether it bears the sweep's id, or says itself that the sweep's agent is its own. The list alone could name anybody's run."""
    return trial.run_id.startswith(f"{sweep.run_id}_") or liveness.lock_of(trial) == sweep.lock


def _at_path(path: str) -> RunPaths:
    paths = RunPaths(path)
    if events.exists(paths):
        return paths
    what = "there is no such folder" if not os.path.isdir(path) else "it has no events.jsonl"
    raise RunNotFoundError(f"{path!r} is not a run directory: {what}", hint="`trainconf ls` lists the runs of this workspace")


def _named(workspace: WorkspacePaths, run_id: str) -> list[RunPaths]:
    """Runs with exactly this id, found without the index: one look per experiment."""
    try:
        experiments = sorted(os.listdir(workspace.runs))
    except OSError:
        return []
    found = [workspace.run(experiment, run_id) for experiment in experiments] if run_id else []
    for paths in found:
        if os.path.exists(paths.sweep):
            hint = "`trainconf ls` lists its trials, `trainconf wait` waits for them all, `trainconf cancel` ends them all"
            raise RunNotFoundError(f"{run_id} is a sweep, not a run", ("from", paths.run_dir), hint=hint)
    return [paths for paths in found if events.exists(paths)]


def _latest(workspace: WorkspacePaths) -> list[RunPaths]:
    from trainconf.history.index import Index

    with Index(workspace) as index:
        return [row.paths for row in index.latest(1)]


def _last_run(workspace: WorkspacePaths) -> list[RunPaths]:
    """What `last` is. Raises RunNotFoundError for a sweep."""
    latest = _latest(workspace)
    sweep = find_sweep(workspace, _parent_of(latest))
    if sweep is not None:
        hint = f"`trainconf show {latest[0].run_id}` shows its last trial; `wait` and `cancel` take the whole sweep"
        raise RunNotFoundError(f"last is the sweep {sweep.run_id}, not a run", ("from", sweep.run_dir), hint=hint)
    return latest


def _parent_of(latest: list[RunPaths]) -> str:
    """The sweep that a run is a trial of; empty when it is none."""
    from trainconf.history import record

    parent = record.read_mapping(latest[0].record).get("parent") if latest else None
    return parent if isinstance(parent, str) else ""


def _starting_with(workspace: WorkspacePaths, prefix: str) -> list[RunPaths]:
    from trainconf.history.index import Index

    with Index(workspace) as index:
        return index.starting_with(prefix, SHOWN_CANDIDATES + 1)


def _ambiguous(name: str, candidates: list[RunPaths]) -> RunNotFoundError:
    same_id = len({paths.run_id for paths in candidates}) == 1
    shown = [paths.run_dir if same_id else paths.run_id for paths in candidates[:SHOWN_CANDIDATES]]
    if len(candidates) > SHOWN_CANDIDATES:
        shown.append("and more")
    hint = "give the path of the run directory" if same_id else "give more of the id"
    return RunNotFoundError(f"{name} could be any of several runs", ("candidates", "\n".join(shown)), hint=hint)


def _unknown(workspace: WorkspacePaths, name: str) -> RunNotFoundError:
    from difflib import get_close_matches

    from trainconf.history.index import Index

    with Index(workspace) as index:
        ids = [row.paths.run_id for row in index.latest(SEARCHED_FOR_NEAREST)]
    where = ("workspace", workspace.root)
    if not ids:
        return RunNotFoundError(f"there is no run {name!r}: this workspace has none yet", where, hint="`trainconf` alone starts one")
    near = get_close_matches(name, ids, 3, 0.4)
    facts = [where, ("nearest", "\n".join(near))] if near else [where]
    hint = "`trainconf ls` lists the runs; the unique beginning of an id will do"
    return RunNotFoundError(f"there is no run {name!r}", *facts, hint=hint)
