"""Submits a run: a new one, a recorded one again, or what a frozen file says. `plan` shows what would be submitted."""

from __future__ import annotations

import os
import sys

from trainconf.control.compose import COMMAND_LINE, ComposeRequest, naming, resolve
from trainconf.fast.records import Record
from trainconf.reporter import SILENT
from trainconf.submission import submit as submission

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.launchers.protocol import LaunchPlan
    from trainconf.paths import RunPaths, WorkspacePaths
    from trainconf.reporter import Reporter
    from trainconf.resolve.resolver import Resolved
    from trainconf.spec import RunSpec
    from trainconf.submission.submit import Submitted


def submit(
    request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT, *, parent: str | None = None
) -> Submitted:
    """Submit one run, and return as soon as its agent has it. Raises UserError kinds, BuildError, LaunchError.

    parent: the id of the run it is below.

    An interruption leaves nothing: the run is removed, or cancelled once its agent has it.
    """
    return submission.submit(resolve(request, workspace, reporter), workspace, reporter, parent=parent)


def rerun(
    run: RunPaths, overrides: Sequence[str], workspace: WorkspacePaths, reporter: Reporter = SILENT, *, typed_in: str = COMMAND_LINE
) -> Submitted:
    """Submit a recorded run again: its own code and config, with `overrides` on top. Raises as `submit` does, and RunNotFoundError.

    typed_in: where the overrides stand, as messages and origins name it.
    """
    from trainconf.submission.code import find_code
    from trainconf.submission.replay import from_run

    with naming(ComposeRequest(overrides, typed_in=typed_in)):
        resolved, git = from_run(run, list(overrides), workspace, reporter)
    own = {f"{COMMAND_LINE}: {word}": f"{typed_in}: {word}" for word in overrides}
    resolved.composed.origins = {key: own.get(origin, origin) for key, origin in resolved.composed.origins.items()}
    find_code(resolved.spec.code.snapshot, resolved.source_directory, git, workspace, run.spec)
    return submission.submit(resolved, workspace, reporter)


def resume(run: RunPaths, overrides: Sequence[str], workspace: WorkspacePaths, reporter: Reporter = SILENT) -> Submitted:
    """Submit the next attempt of a run that failed, was cancelled or lost its agent, in its directory. `overrides` are of `submit` alone.

    Raises as `submit` does, and UserError for a run that completed, goes on, or would not be the same any more.
    """
    from trainconf.submission.resume import resume as submit_again

    return submit_again(run, list(overrides), workspace, reporter)


def run_frozen(path: str, overrides: Sequence[str], workspace: WorkspacePaths, reporter: Reporter = SILENT) -> Submitted:
    """Submit exactly what a frozen file says. `overrides` may change what is not part of its spec.

    Raises as `submit` does, and FrozenFileError.
    """
    from trainconf.submission import frozen
    from trainconf.submission.code import find_code
    from trainconf.submission.replay import from_frozen

    file = frozen.read(path, workspace)
    resolved = from_frozen(file, list(overrides), workspace, reporter)
    code = file.resolved.spec.code.snapshot
    found = find_code(code, file.resolved.source_directory, file.git, workspace, path)
    frozen.pin_where_it_lies(file, workspace)
    reporter.info(f"code {code[:12]} found in {found}")
    return submission.submit(resolved, workspace, reporter)


def python_of(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> str:
    """The Python that a submission would run its script with; this process's own where that is not built yet, or is in an image.

    Raises ConfigError.
    """
    from trainconf import environments

    resolved = resolve(request, workspace, reporter)
    software, state = environments.locate(submission.software_of(resolved, workspace))
    return software.python if state == "ready" and os.path.isabs(software.python) and not software.image else sys.executable


class Planned(Record):
    """What a submission would send. `environment` says in words what is built; `completed` is an equal run that completed before."""

    resolved: Resolved
    spec: RunSpec
    plan: LaunchPlan
    environment: str
    completed: RunPaths | None


def plan(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> Planned:
    """The very objects a submission would send. Nothing is written or started. Raises ConfigError, SnapshotError."""
    from trainconf import environments
    from trainconf.snapshot import SnapshotStore, hash_tree
    from trainconf.submission.inputs import with_digests

    resolved = with_digests(resolve(request, workspace, reporter), workspace, reporter)
    snapshot = hash_tree(resolved.source_directory, store=SnapshotStore(workspace.snapshots))
    software, state = environments.locate(submission.software_of(resolved, workspace))
    spec, launch_plan = submission.plan_only(resolved, workspace, snapshot, software)
    completed = submission.find_completed(workspace, spec)
    return Planned(resolved, spec, launch_plan, f"{state}: {software.image or software.python}", completed)
