"""Keeps composed configs as long as nothing that made them has changed. A hit loads no Hydra.

The key holds the overrides, folders and versions. The entry holds the fingerprint of every file and folder of the config tree, and every
environment variable that was read. A config is not kept when it depends on something that cannot be watched: `now`, `hydra.searchpath`,
users' own resolvers, linked folders, and other people's Hydra plugins.
"""

from __future__ import annotations

import os
import sys
import time

from trainconf import __version__, plugins
from trainconf.composition.patch import plain_overrides, with_plain
from trainconf.fast.sha256 import sha256
from trainconf.files import dumps, fingerprint, is_settled, read_json, write_atomic
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.search import config_dirs, has_foreign_plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from trainconf.composition.layers import Layer

MAX_ENTRIES = 256
_VERSION_FILES = ("hydra/__init__.py", "omegaconf/version.py", "yaml/__init__.py")


def compose(
    overrides: list[str], workspace: WorkspacePaths, *, config_dir: str | None = None, config_name: str = "config",
    layers: Sequence[Layer] = (), environ: Mapping[str, str] = os.environ,
) -> Composed:
    """As `trainconf.composition.compose.compose`, answered from the cache where that is safe.

    Overrides that only set plain values are no part of the entry's name, and put into what another command line has composed.
    """
    dirs = config_dirs(workspace, config_dir, with_plugins=False)
    plain = plain_overrides(overrides, dirs)
    key = "" if has_foreign_plugins() else _key(dirs, config_name, workspace, layers)
    shape: list[Any] = [[plain[place].sign, plain[place].key] if place in plain else text for place, text in enumerate(overrides)]
    rest = [text for place, text in enumerate(overrides) if place not in plain]
    names = (_hash([key, part]) for part in (shape, overrides, rest))
    path, exact_path, rest_path = (os.path.join(workspace.cache, "compose", f"{name}.json") for name in names)
    for name in dict.fromkeys((path, exact_path, rest_path)) if key else ():
        hit = _read(name, environ)
        if hit is not None and hit.overrides == overrides:
            return hit
        patched = with_plain(hit, plain, overrides) if hit is not None else None
        if patched is not None:
            return patched
    from trainconf.composition.hydra.light import import_lightly

    import_lightly()
    from trainconf.composition import compose as cold

    started_ns = time.time_ns()
    # Before the files are read: a change while we compose must not look like what we read.
    watched = _watch([*dirs, *plugins.roots()]) if key else None
    composed = cold.compose(overrides, workspace, config_dir=config_dir, config_name=config_name, layers=layers)
    is_believable = composed.env_reads is not None and watched is not None and all(is_settled(seen, started_ns) for _, seen in watched)
    if is_believable and watched is not None and not _holds_a_credential(composed):
        _write(exact_path if with_plain(composed, plain, overrides) is None else path, composed, watched, environ)
    return composed


def _holds_a_credential(composed: Composed) -> bool:
    """Whether a requirement will be refused for one: what is refused must not lie in a file either."""
    from trainconf.environments.recipe.requirements import with_secret_hidden

    return any(with_secret_hidden(str(line)) for line in (composed.config.get("env") or {}).get("requirements") or ())


def _key(dirs: list[str], config_name: str, workspace: WorkspacePaths, layers: Sequence[Layer]) -> str:
    """Hash of all but the overrides that names an entry; empty when a version cannot be told without importing, or a value not be named."""
    versions = [found for name in _VERSION_FILES if (found := _first_on_path(name))]
    if len(versions) < len(_VERSION_FILES) or not all(_is_json(layer.values) for layer in layers):
        return ""
    own = [fingerprint(name) for name in _own_files()]
    given = [[layer.source, layer.values] for layer in layers]
    return _hash([dirs, config_name, workspace.root, sys.version, __version__, versions, own, plugins.distributions(), given])


def _is_json(value: Any) -> bool:
    """Whether a value is one that JSON names without doubt; others are refused by composing."""
    if isinstance(value, dict):
        return all(type(key) is str and _is_json(item) for key, item in value.items())
    return all(map(_is_json, value)) if isinstance(value, list) else type(value) in (str, int, float, bool, type(None))


def _hash(parts: list[Any]) -> str:
    return sha256(dumps(parts).encode()).hexdigest()[:32]


def _own_files() -> list[str]:
    """The modules of ours that decide what a composition is: an upgrade in place must not be answered from before it."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = [os.path.join(package, room) for room in ("composition", "composition/hydra", "composition/sweep", "resolve", "schema")]
    found = [os.path.join(folder, name) for folder in folders for name in sorted(os.listdir(folder)) if name.endswith(".py")]
    return [*found, os.path.join(package, "plugins.py")]


def _first_on_path(name: str) -> list[int]:
    return next((found for entry in sys.path if (found := fingerprint(os.path.join(entry, name)))), [])


def _watch(dirs: Iterable[str]) -> list[tuple[str, list[int]]] | None:
    """Every folder (a new file changes it) and every file below the config folders; None where a link leads on to more of them."""
    watched = [(root, fingerprint(root)) for root in dirs if os.path.isfile(root)]  # a plug-in that is one module
    for root in dirs:
        for folder, subfolders, names in os.walk(root):
            if any(os.path.islink(os.path.join(folder, name)) for name in subfolders):
                return None
            watched += [(path, fingerprint(path)) for path in (folder, *(os.path.join(folder, name) for name in names))]
    return watched


def _digest(value: str | None) -> str:
    from trainconf.spec import sha256_hex

    return "" if value is None else sha256_hex(value)


def _read(path: str, environ: Mapping[str, str]) -> Composed | None:
    """The entry, if it is there, whole, and still true."""
    try:
        entry = read_json(path)
        if any(fingerprint(name) != seen for name, seen in entry["watched"]):
            return None
        reads = entry["env_reads"]
        if any(_digest(environ.get(name)) != value for name, value in reads.items()):
            return None
        return Composed(
            entry["config"], entry["origins"], entry["choices"], entry["overrides"], list(reads), entry["derived"], entry["notes"],
            tuple((name, text) for name, text in entry["compute_options"]), entry["bound"],
        )  # fmt: skip
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # absent or damaged: composing again is always right


def _write(path: str, composed: Composed, watched: list[tuple[str, list[int]]], environ: Mapping[str, str]) -> None:
    from trainconf.resolve.settings import compute_options

    entry = {
        "compute_options": compute_options(composed.config["compute"]),
        "config": composed.config, "origins": composed.origins, "choices": composed.choices, "overrides": composed.overrides,
        "derived": composed.derived, "notes": composed.notes, "watched": watched, "bound": composed.bound,
        "env_reads": {name: _digest(environ.get(name)) for name in composed.env_reads or ()},
    }
    folder = os.path.dirname(path)
    if not os.path.isdir(os.path.dirname(os.path.dirname(folder))):
        return  # a look at a config must not make a workspace of the folder it was taken in
    try:
        os.makedirs(folder, exist_ok=True)
        write_atomic(path, dumps(entry), durable=False)
        names = os.listdir(folder)
        if len(names) > MAX_ENTRIES:
            by_age = sorted(names, key=lambda name: fingerprint(os.path.join(folder, name))[3:4])
            for name in by_age[: len(names) // 2]:
                os.unlink(os.path.join(folder, name))
    except OSError:
        return  # a read-only or full disk costs the shortcut; what must be written will complain by itself
