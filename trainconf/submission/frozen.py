"""Frozen files: a run as commented YAML, for review and version control, that can be run again anywhere.

The spec in it is exact. Beside it stand what is not identity but is needed to run: names, schedules, and the config it was resolved
from. One hash guards all of it; comments and line ends are free. Facts about the machine are left out: whoever runs it has their own.
A frozen file's first line makes it no part of any snapshot, whatever the file is called.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Any

from trainconf import __version__
from trainconf.composition.layers import Layer, read_layers
from trainconf.composition.machine import without_machine
from trainconf.errors import ConfigError, FrozenFileError, Mistake, SnapshotError, StorageError
from trainconf.fast.records import Record
from trainconf.history import events
from trainconf.paths import WorkspacePaths, is_inside
from trainconf.resolve.composed import Composed
from trainconf.resolve.origins import leaves
from trainconf.resolve.resolver import Resolved, compute_spec
from trainconf.resolve.yaml_text import render
from trainconf.snapshot import SnapshotStore
from trainconf.snapshot.frozen_line import FROZEN_LINE, is_frozen
from trainconf.spec import RunSpec, canonical, sha256_hex
from trainconf.submission.code import take_from_git

FREEZE_AGAIN = "freeze again to make a changed one; a frozen file is not meant to be edited"

VERSION = 2  # 1: only `spec` was guarded by a hash
FROZEN_FIRST_LINE = FROZEN_LINE.decode()


class Frozen(Record):
    """A frozen file that was read: the run it describes, and where its code was recorded."""

    path: str
    resolved: Resolved
    git: dict[str, Any]
    file_hash: str


def is_committed(resolved: Resolved, snapshot_id: str, workspace: WorkspacePaths, git: dict[str, Any]) -> bool:
    """Whether the recorded commit holds exactly this code, so that another clone can find it there.

    Looked up, not concluded from a clean working tree: a file that git ignores may travel in a snapshot, and a dirty file may not.
    """
    commit = str(git.get("commit") or "")
    return bool(commit) and not take_from_git(commit, snapshot_id, resolved.source_directory, SnapshotStore(workspace.snapshots))


def text(
    resolved: Resolved, spec: RunSpec, workspace: WorkspacePaths, git: dict[str, Any], config_dir: str | None = None, *, only_here: bool
) -> tuple[str, str]:
    """The file's content, and its hash. Paths are relative to the workspace, so that a clone elsewhere can run it.

    `only_here` says that no commit holds the code.
    """
    header = [
        FROZEN_FIRST_LINE,
        f"# experiment {resolved.experiment_name}, frozen {events.now()[:19]}Z by trainconf {__version__}",
        "# run it again:   trainconf run <this file>",
        "# still true?     trainconf freeze --check <this file>",
        "# Not meant to be edited: all but comments is guarded by `file_hash`.",
    ]
    if only_here:
        header.append("# No commit is known to hold this code: only the snapshot store that froze it can run this file.")
    config = without_machine(resolved.composed, workspace, config_dir)
    kept = {key for key, _ in leaves(config)}
    body: dict[str, Any] = {
        "frozen_version": VERSION,
        "spec": spec.to_dict(),
        "code_from": {
            "source_directory": _relative(resolved.source_directory, workspace.root),
            "git": {key: git.get(key) for key in ("repository", "branch", "commit") if git.get(key) is not None},
            "only_in_store": only_here,
        },
        "config_name": resolved.composed.config_name,
        "folder": _relative(resolved.composed.folder or os.getcwd(), workspace.root),
        "overrides": resolved.composed.overrides,
        **({"layers": list(map(list, resolved.composed.layers))} if resolved.composed.layers else {}),
        "choices": resolved.composed.choices,
        "config": config,
        "origins": {key: resolved.composed.origin(key) for key, _ in leaves(config) if resolved.composed.origin(key) != "default"},
        "derived": {key: value for key, value in (resolved.composed.derived or {}).items() if key in kept},
    }
    body["file_hash"] = _hash(body)
    return "\n".join(header) + "\n" + render(body), body["file_hash"]


def _hash(body: dict[str, Any]) -> str:
    return sha256_hex(canonical({key: value for key, value in body.items() if key != "file_hash"}))


def _relative(path: str, root: str) -> str:
    return os.path.relpath(path, root) if is_inside(path, root) else path


def strange_program(file: Frozen, today: Composed, workspace: WorkspacePaths) -> str:
    """The Python that the overrides of a file name, when the file was not frozen here: reading its packages would start it. Else empty."""
    named = today.typed.env.python.interpreter_path
    origin, given = today.origin("env.python.interpreter_path"), {layer[0] for layer in today.layers}
    if not named or not (origin.startswith("command line") or origin in given):
        return ""
    pins = SnapshotStore(workspace.snapshots).pins()
    return "" if file.file_hash and any(pin.file_hash == file.file_hash for pin in pins) else str(named)


def pin_where_it_lies(file: Frozen, workspace: WorkspacePaths) -> None:
    """Pin the code for the file's place of today: it may have been moved, or come by version control. A refusal costs the pin alone."""
    with suppress(StorageError, SnapshotError):
        store = SnapshotStore(workspace.snapshots)
        path, code = os.path.realpath(file.path), file.resolved.spec.code.snapshot
        if not any(pin.path == path and code in pin.snapshots for pin in store.pins()):
            store.pin(code, path, file.file_hash)


