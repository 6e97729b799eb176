"""Frozen files: a run as commented YAML, for review and version control, that can be run again anywhere.

The spec in it is exact and guarded by its hash. Beside it stand what is not identity but is needed to run: names, schedules, and the
config it was resolved from. A frozen file's first line makes it no part of any snapshot.
"""

from __future__ import annotations

import os
from typing import Any

from trainconf import __version__
from trainconf.errors import FrozenFileError
from trainconf.files import write_atomic
from trainconf.history import events
from trainconf.paths import WorkspacePaths, is_inside
from trainconf.resolve.composed import Composed
from trainconf.resolve.resolver import Resolved
from trainconf.resolve.yaml_text import render
from trainconf.snapshot import SnapshotStore
from trainconf.snapshot.content import FROZEN_LINE
from trainconf.spec import RunSpec
from trainconf.submission.code import take_from_git

VERSION = 1
FROZEN_FIRST_LINE = FROZEN_LINE.decode()


class Frozen:
    """A frozen file that was read: the run it describes, where its code was recorded, and the folder its words were typed in."""

    __slots__ = ("config_name", "folder", "git", "path", "resolved")

    def __init__(self, path: str, resolved: Resolved, git: dict[str, Any], config_name: str, folder: str) -> None:
        self.path = path
        self.resolved = resolved
        self.git = git
        self.config_name = config_name
        self.folder = folder


def is_committed(resolved: Resolved, snapshot_id: str, workspace: WorkspacePaths, git: dict[str, Any]) -> bool:
    """Whether the recorded commit holds exactly this code, so that another clone can find it there.

    Looked up, not concluded from a clean working tree: a file that git ignores may travel in a snapshot, and a dirty file may not.
    """
    commit = str(git.get("commit") or "")
    return bool(commit) and not take_from_git(commit, snapshot_id, resolved.source_directory, SnapshotStore(workspace.snapshots))


def text(
    resolved: Resolved, spec: RunSpec, workspace: WorkspacePaths, git: dict[str, Any], config_name: str, *, only_here: bool
) -> str:
    """The file's content. Paths are relative to the workspace, so that a clone elsewhere can run it.

    `only_here` says that no commit holds the code.
    """
    header = [
        FROZEN_FIRST_LINE,
        f"# experiment {resolved.experiment_name}, frozen {events.now()[:19]}Z by trainconf {__version__}",
        "# run it again:   trainconf run <this file>",
        "# still true?     trainconf freeze --check <this file>",
        "# Not meant to be edited: `spec` is guarded by its hash.",
    ]
    if only_here:
        header.append("# The code had changes that no commit holds: only the snapshot store that froze it can run this file.")
    body = {
        "frozen_version": VERSION,
        "spec": spec.to_dict(),
        "code_from": {
            "source_directory": _relative(resolved.source_directory, workspace.root),
            "git": {key: git.get(key) for key in ("repository", "branch", "commit") if git.get(key) is not None},
            "only_in_store": only_here,
        },
        "config_name": config_name,
        "folder": _relative(os.getcwd(), workspace.root),
        "overrides": resolved.composed.overrides,
        "choices": resolved.composed.choices,
        "config": resolved.config,
        "origins": {key: origin for key, origin in resolved.composed.origins.items() if origin != "default"},
    }
    return "\n".join(header) + "\n" + render(body)


def _relative(path: str, root: str) -> str:
    return os.path.relpath(path, root) if is_inside(path, root) else path


def write(path: str, content: str) -> None:
    """Put a frozen file in place. Raises FrozenFileError when the folder refuses."""
    try:
        write_atomic(path, content)
    except OSError as error:
        raise FrozenFileError("the frozen file cannot be written", ("path", path), ("because", str(error.strerror))) from error


def read(path: str, workspace: WorkspacePaths) -> Frozen:
    """Read and check a frozen file. Raises FrozenFileError: missing, not YAML, not frozen, newer, or edited by hand."""
    body = _load(path)
    version = body.get("frozen_version")
    if version != VERSION:
        raise FrozenFileError(
            f"frozen_version {version!r} is not one this trainconf can read", ("from", path), ("allowed", str(VERSION)),
            hint="freeze the run again with this trainconf: `trainconf freeze -o FILE [overrides]`",
        )
    spec = RunSpec.from_dict(body.get("spec", {}), path)
    config, source = _part(body, "config", dict, path), _part(body, "code_from", dict, path)
    git = {**_part(source, "git", dict, path), "dirty": bool(source.get("only_in_store"))}
    code = os.path.normpath(os.path.join(workspace.root, _part(source, "source_directory", str, path)))
    if spec.params != config.get("params"):
        raise FrozenFileError("its config and its spec do not agree: it was edited by hand", ("from", path),
                              hint="freeze again to make a changed one")
    composed = Composed(
        config, _part(body, "origins", dict, path), _part(body, "choices", dict, path), list(map(str, _part(body, "overrides", list, path)))
    )
    folder = os.path.normpath(os.path.join(workspace.root, str(body.get("folder") or os.curdir)))
    return Frozen(path, Resolved(spec, code, composed), git, str(body.get("config_name") or "config"), folder)


def _part(body: dict[str, Any], key: str, kind: type, path: str) -> Any:
    """What stands under a key. Raises FrozenFileError when it is missing or of another kind."""
    value = body.get(key)
    if not isinstance(value, kind):
        raise FrozenFileError(f"{key} is missing or damaged", ("from", path), hint="restore the file from version control, or freeze again")
    return value


def _load(path: str) -> dict[str, Any]:
    import yaml

    try:
        with open(path, encoding="utf-8") as stream:
            content = stream.read()
    except FileNotFoundError:
        hint = "`trainconf freeze -o FILE [overrides]` makes one"
        raise FrozenFileError("there is no such frozen file", ("path", path), hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FrozenFileError("the frozen file cannot be read", ("path", path), ("because", str(error))) from error
    if not content.startswith(FROZEN_FIRST_LINE):
        allowed = f"a file whose first line is {FROZEN_FIRST_LINE!r}"
        raise FrozenFileError("this is not a frozen run", ("path", path), ("allowed", allowed))
    try:
        # libyaml is fast, and refuses the surrogates that stand for undecodable bytes of a path
        loader = yaml.SafeLoader if "\\udc" in content else getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        body = yaml.load(content, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise FrozenFileError("the frozen file is not YAML any more", ("from", f"{path}:{mark.line + 1}" if mark else path)) from error
    if not isinstance(body, dict):
        raise FrozenFileError("the frozen file is empty", ("path", path))
    return body
