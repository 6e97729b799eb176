"""Datasets by name: `conf/datasets/<name>/<version>.json` in the workspace, for version control.

A file of a version is made at once and never changed. Paths in the workspace are kept relative to it, so a clone can read them.
"""

from __future__ import annotations

import json
import os
from urllib.parse import quote, unquote

from trainconf.compat.azureml.exceptions import UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def id_of(definition: dict[str, Any]) -> str:
    """The id of a dataset: a digest of what it is, in the form of a UUID."""
    from hashlib import sha256
    from uuid import UUID

    return str(UUID(sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:32]))


def register(
    workspace: Any, name: str, definition: dict[str, Any], description: str | None, tags: dict[str, str] | None, *,
    create_new_version: bool, of_run: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Record a version; the entry of it. The same definition again is the version that is there.

    of_run: the id of the run that makes the data; the version counts once that has completed. Raises UserErrorException when the name is
    taken by another dataset.
    """
    if not isinstance(name, str) or not name.strip():
        raise UserErrorException(f"the name of a dataset must be a text that is not empty, not {name!r}")
    kept = _moved(definition, lambda path: _relative(path, workspace.root))
    known = _entries(workspace, name)
    same = [entry for entry in known if entry["definition"] == kept and entry.get("run") == (of_run or None)]
    if same:
        return {**same[-1], "definition": definition}
    if known and not create_new_version:
        raise UserErrorException(
            f"there is another dataset {name!r}, at version {known[-1]['version']}; register it with create_new_version=True to add one"
        )
    folder = _folder(workspace, name)
    os.makedirs(folder, exist_ok=True)
    version = known[-1]["version"] + 1 if known else 1
    while True:
        said = {"description": description, "tags": tags or {}, "run": of_run or None}
        entry = {"name": name, "version": version, "definition": kept, **said}
        if _write_new(os.path.join(folder, f"{version}.json"), entry):
            return {**entry, "definition": definition}
        version += 1


def get(workspace: Any, name: str, version: Any = "latest") -> dict[str, Any]:
    """The entry of a version, with paths of this machine. Raises UserErrorException when there is none."""
    known = [entry for entry in _entries(workspace, name) if _is_made(workspace, entry)]
    found = known[-1:] if version in ("latest", None) else [entry for entry in known if str(entry["version"]) == str(version)]
    if found:
        return {**found[0], "definition": _moved(found[0]["definition"], lambda path: os.path.join(workspace.root, path))}
    if known:
        have = ", ".join(str(entry["version"]) for entry in known)
        raise UserErrorException(f"the dataset {name!r} has no version {version}; it has {have}")
    there = ", ".join(names(workspace)) or "none"
    hint = f"`dataset.register(ws, {name!r})` keeps one"
    raise UserErrorException(f"there is no dataset {name!r} in {workspace.root}; there are {there}. {hint}")


def names(workspace: Any) -> list[str]:
    """The names of all datasets."""
    top = os.path.join(workspace.root, "conf", "datasets")
    return sorted(unquote(name) for name in os.listdir(top) if os.path.isdir(os.path.join(top, name))) if os.path.isdir(top) else []


def by_id(workspace: Any, dataset_id: str) -> dict[str, Any] | None:
    """The newest entry whose definition has this id."""
    for name in names(workspace):
        for entry in reversed(_entries(workspace, name)):
            definition = _moved(entry["definition"], lambda path: os.path.join(workspace.root, path))
            if id_of(definition) == dataset_id:
                return {**entry, "definition": definition}
    return None


def remove(workspace: Any, name: str) -> None:
    """Forget all versions of a name."""
    import shutil

    shutil.rmtree(_folder(workspace, name), ignore_errors=True)


def _folder(workspace: Any, name: str) -> str:
    return os.path.join(workspace.root, "conf", "datasets", quote(name, safe=" ").replace(".", "%2E"))


def _entries(workspace: Any, name: str) -> list[dict[str, Any]]:
    """All versions of a name, oldest first."""
    folder = _folder(workspace, name)
    found = []
    for file in os.listdir(folder) if os.path.isdir(folder) else []:
        path = os.path.join(folder, file)
        if file.endswith(".json"):
            try:
                with open(path, encoding="utf-8") as stream:
                    entry = json.load(stream)
                found.append({**entry, "version": int(entry["version"]), "definition": dict(entry["definition"])})
            except (ValueError, KeyError, TypeError) as error:
                raise UserErrorException(f"{path} is not the version of a dataset any more: {error}") from error
    return sorted(found, key=lambda entry: int(entry["version"]))


def _is_made(workspace: Any, entry: dict[str, Any]) -> bool:
    """Whether the data is there: a run that makes it must have completed."""
    run = entry.get("run")
    return not run or workspace._state_of(run) == "Completed"


def _write_new(path: str, entry: dict[str, Any]) -> bool:
    """Write a file that is not there yet, whole or not at all; whether it was not there."""
    unfinished = beside(path)
    with open(unfinished, "w", encoding="utf-8") as stream:
        json.dump(entry, stream, indent=1, sort_keys=True)
        stream.write("\n")
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(unfinished)
    return True


def beside(path: str) -> str:
    """A name that nothing has, for what becomes `path` when it is whole: threads and other machines make the same at a time."""
    return f"{path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"


def _moved(definition: dict[str, Any], move: Any) -> dict[str, Any]:
    return {**definition, "paths": [move(path) for path in definition["paths"]]}


def _relative(path: str, root: str) -> str:
    return os.path.relpath(path, root) if path.startswith(os.path.join(root, "")) else path
