"""Begins a run that this process is: a directory with record, events and lock, as every run has, and no agent."""

from __future__ import annotations

import os
from contextlib import suppress

from trainconf import __version__
from trainconf.errors import ConfigError, StorageError, UserError
from trainconf.job_api import Run, interactive
from trainconf.limits import SNAPSHOT_MAX_FILES, SNAPSHOT_MAX_MB
from trainconf.paths import RunPaths
from trainconf.resolve.resolver import is_run_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from trainconf.paths import WorkspacePaths


def start(
    workspace: WorkspacePaths, experiment_name: str, *, run_id: str | None = None, display_name: str | None = None,
    tags: Mapping[str, str] | None = None, params: Mapping[str, Any] | None = None, snapshot_directory: str | None = None,
) -> Run:  # fmt: skip
    """A run that this process is, until `complete`, `fail` or `cancel`, the end of a `with` block, or the end of the process.

    With `snapshot_directory` that folder's source tree is recorded as it is now; run.json has the snapshot's id. When the process ends
    without a word, the run is Completed after a normal end, Failed after an exception that nobody caught, and NotResponding when it was
    killed. Raises ConfigError for a bad name, UserError for an id that is taken, SnapshotError, StorageError. Nothing is left then.
    """
    if not is_run_name(experiment_name):
        raise ConfigError(f"experiment_name cannot be {experiment_name!r}", ("allowed", "letters, digits, `_`, `-`, `.`"))
    snapshot = _snapshot(workspace, snapshot_directory)
    record = {
        "type": "interactive", "display_name": display_name, "tags": dict(tags or {}), "params": dict(params or {}), "compute": "local",
        "env": "current", "trainconf": __version__, "snapshot": snapshot, "source_directory": snapshot_directory,
    }  # fmt: skip
    folder = os.path.join(workspace.runs, experiment_name)
    is_new = not os.path.exists(folder)
    try:
        os.makedirs(folder, exist_ok=True)
        os.makedirs(workspace.state, exist_ok=True)
        try:
            run: Run = interactive.begin(Run, folder, experiment_name, record, run_id)
        except BaseException:
            if is_new:
                with suppress(OSError):  # another run may have begun there
                    os.rmdir(folder)
            raise
    except FileExistsError as error:
        raise UserError(str(error), hint="give another run_id, or none: then it gets one of its own") from error
    except ValueError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise StorageError.from_os_error(error, "the run cannot be made") from error
    from trainconf.history.index.index import Index

    Index(workspace).add(RunPaths(run.run_dir))
    return run


def _snapshot(workspace: WorkspacePaths, folder: str | None) -> str | None:
    if folder is None:
        return None
    from trainconf.snapshot import SnapshotStore

    return SnapshotStore(workspace.snapshots).take(os.path.abspath(folder), max_mb=SNAPSHOT_MAX_MB, max_files=SNAPSHOT_MAX_FILES).id
