"""Facts of a run that was submitted: its log files, what event files hold, its snapshot."""

from __future__ import annotations

import os

from trainconf.errors import RunNotFoundError
from trainconf.history import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import RunPaths


def log_files(paths: RunPaths) -> dict[str, str]:
    """The path of each log, by its name in the run: `logs/std_log.txt`. Also while the run goes on."""
    found = {}
    for file in record.list_files(paths):
        name = str(file["path"])
        if name.startswith("logs/"):
            path = os.path.join(paths.run_dir, name)
            found[name] = path if os.path.exists(path) else os.path.join(paths.code, name)
    return found


def content(path: str) -> str:
    """A log as text; what is no text is escaped. Empty for one that is gone."""
    from trainconf.files import open_regular

    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            return stream.read().decode("utf-8", "backslashreplace")
    except OSError:
        return ""


def snapshot_id(paths: RunPaths) -> str:
    """The id of the code that it ran. Raises RunNotFoundError for a run without one, and for a damaged record."""
    code = record.read_mapping(paths.spec).get("code")
    found = code.get("snapshot") if isinstance(code, dict) else record.read_mapping(paths.record).get("snapshot")
    if not isinstance(found, str) or not found:
        raise RunNotFoundError(f"{paths.run_id} has no snapshot", ("path", paths.spec))
    return found


def restore(paths: RunPaths, which: str, folder: str) -> str:
    """Put a snapshot back into a new folder; the folder. Raises SnapshotError, StorageError."""
    from trainconf.control.workspace import snapshots
    from trainconf.snapshot import SnapshotStore

    snapshots.restore(SnapshotStore(paths.workspace.snapshots), which, folder)
    return folder
