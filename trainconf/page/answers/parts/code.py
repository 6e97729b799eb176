"""The code of a run: the files of its snapshot, the text of one, and how it differs from another run's or from today's."""

from __future__ import annotations

from trainconf.control import diff
from trainconf.errors import SnapshotError, StorageError, UserError
from trainconf.history import record
from trainconf.page.answers import patches
from trainconf.page.answers.chosen import find_run, run_of, whole
from trainconf.snapshot import SnapshotStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.page.request import Request
    from trainconf.paths import RunPaths
    from trainconf.snapshot.blobs.manifest import Entry

MOST_FILES = 2000  # of one answer
TEXT_BYTES = 400_000  # of a file that is shown; an answer has at most 1 MB
TODAY = "today"


def code(request: Request) -> dict[str, Any]:
    """GET /api/runs/{id}/code. The files whose paths hold `search`, from `offset`. `words` says why there is none."""
    paths = run_of(request)
    recorded, git = record.read_mapping(paths.record), record.read_mapping(paths.git)
    told: dict[str, Any] = {
        "snapshot": diff.snapshot_of(paths), "source_directory": recorded.get("source_directory"), "git": git or None, "words": "",
        "script": _part(paths, "script"), "command": _part(paths, "command"), "files": [], "total": 0, "size_bytes": 0,
    }  # fmt: skip
    try:
        entries = _entries(paths)
    except (UserError, StorageError) as error:
        return {**told, "words": error.mistakes[0].what}
    wanted, offset = request.query.get("search", ""), whole(request.query, "offset", 0, 1 << 30)
    found = [entry for entry in entries if wanted in entry.path]
    return {
        **told, "total": len(found), "size_bytes": sum(entry.size_bytes for entry in found),
        "files": [_file(entry) for entry in found[offset : offset + MOST_FILES]],
    }  # fmt: skip


def file(request: Request) -> dict[str, Any]:
    """GET /api/runs/{id}/code/file: the text of one file. `text` is null for what is no text, or too large; `note` says which.

    Raises UserError for a path that the snapshot does not have.
    """
    paths, path = run_of(request), request.query.get("path", "")
    entry = next((each for each in _entries(paths) if each.path == path), None)
    if entry is None:
        raise UserError(f"the code of {paths.run_id} has no {path!r}", ("snapshot", str(diff.snapshot_of(paths))))
    told = {**_file(entry), "text": None, "note": ""}
    if entry.kind != "file":
        return {**told, "note": f"a link to {entry.content}" if entry.kind == "link" else "an empty folder"}
    if entry.size_bytes > TEXT_BYTES:
        return {**told, "note": f"too large to be shown: more than {TEXT_BYTES // 1000} kB"}
    data = SnapshotStore(paths.workspace.snapshots).read(str(diff.snapshot_of(paths)), entry)
    try:
        if b"\0" in data:
            raise ValueError
        return {**told, "text": data.decode("utf-8")}
    except ValueError:
        return {**told, "note": "not a text"}


def changes(request: Request) -> dict[str, Any]:
    """GET /api/runs/{id}/code/diff: from this run's code to that of the run `with`, or of its source directory `today`.

    With `path` the lines of that file or folder; without it the files and how many lines of each. Raises UserError, SnapshotError.
    """
    paths, other, path = run_of(request), request.query.get("with", TODAY), request.query.get("path", "")
    only = [path] if path else []
    if other == TODAY:
        return patches.answer(diff.code_of_today(paths, patch=bool(path), only=only))
    return patches.answer(diff.code_of_runs(paths, find_run(request.workspace, other), patch=bool(path), only=only))


def _entries(paths: RunPaths) -> list[Entry]:
    """What the run's snapshot holds. Raises UserError where it is not recorded or not kept any more, StorageError."""
    snapshot = diff.snapshot_of(paths)
    if snapshot is None:
        raise UserError(f"it is not recorded which code {paths.run_id} had", ("from", paths.spec))
    try:
        return SnapshotStore(paths.workspace.snapshots).show(snapshot)
    except SnapshotError as error:
        raise UserError(f"the code of {paths.run_id} is not kept any more: {error.mistakes[0].what}", ("snapshot", snapshot)) from error


def _file(entry: Entry) -> dict[str, Any]:
    return {"path": entry.path, "kind": entry.kind, "size_bytes": entry.size_bytes, "executable": entry.executable, "sha256": entry.content}


def _part(paths: RunPaths, name: str) -> Any:
    found = record.read_mapping(paths.spec).get("code")
    return found.get(name) or None if isinstance(found, dict) else None
