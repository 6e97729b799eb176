"""Removes runs and sweeps: what would go, what must stay and why, and the removal itself.

A folder first gets the name `<run id>.removing`, which is no run's, in one step; `gc` finishes what was interrupted after that. Nothing is
removed through a link. Snapshots and environments are `gc`'s matter: others may share them.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress

from trainconf import files
from trainconf.control.runs import is_sweep, runs_of
from trainconf.errors import Mistake, StorageError, UserError
from trainconf.fast.records import Record
from trainconf.history import events, liveness
from trainconf.history.find import trials_of
from trainconf.history.record import read_mapping
from trainconf.launchers import states
from trainconf.paths import REMOVING, RunPaths
from trainconf.snapshot import SnapshotStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from trainconf.history.liveness import State
    from trainconf.paths import WorkspacePaths


class Removable(Record):
    """A run or a sweep that may go. `trials` go before their sweep. `size_bytes` is what the disk gets back, of all together."""

    paths: RunPaths
    status: str
    trials: Sequence[RunPaths]
    size_bytes: int


def find(workspace: WorkspacePaths, runs: Sequence[RunPaths]) -> list[Removable]:
    """What would go if these were removed. Raises UserError with every reason why one of them must stay."""
    asked = {paths.run_dir: paths for paths in runs}
    trials = {name: _trials(paths) for name, paths in asked.items() if is_sweep(paths)}
    goners = {**asked, **{trial.run_dir: trial for found in trials.values() for trial in found}}
    alone = [paths for name, paths in asked.items() if not any(name == trial.run_dir for found in trials.values() for trial in found)]
    known = dict(zip(goners, states.states_of(list(goners.values())), strict=True))
    sizes: dict[str, int] = {}
    wrong: list[Mistake] = []
    for name, paths in goners.items():
        wrong += _why_it_stays(workspace, paths, known[name], goners)
        sizes[name], trouble = _measure(paths)
        wrong += trouble
    wrong += _needed_by_others(workspace, goners)
    if wrong:
        raise UserError(wrong)
    return [
        Removable(paths, known[paths.run_dir].status, of := trials.get(paths.run_dir, []),
                  sizes[paths.run_dir] + sum(sizes[trial.run_dir] for trial in of))
        for paths in alone
    ]  # fmt: skip


def remove(removable: Removable) -> bool:
    """Remove a run, or a sweep after its trials; False when one of them was begun again meanwhile, and stays. Raises StorageError."""
    for paths in (*removable.trials, removable.paths):
        try:
            if not _put_aside(paths):
                return False
            finish(paths.run_dir + REMOVING)
        except OSError as error:
            raise StorageError.from_os_error(error, f"{paths.run_id} cannot be removed; `trainconf gc` goes on with it") from error
    return True


def unfinished(workspace: WorkspacePaths) -> Iterator[str]:
    """The folders whose removal was interrupted."""
    for experiment in files.names_in(workspace.runs):
        folder = os.path.join(workspace.runs, experiment)
        for name in files.names_in(folder) if os.path.isdir(folder) and not os.path.islink(folder) else ():
            path = os.path.join(folder, name)
            if name.endswith(REMOVING) and os.path.isdir(path) and not os.path.islink(path):
                yield path


def finish(folder: str) -> bool:
    """Remove a folder that was put aside. Raises OSError."""
    for name in (os.path.basename(RunPaths(folder).events), os.path.basename(RunPaths(folder).sweep)):
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, name))  # first: nobody shall take what is left for a run
    for inside, names, _ in os.walk(folder):  # links are not followed; a job may have taken its own rights away
        for path in (inside, *(os.path.join(inside, name) for name in names)):
            with suppress(FileNotFoundError):
                mode = os.lstat(path).st_mode
                if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
                    os.chmod(path, stat.S_IMODE(mode) | stat.S_IRWXU)
    while os.path.isdir(folder):
        with suppress(FileNotFoundError):  # another process removes it at the same time
            shutil.rmtree(folder)
    return True


def _put_aside(paths: RunPaths) -> bool:
    """Rename a run's folder while nobody has its lock; also true when it is gone already. Raises OSError."""
    lock = files.FileLock(paths.lock)
    try:
        if not liveness.hold_ended(paths, lock) and os.path.isdir(paths.run_dir):
            return False
        os.rename(paths.run_dir, paths.run_dir + REMOVING)
    except FileNotFoundError:
        pass
    finally:
        lock.release()
    return True


def _trials(sweep: RunPaths) -> list[RunPaths]:
    """The runs that a sweep has made, those of earlier tries too. A run that was reused for a trial is not its own."""
    folder = os.path.dirname(sweep.run_dir)
    beside = [RunPaths(os.path.join(folder, name)) for name in files.names_in(folder) if name.startswith(f"{sweep.run_id}_")]
    found = {paths.run_dir: paths for paths in (*trials_of(sweep), *runs_of(sweep), *beside) if _parent(paths) == sweep.run_id}
    return [paths for paths in found.values() if not paths.run_id.endswith(REMOVING)]


def _parent(paths: RunPaths) -> str | None:
    parent = read_mapping(paths.record).get("parent")
    return parent if isinstance(parent, str) else None


