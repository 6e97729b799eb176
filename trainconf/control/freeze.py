"""Freezes a run as a file for version control, and checks whether such a file still is what would run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from trainconf import environments
from trainconf.composition.layers import Layer
from trainconf.control.compose import ComposeRequest, asked_about_software, compose, resolve
from trainconf.errors import UserError
from trainconf.fast.records import Record
from trainconf.git import commit as git_commit
from trainconf.git.facts import facts as git_facts
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.process import processes
from trainconf.reporter import SILENT, Reporter
from trainconf.resolve.resolver import Resolved
from trainconf.resolve.resolver import resolve as resolve_composed
from trainconf.snapshot import SnapshotStore, hash_tree
from trainconf.spec import RunSpec
from trainconf.submission import drift, frozen
from trainconf.submission.code import find_code
from trainconf.submission.destination import Destination
from trainconf.submission.inputs import not_looked_at, with_digests
from trainconf.submission.replay import recorded
from trainconf.submission.submit import spec_with_code, take_snapshot


class FrozenRun(Record):
    """A run that was frozen. `only_here` says why only this snapshot store can run it; empty when a commit holds its code."""

    experiment_name: str
    spec_hash: str
    only_here: str


class Drift(Record):
    """What of a frozen file would run differently today.

    differences: lines by part of the spec. code_diff: the changed lines of code, with `diff`. strange_program: a program
    that the file names and that was therefore not started, so that the environment was not compared. not_compared: inputs whose content
    no spec holds, in words.
    """

    differences: dict[str, list[str]]
    code_diff: str
    strange_program: str
    not_compared: str


def freeze(
    request: ComposeRequest, workspace: WorkspacePaths, output: str | None, write: Callable[[str], None], reporter: Reporter = SILENT
) -> FrozenRun:
    """Write the run to the file `output`, or hand its text to `write` when that is None; its code is pinned in the snapshot store.

    Raises ConfigError, UserError for software that has no identity, SnapshotError, FrozenFileError, StorageError.
    """
    resolved = with_digests(resolve(request, workspace, reporter), workspace, reporter)
    _check_software(resolved)
    with Destination(output, write) as destination:
        spec = spec_with_code(resolved, take_snapshot(resolved, workspace, reporter))
        found = git_facts(resolved.source_directory, processes)
        return _write(resolved, spec, found.to_dict() if found is not None else {}, workspace, destination, request.config_dir)


def freeze_run(run: RunPaths, workspace: WorkspacePaths, output: str | None, write: Callable[[str], None]) -> FrozenRun:
    """As `freeze`, of a recorded run: the file that freezing would have written when it was submitted.

    Raises RunNotFoundError for a damaged record, UserError, FrozenFileError where its code is found nowhere, StorageError.
    """
    resolved, git = recorded(run)
    _check_software(resolved)
    find_code(resolved.spec.code.snapshot, resolved.source_directory, git, workspace, run.spec)
    with Destination(output, write) as destination:
        return _write(resolved, resolved.spec, git, workspace, destination)


def _write(
    resolved: Resolved, spec: RunSpec, git: dict[str, Any], workspace: WorkspacePaths, destination: Destination,
    config_dir: str | None = None,
) -> FrozenRun:
    snapshot_id = spec.code.snapshot
    is_committed = frozen.is_committed(resolved, snapshot_id, workspace, git)
    content, file_hash = frozen.text(resolved, spec, workspace, git, config_dir, only_here=not is_committed)
    SnapshotStore(workspace.snapshots).pin(snapshot_id, destination.path, file_hash)
    destination.write(content)
    return FrozenRun(resolved.experiment_name, spec.spec_hash, "" if is_committed else _why_only_here(git))


class FileCommit:
    """The commit of a frozen file, and of nothing else. Raises UserError at once where the file could not be committed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._repository = git_commit.repository_of(path)

    def make(self, frozen_run: FrozenRun, message: str = "") -> str:
        """The hash of the commit; empty when HEAD has the file as it is. Raises UserError with git's words, StorageError."""
        name = os.path.basename(self._path)
        default = f"freeze {frozen_run.experiment_name} as {name}\n\nspec {frozen_run.spec_hash}"
        return git_commit.commit(self._repository, self._path, message or default)


def _check_software(resolved: Resolved) -> None:
    software = resolved.spec.environment
    if environments.is_known(software):
        return
    origin = ("from", resolved.composed.origin("env.docker.image"))
    if environments.is_file(software):
        raise UserError(
            f"image {software.image} cannot be frozen: it is a folder, and a folder's content may change", origin,
            hint="make it one file, which is known by its content",
        )
    raise UserError(
        f"image {software.image} cannot be frozen: the engine does not have it", origin,
        hint=f"`docker pull {software.image}`, or `trainconf env build` with the same overrides",
    )


def _why_only_here(git: dict[str, object]) -> str:
    unanswered = git.get("note") if git.get("commit") is None and git.get("dirty") is None else ""
    known = f"it is not known whether a commit holds this code ({unanswered})" if unanswered else "no commit holds this code"
    if git.get("dirty") is False:
        known += ", though all is committed: a file that git ignores, or an empty folder, is part of it"
    return known


def check(
    path: str, workspace: WorkspacePaths, reporter: Reporter = SILENT, *, config_dir: str | None = None, diff: bool = False,
    trust: bool = False, starts_programs: bool = True,
) -> Drift:
    """Compose the overrides of a frozen file today, and compare. Unless `trust`, no program starts that only a stranger's file names.

    Without `starts_programs` none starts at all, and no engine is asked: the software that only those know is not compared.
    Raises FrozenFileError, ConfigError, SnapshotError, StorageError.
    """
    file = frozen.read(path, workspace)
    then = file.resolved.composed
    layers = [Layer(*layer) for layer in then.layers]
    composed = compose(ComposeRequest(then.overrides, then.config_name, config_dir, layers), workspace, reporter)
    strange = "" if trust else frozen.strange_program(file, composed, workspace)
    strange = strange if starts_programs else asked_about_software(composed)
    software = file.resolved.spec.environment if strange else None
    today = with_digests(resolve_composed(composed, workspace, cwd=then.folder, software=software), workspace, reporter)
    spec = spec_with_code(today, hash_tree(today.source_directory, store=SnapshotStore(workspace.snapshots)))
    found = drift.of_values(file, today, spec)
    text = ""
    if spec.code.snapshot != file.resolved.spec.code.snapshot:
        paths, text = _code(file, today, workspace, diff=diff)
        found = {"code": [*paths, *found.pop("code", [])], **found}
    return Drift(found, text, strange, not_looked_at(file.resolved.spec, spec))


def _code(file: frozen.Frozen, today: Resolved, workspace: WorkspacePaths, *, diff: bool) -> tuple[list[str], str]:
    """A line for each path of the code that differs, and with `diff` the changed lines."""
    snapshot_id = file.resolved.spec.code.snapshot
    with drift.frozen_code(file, workspace) as store:
        if isinstance(store, str):
            return [f"the code of then is not in this store, and {store}: no path can be named ({today.source_directory})"], ""
        changes = drift.of_code(store, snapshot_id, today.source_directory)
        lines = [str(change) for change in changes[: drift.SHOWN_PATHS]]
        if len(changes) > drift.SHOWN_PATHS:
            lines.append(f"and {len(changes) - drift.SHOWN_PATHS} more")
        return lines, drift.text_diff(store, snapshot_id, today.source_directory) if diff else ""
