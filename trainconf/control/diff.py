"""What changed from one run to another: params, config, software, commits, metrics, and the code, line by line."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import NamedTuple

from trainconf.errors import Mistake, SnapshotError, StorageError, UserError
from trainconf.history import metrics, record
from trainconf.resolve.origins import leaves
from trainconf.snapshot import SnapshotStore
from trainconf.snapshot.code_diff import CodeDiff, compare, reader_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from trainconf.git.commits import Between
    from trainconf.paths import RunPaths

LOCK_COMMENTS = ("# python ", "# image ", "# base ")
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?:={1,3}|@)\s*(\S+)")


class Changed(NamedTuple):
    """A value that is not the same, and where each came from. What is not there is None, and so is its origin."""

    old: Any
    new: Any
    old_origin: str | None = None
    new_origin: str | None = None


class RunDiff(NamedTuple):
    """What changed, by the name of each value. `commits` is None where no commit was recorded, or both are of the same.

    Metrics and the state are what came of a run; all the rest is what ran, and decides whether two runs are `different`.
    """

    params: dict[str, Changed]
    config: dict[str, Changed]
    packages: dict[str, Changed]
    environment: dict[str, Changed]
    metrics: dict[str, Changed]
    commits: Between | None
    code: CodeDiff

    @property
    def different(self) -> bool:
        """Whether something else ran."""
        return bool(self.params or self.config or self.packages or self.environment or self.code.files)

    def to_dict(self) -> dict[str, Any]:
        """The stable form of `diff --json`."""
        groups = ("params", "config", "packages", "environment", "metrics")
        commits = self.commits
        return {
            "different": self.different,
            **{group: {name: change._asdict() for name, change in getattr(self, group).items()} for group in groups},
            "commits": None if commits is None else {
                "only_a": [vars(commit) for commit in commits.only_a], "only_b": [vars(commit) for commit in commits.only_b],
                "note": commits.note,
            },
            "code": self.code.to_dict(),
        }  # fmt: skip


def diff(a: RunPaths, b: RunPaths, *, patch: bool = True, only: Sequence[str] = ()) -> RunDiff:
    """From run `a` to run `b`. `only`: paths, or folders, of the code that are looked at; `patch`: with the changed lines.

    Raises UserError for paths that neither has. Never raises for what is in the runs' folders: what is damaged is missing in one of them,
    and the code's `trouble` tells.
    """
    sides = [(record.read_mapping(paths.record), record.read_mapping(paths.spec)) for paths in (a, b)]
    (old, old_spec), (new, new_spec) = sides
    config = _config(old, new)
    logged = [metrics.summarise(paths).values for paths in (a, b)]
    return RunDiff(
        params=_changed(*(dict(_leaves(each.get("params"))) for each in (old, new)),
                        *(_origins(each, "params.") for each in (old, new))),
        config=config,
        packages=_changed(*map(packages, (a, b))),
        environment=_changed(*(dict(software(spec)) for spec in (old_spec, new_spec))),
        metrics=_changed(*logged),
        commits=_commits(*(record.read_mapping(paths.git) for paths in (a, b))),
        code=code_of_runs(a, b, patch=patch, only=only),
    )  # fmt: skip


# ------------------------------------------------------------ values


def _changed(
    old: dict[str, Any], new: dict[str, Any], old_origins: dict[str, str] | None = None, new_origins: dict[str, str] | None = None
) -> dict[str, Changed]:
    was, now = old_origins or {}, new_origins or {}
    names = sorted({*old, *new})
    return {
        name: Changed(old.get(name), new.get(name), was.get(name) if name in old else None, now.get(name) if name in new else None)
        for name in names if repr(old.get(name)) != repr(new.get(name)) or (name in old) != (name in new)
    }  # fmt: skip


def _leaves(value: Any) -> Iterator[tuple[str, Any]]:
    return leaves(value) if isinstance(value, dict) and value else iter(())


def _origins(recorded: dict[str, Any], prefix: str) -> dict[str, str]:
    found = recorded.get("origins")
    if not isinstance(found, dict):
        return {}
    return {key.removeprefix(prefix): str(origin) for key, origin in found.items() if key.startswith(prefix)}


def _config(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Changed]:
    """The composed configs but for the params, which are told by themselves. A setting that is null is as good as one that is not there."""
    configs = [{key: value for key, value in _leaves(each.get("config")) if not key.startswith("params.")} for each in (old, new)]
    found = _changed(configs[0], configs[1], _origins(old, ""), _origins(new, ""))
    return {name: change for name, change in found.items() if change.old is not None or change.new is not None}


def packages(paths: RunPaths) -> dict[str, str]:
    """What a run's environment.lock pins, by name: packages, Python, the image with its id. A line without a version is a name itself."""
    from trainconf import files
    from trainconf.environments.recipe.installed import normalised

    try:
        text = files.read_untrusted(paths.environment_lock, files.JSON_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return {}
    found = {}
    for line in text.splitlines():
        pin = PIN.match(line)
        if line.startswith(LOCK_COMMENTS):
            found[line.split(" ")[1]] = line.split(" ", 2)[2]
        elif pin:
            found[normalised(pin[1])] = pin[2]
        elif line.strip() and not line.startswith("#"):
            found[line.strip()] = ""
    return found


def software(spec: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What else decides the software: kind, interpreter, image and what it is made of. Requirements are told by what they gave."""
    return ((key, value) for key, value in _leaves(spec.get("environment")) if not key.startswith(("requirements", "packages")))


def _commits(old: dict[str, Any], new: dict[str, Any]) -> Between | None:
    from trainconf.git.commits import Between, between

    a, b = old.get("commit"), new.get("commit")
    if not isinstance(a, str) or not isinstance(b, str) or a == b:
        return None
    roots = dict.fromkeys(root for root in (new.get("root"), old.get("root")) if isinstance(root, str))
    found = Between([], [], "it is not recorded which repository they are of")
    for root in roots:
        found = between(root, a, b)
        if found.only_a or found.only_b or not found.note:
            break
    return found


# ------------------------------------------------------------ code


def code_of_runs(a: RunPaths, b: RunPaths, *, patch: bool = True, only: Sequence[str] = ()) -> CodeDiff:
    """The code from run `a` to run `b`."""
    ids = [snapshot_of(paths) for paths in (a, b)]
    if None in ids:
        return CodeDiff([], trouble="of one of the runs it is not recorded which code it had")
    if ids[0] == ids[1] and not only:
        return CodeDiff([])
    stores = [SnapshotStore(paths.workspace.snapshots) for paths in (a, b)]
    try:
        with ExitStack() as stack:
            readers = [stack.enter_context(store.reader(str(id_))) for store, id_ in zip(stores, ids, strict=True)]
            _check_paths(only, readers[0].manifest, readers[1].manifest)
            return compare(readers[0].changes_to(readers[1].manifest), (readers[0].read, readers[1].read), patch=patch, only=only)
    except (SnapshotError, StorageError) as error:
        return CodeDiff([], trouble=str(error.mistakes[0].what))


def code_of_today(a: RunPaths, *, patch: bool = True, only: Sequence[str] = ()) -> CodeDiff:
    """The code from run `a` to its source directory as it is now.

    Raises UserError when that is not recorded, SnapshotError, StorageError.
    """
    source = record.read_mapping(a.record).get("source_directory")
    snapshot_id = snapshot_of(a)
    if not isinstance(source, str) or snapshot_id is None:
        raise UserError(f"of {a.run_id} it is not recorded which code it had, or where that came from", ("from", a.record))
    from trainconf.snapshot.store import tree_manifest

    store = SnapshotStore(a.workspace.snapshots)
    with store.reader(snapshot_id) as reader:
        today = tree_manifest(source, store=store)
        _check_paths(only, reader.manifest, today)
        return compare(reader.changes_to(today), (reader.read, reader_of(source)), patch=patch, only=only)


def snapshot_of(paths: RunPaths) -> str | None:
    code = record.read_mapping(paths.spec).get("code")
    found = code.get("snapshot") if isinstance(code, dict) else None
    return found if isinstance(found, str) and found else None


def _check_paths(only: Sequence[str], *manifests: bytes) -> None:
    """Raises UserError for paths that neither tree has, with the nearest ones."""
    if not only:
        return
    import difflib

    from trainconf.snapshot.blobs.manifest import entries

    paths = {entry.path for manifest in manifests for entry in entries(manifest)}
    folders = {path[:place] for path in paths for place, character in enumerate(path) if character == "/"}
    mistakes = []
    for path in only:
        if path not in paths | folders:
            near = difflib.get_close_matches(path, paths | folders, 3)
            facts = [("nearest", "\n".join(near))] if near else []
            mistakes.append(Mistake(f"neither has {path!r} in its code", ("from", f"--path {path}"), *facts))
    if mistakes:
        raise UserError(mistakes)