def _why_it_stays(workspace: WorkspacePaths, paths: RunPaths, state: State, goners: dict[str, RunPaths]) -> Iterator[Mistake]:
    where = ("path", paths.run_dir)
    if os.path.dirname(os.path.dirname(os.path.realpath(paths.run_dir))) != os.path.realpath(workspace.runs):
        yield Mistake(f"{paths.run_id} is not a folder of this workspace", where, ("workspace", workspace.root),
                      hint="remove it from its own workspace; a link, or a copy elsewhere, goes by `rm`")
    elif not state.is_final:
        yield Mistake(f"{paths.run_id} is {state.status}", *([("reason", state.reason)] if state.reason else []), where,
                      hint=f"`trainconf cancel {paths.run_id}` ends it")
    elif is_sweep(paths) and any(map(files.is_locked, (paths.lock, paths.controller_lock))):
        yield Mistake(f"{paths.run_id} still has a process that minds it", where, hint=f"`trainconf wait {paths.run_id}`")
    parent = _parent(paths)
    sweep = RunPaths(os.path.join(os.path.dirname(paths.run_dir), parent)) if parent and os.path.basename(parent) == parent else None
    if sweep is not None and sweep.run_dir not in goners and is_sweep(sweep) and not _has_ended(sweep):
        yield Mistake(f"{paths.run_id} is a trial of {sweep.run_id}, which goes on", where,
                      hint=f"`trainconf cancel {sweep.run_id}` ends it, and `trainconf rm {sweep.run_id}` takes the whole sweep")


def _has_ended(sweep: RunPaths) -> bool:
    from trainconf.control.results.sweep import state

    return state(sweep) in events.TERMINAL


def _measure(paths: RunPaths) -> tuple[int, list[Mistake]]:
    """What the disk gets back, and what in a run's folder this user cannot remove. Links are not followed."""
    total, foreign, owner, me = 0, "", 0, os.geteuid()
    folders = [paths.run_dir]
    while folders:
        folder = folders.pop()
        try:
            info = os.lstat(folder)
            if me not in (0, info.st_uid):
                foreign, owner = foreign or folder, owner or info.st_uid
            total += info.st_blocks * 512
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        info = entry.stat(follow_symlinks=False)
                        total += info.st_blocks * 512 if info.st_nlink == 1 else 0
        except OSError:
            continue  # closed by its owner, which the removal mends; or it has gone
    if not foreign:
        return total, []
    who = "root" if owner == 0 else f"user {owner}"
    why = ("because", "a container, or another user, made them")
    hint = f"`sudo trainconf rm {paths.run_id}`, or `sudo chown -R {me} {paths.run_dir}` first"
    return total, [Mistake(f"{paths.run_id} holds folders of {who}", ("path", foreign), why, hint=hint)]


def _needed_by_others(workspace: WorkspacePaths, goners: dict[str, RunPaths]) -> Iterator[Mistake]:
    """What lies in these folders and is the input of a run that stays, or of a frozen file; and trials they stand for."""
    real = {os.path.realpath(name): paths for name, paths in goners.items()}
    for run in _all_runs(workspace):
        if run.run_dir in goners:
            continue
        for name, path in _inputs(_spec_with_inputs(run.spec)):
            if (goner := _holder(os.path.join(workspace.root, path), real)) is not None:
                yield Mistake(f"{run.run_id} needs {goner.run_id}: it is its input {name}", ("path", path),
                              hint=f"remove {run.run_id} as well, or copy what it needs, and submit with the copy")
        if is_sweep(run) and not _has_ended(run):
            for trial in runs_of(run):
                if trial.run_dir in goners and _parent(trial) != run.run_id:
                    yield Mistake(f"{trial.run_id} stands for a trial of {run.run_id}, which goes on", ("sweep", run.run_dir),
                                  hint=f"wait for it, or `trainconf cancel {run.run_id}`")
    for pin in SnapshotStore(workspace.snapshots).pins():
        for name, path in _frozen_inputs(pin.path, workspace) if pin.path and not pin.why_idle else ():
            if (goner := _holder(os.path.join(workspace.root, path), real)) is not None:
                yield Mistake(f"the frozen file {pin.path} needs {goner.run_id}: it is its input {name}", ("path", path),
                              hint="freeze it again with a copy as its input, or remove that file")


def _all_runs(workspace: WorkspacePaths) -> Iterator[RunPaths]:
    for experiment in files.names_in(workspace.runs):
        for run_id in files.names_in(os.path.join(workspace.runs, experiment)):
            if not run_id.endswith(REMOVING):
                yield workspace.run(experiment, run_id)


def _spec_with_inputs(path: str) -> dict[str, Any]:
    """The spec of a run that has inputs; empty for most, which are not parsed."""
    try:
        text = files.read_untrusted(path, liveness.RECORD_BYTES)
    except OSError:
        return {}
    return {} if b'"inputs":[]' in text else read_mapping(path)


def _inputs(spec: dict[str, Any]) -> list[tuple[str, str]]:
    code = spec.get("code")
    found = code.get("inputs") if isinstance(code, dict) else None
    pairs = found if isinstance(found, list) else []
    return [(str(pair[0]), str(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2]


def _frozen_inputs(path: str, workspace: WorkspacePaths) -> list[tuple[str, str]]:
    from trainconf.errors import FrozenFileError
    from trainconf.submission import frozen

    try:
        return list(frozen.read(path, workspace).resolved.spec.code.inputs)
    except FrozenFileError:
        return []  # it cannot be run as it is, whatever is removed


def _holder(path: str, real: dict[str, RunPaths]) -> RunPaths | None:
    """Which of these folders holds a path, links followed."""
    path = os.path.realpath(path)
    while path not in real and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return real.get(path)