def read(path: str, workspace: WorkspacePaths) -> Frozen:
    """Read and check a frozen file. Raises FrozenFileError: missing, not YAML, not frozen, newer, or edited by hand."""
    body = _load(path)
    version = body.get("frozen_version")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= VERSION:
        raise FrozenFileError(
            f"frozen_version {version!r} is not one this trainconf can read", ("from", path), ("allowed", f"1 to {VERSION}"),
            hint="freeze the run again with this trainconf: `trainconf freeze -o FILE [overrides]`",
        )
    _refuse_nul(body, path)
    spec = RunSpec.from_dict(body.get("spec", {}), path)
    file_hash = _guarded(body, path) if version > 1 or "file_hash" in body else ""
    config, source = _part(body, "config", dict, path), _part(body, "code_from", dict, path)
    git = {**_part(source, "git", dict, path), "dirty": bool(source.get("only_in_store"))}
    code = os.path.normpath(os.path.join(workspace.root, _part(source, "source_directory", str, path)))
    words = list(map(str, _part(body, "overrides", list, path)))
    composed = Composed(
        config, _part(body, "origins", dict, path), _part(body, "choices", dict, path), words,
        derived=_part(body, "derived", dict, path) if "derived" in body else None, config_name=str(body.get("config_name") or "config"),
        folder=os.path.normpath(os.path.join(workspace.root, str(body.get("folder") or os.curdir))),
        layers=_layers(body, path),
    )
    if version == 1 and not _agree(spec, composed, workspace, path):
        raise FrozenFileError("its config and its spec do not agree: it was edited by hand", ("from", path), hint=FREEZE_AGAIN)
    if version == 1:
        composed.config = without_machine(composed, workspace, None)  # that version froze what conf/local.yaml said, too
    return Frozen(path, Resolved(spec, code, composed), git, file_hash)


def _layers(body: dict[str, Any], path: str) -> list[Layer]:
    try:
        return read_layers(_part(body, "layers", list, path)) if "layers" in body else []
    except TypeError as error:
        raise FrozenFileError(f"its layers cannot be read: {error}", ("from", path), hint=FREEZE_AGAIN) from error


def _guarded(body: dict[str, Any], path: str) -> str:
    """The hash of the file, when it is the one that is written in it. Raises FrozenFileError."""
    try:
        found = _hash(body)
    except (TypeError, ValueError) as error:
        raise FrozenFileError("it holds what no frozen file has", ("from", path), ("because", str(error))) from error
    if found != body.get("file_hash"):
        raise FrozenFileError(
            "the file does not have the hash that is written in it: it was edited by hand", ("from", path),
            ("written", str(body.get("file_hash") or "none")), ("computed", found), hint=FREEZE_AGAIN,
        )
    return found


