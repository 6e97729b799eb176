"""What is not as it was frozen: value by value with its origin, and file by file. Nothing is written, and nothing is run."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trainconf.paths import WorkspacePaths
from trainconf.resolve.hydra_app import program_of
from trainconf.resolve.origins import leaves
from trainconf.resolve.resolver import Resolved
from trainconf.snapshot import SnapshotStore, tree_manifest
from trainconf.snapshot.blobs.manifest import Entry
from trainconf.snapshot.code_diff import TOO_LARGE, TOO_MUCH, compare, reader_of
from trainconf.spec import RunSpec, sha256_hex
from trainconf.submission.code import take_from_git
from trainconf.submission.frozen import Frozen

SHOWN_PATHS = 100
HASHES = r"(?:\s+--hash=\S+){2,}"
PARTS = ("code", "params", "environment", "compute", "distributed")
PAIRS = {"code": ("inputs", "input_digests"), "environment": ("files", "variables", "build_args"), "compute": ("options",)}
# where the config says what the spec calls otherwise; `environment.files.<path>` is the file itself
CONFIG_KEYS = {
    "code.input_digests": "inputs", "code.snapshot": "source_directory", "environment.interpreter": "env.python.interpreter_path",
    "environment.python": "env.python.version", "environment.packages": "env", "environment.kind": "env",
    "environment.requirements": "env.requirements", "environment.variables": "env.variables",
    "environment.build_args": "env.docker.build.args", "environment": "env.docker", "compute.options": "compute",
    "compute.max_run_duration_seconds": "max_run_duration_seconds", "compute.grace_seconds": "grace_seconds",
    "distributed.processes_per_node": "distributed.process_count_per_node",
}  # fmt: skip

_OF_AN_APP = {"arguments": "hydra_app.words", "script": "hydra_app.script", "command": "hydra_app.module"}


def of_values(file: Frozen, today: Resolved, spec: RunSpec) -> dict[str, list[str]]:
    """A line for each value that is not as it was frozen, by part of the spec. The code's files are `of_code`'s."""
    found: dict[str, list[str]] = {}
    for part, key, text in _differences(file.resolved.spec, spec):
        if (part, key) != ("code", "snapshot"):
            found.setdefault(part, []).append(f"{text}  ({_origin(part, key, file, today)})")
    return found


def of_specs(then: RunSpec, now: RunSpec) -> list[str]:
    """A line for each value of two specs that differs."""
    return [f"{part} {text}" for part, _, text in _differences(then, now)]


def _differences(then: RunSpec, now: RunSpec) -> Iterator[tuple[str, str, str]]:
    """The part of the spec, the key in it, and both values in words."""
    for part in PARTS:
        old, new = _flat(then, part), _flat(now, part)
        for key in dict.fromkeys([*old, *new]):
            before, after = old.get(key), new.get(key)
            if before == after or (key.startswith("input_digests.") and before is None):
                continue  # nobody had looked at an input then: `not_looked_at` says so
            name = key.replace("files.", "file ", 1) if key.startswith("files.") else key  # what follows is a path
            yield part, key, f"{name}: {_shown(key, before)} -> {_shown(key, after)}"


def _flat(spec: RunSpec, part: str) -> dict[str, Any]:
    values = dict(spec.to_dict()[part])
    for name in PAIRS.get(part, ()):
        values[name] = dict(values[name])
    return {key: value for key, value in leaves(values) if value != {} or part == "params"}


def _shown(key: str, value: Any) -> str:
    if key == "requirements" and value:
        value = [re.sub(HASHES, _hashes_in_short, line) for line in value]
    is_hash = key == "packages" or key.startswith(("input_digests.", "files."))
    return json.dumps(value[:19] if is_hash and isinstance(value, str) else value)


def _hashes_in_short(hashes: re.Match[str]) -> str:
    """Two lines of a lock file that differ in their hashes alone differ in this, too."""
    return f" --hash=... ({hashes[0].count('--hash=')}, together {sha256_hex(hashes[0])[:12]})"


def _origin(part: str, key: str, file: Frozen, today: Resolved) -> str:
    """Where a value comes from today; where it came from then, when it has its default today."""
    if part == "environment" and key.startswith("files."):
        return key.removeprefix("files.")
    whole = f"{part}.{key}"
    name = next((name for name in sorted(CONFIG_KEYS, key=len, reverse=True) if whole == name or whole.startswith(f"{name}.")), "")
    config_key = CONFIG_KEYS[name] + whole.removeprefix(name) if name else whole.removeprefix("code.")
    if part == "code" and key in _OF_AN_APP and program_of(today.composed.config):
        config_key = _OF_AN_APP[key]
    if config_key.startswith("distributed.process_count_per_node") and getattr(today.config.distributed, "process_count", None):
        config_key = "distributed.process_count"
    now, then = today.composed.origin_of_part(config_key), file.resolved.composed.origin_of_part(config_key)
    return now if now != "default" or then == "default" else f"default now; then {then}"


class CodeChange:
    """One path that differs. `what`: changed, added, removed or mode; `old` and `new` are None where it is not there."""

    __slots__ = ("new", "old", "path", "what")

    def __init__(self, path: str, old: Entry | None, new: Entry | None) -> None:
        self.path = path
        self.old = old
        self.new = new
        same = old and new and (old.kind, old.content) == (new.kind, new.content)
        self.what = "added" if old is None else "removed" if new is None else "mode" if same else "changed"

    def __str__(self) -> str:
        note = ""
        if self.old and self.new and self.old.kind != self.new.kind:
            note = f"  ({self.old.kind} -> {self.new.kind})"
        elif self.old and self.new and self.old.executable != self.new.executable:
            note = "  (executable now)" if self.new.executable else "  (not executable any more)"
        return f"{self.what:<8} {self.path}{note}"


def of_code(store: SnapshotStore, snapshot_id: str, source_directory: str) -> list[CodeChange]:
    """Every path at which the tree of today is not what the snapshot holds, sorted. Raises SnapshotError, StorageError."""
    with store.reader(snapshot_id) as reader:
        changes = reader.changes_to(tree_manifest(source_directory, store=store))
    return [CodeChange((new or old).path, old, new) for old, new in changes]  # type: ignore[union-attr]


@contextmanager
def frozen_code(file: Frozen, workspace: WorkspacePaths) -> Iterator[SnapshotStore | str]:
    """A store that has the code a file names: this workspace's, or one made of the recorded commit for a while; else why there is none."""
    snapshot_id, commit = file.resolved.spec.code.snapshot, str(file.git.get("commit") or "")
    here = SnapshotStore(workspace.snapshots)
    if here.exists(snapshot_id):
        yield here
        return
    with tempfile.TemporaryDirectory(prefix="trainconf-frozen-") as folder:
        made = SnapshotStore(folder)
        tried = take_from_git(commit, snapshot_id, file.resolved.source_directory, made) if commit else "no commit is recorded"
        yield tried or made


def text_diff(store: SnapshotStore, snapshot_id: str, source_directory: str) -> str:
    """The code of a snapshot against the tree of today as a unified diff, and a line for each file without one.

    Raises SnapshotError, StorageError.
    """
    with store.reader(snapshot_id) as reader:
        changes = reader.changes_to(tree_manifest(source_directory, store=store))
        found = compare(changes, (reader.read, reader_of(source_directory)), patch=True)
    named = [f"{file.path}: {file.note}" for file in found.files if file.note in (TOO_LARGE, TOO_MUCH)]
    said = [*named, found.trouble] if found.trouble else named
    return found.patch.decode("utf-8", "backslashreplace") + "".join(f"{line}\n" for line in said)
