"""A composed config, kept for as long as nothing that made it has changed. A hit loads no Hydra.

The key names the words, folders and versions; the entry names every file and folder of the config tree with its stat, and every
environment variable that was read. What cannot be watched (`now`, `hydra.searchpath`, users' own resolvers, linked folders) is never kept.
"""

from __future__ import annotations

import os
import sys
import time

from trainconf import __version__
from trainconf.files import dumps, read_json, write_atomic
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.search import config_dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

MAX_ENTRIES = 256
_RACY_NS = 50_000_000  # a file written this shortly before may be written again without a new mtime
_VERSION_FILES = ("hydra/__init__.py", "omegaconf/version.py", "yaml/__init__.py")


def compose(
    overrides: list[str], workspace: WorkspacePaths, *, config_dir: str | None = None, config_name: str = "config",
    environ: Mapping[str, str] = os.environ,
) -> Composed:
    """As `trainconf.resolve.compose.compose`, answered from the cache where that is safe."""
    dirs = config_dirs(workspace, config_dir)
    key = _key(overrides, dirs, config_name, workspace)
    path = os.path.join(workspace.cache, "compose", f"{key}.json") if key else ""
    hit = _read(path, environ) if path else None
    if hit is not None:
        return hit
    from trainconf.resolve import compose as cold

    watched = _watch(dirs)  # before the files are read: a change while we compose must not look like what we read
    composed = cold.compose(overrides, workspace, config_dir=config_dir, config_name=config_name)
    if path and composed.env_reads is not None and watched is not None and _settled(watched):
        _write(path, composed, watched, environ)
    return composed


def _key(overrides: list[str], dirs: list[str], config_name: str, workspace: WorkspacePaths) -> str:
    """Hash of everything that chooses the entry; empty when a version cannot be told without importing."""
    versions = [stat for name in _VERSION_FILES if (stat := _first_on_path(name)) is not None]
    if len(versions) < len(_VERSION_FILES):
        return ""
    here = os.path.dirname(os.path.abspath(__file__))
    own = [_stat(os.path.join(here, name)) for name in sorted(os.listdir(here)) if name.endswith(".py")]
    own.append(_stat(os.path.join(os.path.dirname(here), "schema.py")))
    plugins = [_stat(os.path.join(entry, "hydra_plugins")) for entry in sys.path]
    parts = [overrides, dirs, config_name, workspace.root, sys.version, __version__, versions, own, plugins]
    import hashlib

    return hashlib.sha256(dumps(parts).encode()).hexdigest()[:32]


def _first_on_path(name: str) -> list[Any] | None:
    for entry in sys.path:
        stat = _stat(os.path.join(entry, name))
        if stat[1:] != [0, 0, 0]:
            return stat
    return None


def _stat(path: str) -> list[Any]:
    """Path, mtime in ns, size, inode; zeros when it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return [path, 0, 0, 0]
    return [path, found.st_mtime_ns, found.st_size, found.st_ino]


def _watch(dirs: Iterable[str]) -> list[list[Any]] | None:
    """Every folder (a new file changes it) and every file below the config folders; None where a link leads on to more of them."""
    watched = []
    for root in dirs:
        for folder, subfolders, names in os.walk(root):
            if any(os.path.islink(os.path.join(folder, name)) for name in subfolders):
                return None
            watched += [_stat(folder), *(_stat(os.path.join(folder, name)) for name in names)]
    return watched


def _settled(watched: list[list[Any]]) -> bool:
    return max((entry[1] for entry in watched), default=0) < time.time_ns() - _RACY_NS


def _fingerprint(value: str | None) -> str:
    from trainconf.spec import sha256_hex

    return "" if value is None else sha256_hex(value)


def _read(path: str, environ: Mapping[str, str]) -> Composed | None:
    """The entry, if it is there, whole, and still true."""
    try:
        entry = read_json(path)
        for watched in entry["watched"]:
            if _stat(watched[0]) != watched:
                return None
        reads = entry["env_reads"]
        if any(_fingerprint(environ.get(name)) != value for name, value in reads.items()):
            return None
        return Composed(entry["config"], entry["origins"], entry["choices"], entry["overrides"], list(reads), entry["derived"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # absent or damaged: composing again is always right


def _write(path: str, composed: Composed, watched: list[list[Any]], environ: Mapping[str, str]) -> None:
    entry = {
        "config": composed.config, "origins": composed.origins, "choices": composed.choices, "overrides": composed.overrides,
        "derived": composed.derived, "watched": watched,
        "env_reads": {name: _fingerprint(environ.get(name)) for name in composed.env_reads or ()},
    }
    folder = os.path.dirname(path)
    if not os.path.isdir(os.path.dirname(os.path.dirname(folder))):
        return  # a look at a config must not make a workspace of the folder it was taken in
    try:
        os.makedirs(folder, exist_ok=True)
        write_atomic(path, dumps(entry), durable=False)
        names = os.listdir(folder)
        if len(names) > MAX_ENTRIES:
            by_age = sorted(names, key=lambda name: _stat(os.path.join(folder, name))[1])
            for name in by_age[: len(names) // 2]:
                os.unlink(os.path.join(folder, name))
    except OSError:
        return  # a read-only or full disk costs the shortcut; what must be written will complain by itself