def _agree(spec: RunSpec, composed: Composed, workspace: WorkspacePaths, path: str) -> bool:
    """Whether the config is one that this spec was made of, as far as that can be told without looking at the machine.

    It is what guards files of version 1, whose hash is that of the spec. Raises FrozenFileError for a config that is none.
    """
    from trainconf.composition.change import change
    from trainconf.resolve.processes import distributed

    if spec.params != composed.config.get("params"):
        return False
    try:
        today = change(composed, [], workspace)
    except ConfigError as error:
        raise FrozenFileError(
            Mistake(mistake.what, ("from", path), *(fact for fact in mistake.facts if fact[0] != "from"), hint=mistake.hint)
            for mistake in error.mistakes
        ) from error
    return compute_spec(today) == spec.compute and distributed(today, []) == spec.distributed


def _refuse_nul(body: dict[str, Any], path: str) -> None:
    """No name of a file, a program or a variable can hold a NUL character; params may. Raises FrozenFileError."""
    named = dict(body)
    for part in ("spec", "config"):
        if isinstance(body.get(part), dict):
            named[part] = {key: value for key, value in body[part].items() if key != "params"}
    if _holds_nul(named):
        raise FrozenFileError("a name in it holds a NUL character, which no file and no program can have", ("from", path))


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_nul(part) for item in value.items() for part in item)
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value


def _part(body: dict[str, Any], key: str, kind: type, path: str) -> Any:
    """What stands under a key. Raises FrozenFileError when it is missing or of another kind."""
    value = body.get(key)
    if not isinstance(value, kind):
        raise FrozenFileError(f"{key} is missing or damaged", ("from", path), hint="restore the file from version control, or freeze again")
    return value


def _load(path: str) -> dict[str, Any]:
    import yaml

    try:
        with open(path, encoding="utf-8-sig") as stream:  # git's autocrlf and some editors change line ends, or put a mark before them
            content = stream.read()
    except FileNotFoundError:
        hint = "`trainconf freeze -o FILE [overrides]` makes one"
        raise FrozenFileError("there is no such frozen file", ("path", path), hint=hint) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FrozenFileError("the frozen file cannot be read", ("path", path), ("because", str(error))) from error
    if not is_frozen(content[:100].encode("utf-8", "surrogateescape")):
        allowed = f"a file whose first line is {FROZEN_FIRST_LINE!r}"
        raise FrozenFileError("this is not a frozen run", ("path", path), ("allowed", allowed))
    try:
        # libyaml is fast, and refuses the surrogates that stand for undecodable bytes of a path
        loader = _without_doubles(yaml.SafeLoader if "\\udc" in content else getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        may_have_aliases = re.search(r"(^|[\s,\[{])\*\w", content) is not None
        if may_have_aliases and any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content, Loader=loader)):
            raise FrozenFileError("a frozen file has no aliases, and this one has", ("path", path))  # few can stand for billions of values
        body = yaml.load(content, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise FrozenFileError(
            "the frozen file is not YAML any more", ("from", f"{path}:{mark.line + 1}" if mark else path),
            *([("because", problem)] if (problem := getattr(error, "problem", None)) else []),
        ) from error
    except RecursionError:
        raise FrozenFileError("the frozen file is nested too deeply", ("from", path)) from None
    if not isinstance(body, dict):
        raise FrozenFileError("the frozen file is empty", ("path", path))
    if _has_aliases(body):
        raise FrozenFileError("it has YAML aliases, which no frozen file has", ("from", path), hint=FREEZE_AGAIN)
    return body


def _without_doubles(loader: Any) -> Any:
    """The loader, but a key may stand once in a mapping: of two, as an append or a merge leaves them, YAML takes the last in silence."""
    from yaml.constructor import ConstructorError

    class Loader(loader):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            mapping = super().construct_mapping(node, deep)
            if len(mapping) != len(node.value):
                names = [key.value for key, _ in node.value]
                double = next((name for name in names if names.count(name) > 1), "")
                raise ConstructorError(None, None, f"{double} stands there twice", node.start_mark)
            return mapping

    return Loader


def _has_aliases(body: dict[str, Any]) -> bool:
    """Whether two places share one value: nine lines of aliases can stand for a billion values."""
    seen: set[int] = set()
    waiting: list[Any] = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (dict, list)):
            if id(value) in seen:
                return True
            seen.add(id(value))
            waiting += value.values() if isinstance(value, dict) else value
    return False
