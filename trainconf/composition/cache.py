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
from trainconf.composition.patch import plain_leaves, plain_overrides, with_plain
from trainconf.fast.sha256 import sha256
from trainconf.files import dumps, fingerprint, is_settled, read_json, write_atomic
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.search import config_dirs, has_foreign_plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from trainconf.composition.layers import Layer
    from trainconf.composition.patch import Leaf

MAX_ENTRIES = 256
_VERSION_FILES = ("hydra/__init__.py", "omegaconf/version.py", "yaml/__init__.py")


def compose(
    overrides: list[str], workspace: WorkspacePaths, *, config_dir: str | None = None, config_name: str = "config",
    layers: Sequence[Layer] = (), environ: Mapping[str, str] = os.environ,
) -> Composed:
    """As `trainconf.composition.compose.compose`, answered from the cache where that is safe.

    Overrides and leaves of layers that only set plain values are no part of the entry's name, and put into what another request has
    composed.
    """
    asked = Asked(overrides, workspace, config_dir=config_dir, config_name=config_name, layers=layers, environ=environ)
    hit = asked.found()
    if hit is not None:
        return hit
    from trainconf.composition.hydra.light import import_lightly

    import_lightly()
    from trainconf.composition import compose as cold

    return asked.made(
        lambda given: cold.compose(overrides, workspace, config_dir=config_dir, config_name=config_name, layers=given)
    )


class Asked:
    """A config that is asked for, and the entries that may answer."""

    def __init__(
        self, overrides: list[str], workspace: WorkspacePaths, *, config_dir: str | None = None, config_name: str = "config",
        layers: Sequence[Layer] = (), environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._overrides = overrides
        self._given = tuple(layers)
        self._layers = [layer._replace(source=_Source(layer.source)) for layer in layers]
        self._environ = environ
        self._dirs = config_dirs(workspace, config_dir, with_plugins=False)
        self._plain = plain_overrides(overrides, self._dirs)
        is_json = all(_is_json(layer.values) for layer in layers)  # what is none is refused by composing
        self._leaves = plain_leaves(self._layers, overrides) if is_json else {}
        self._folder = os.path.join(workspace.cache, "compose")
        key = _key(self._dirs, config_name, workspace) if is_json and not has_foreign_plugins() else ""
        plain = self._plain
        shape = [[plain[place].sign, plain[place].key] if place in plain else text for place, text in enumerate(overrides)]
        rest = [text for place, text in enumerate(overrides) if place not in plain]
        given = [[[_in_order(layer.values, but), layer.is_config] for layer in layers] for but in (self._leaves, {})]
        # What may answer: an entry of other plain overrides, of the same, of none; each of other leaves, and of the same.
        self._paths = [
            (self._path_of([key, *parts]), leaves)
            for leaves, of_layers in zip((self._leaves, {}), given, strict=True) for parts in
            ((shape, of_layers), (overrides, of_layers), (rest, of_layers))
        ] if key else []  # fmt: skip

    def _path_of(self, parts: list[Any]) -> str:
        return os.path.join(self._folder, f"{_hash(parts)}.json")

    def found(self) -> Composed | None:
        """What an entry says, its values replaced where others are asked for; None where none knows."""
        known: dict[str, Composed | None] = {}
        for path, leaves in self._paths:
            hit = known[path] if path in known else known.setdefault(path, self._read(path))
            if hit is not None and hit.overrides == self._overrides and not leaves:
                return hit
            plain = {} if hit is not None and hit.overrides == self._overrides else self._plain
            patched = None if hit is None else with_plain(hit, plain, self._overrides, leaves)
            if patched is not None:
                return patched
        return None

    def made(self, cold: Callable[[Sequence[Layer]], Composed]) -> Composed:
        """What `cold` composes, with the layers it is given; kept where it depends on nothing that cannot be watched."""
        started_ns = time.time_ns()
        # Before the files are read: a change while we compose must not look like what we read.
        watched = _watch([*self._dirs, *plugins.roots()]) if self._paths else None
        composed = cold(self._layers)
        is_believable = composed.env_reads is not None and watched is not None and all(is_settled(seen, started_ns) for _, seen in watched)
        if is_believable and watched is not None and not _holds_a_credential(composed):
            self._write(self._name_for(composed), composed, watched)
        composed.origins, composed.layers = {key: str(origin) for key, origin in composed.origins.items()}, self._given
        return composed

    def _name_for(self, composed: Composed) -> str:
        """The most general name under which it is right."""
        for leaves, at in ((self._leaves, 0), ({}, 3)):
            for plain, path in ((self._plain, self._paths[at][0]), ({}, self._paths[at + 1][0])):
                if with_plain(composed, plain, self._overrides, leaves) is not None:
                    return path
        return self._paths[4][0]

    def _read(self, path: str) -> Composed | None:
        """The entry, if it is there, whole, and still true. An origin that is a number is that of the layer."""
        try:
            entry = read_json(path)
            if any(fingerprint(name) != seen for name, seen in entry["watched"]):
                return None
            reads = entry["env_reads"]
            if any(_digest(self._environ.get(name)) != value for name, value in reads.items()):
                return None
            origins = entry["origins"]
            if self._layers:
                sources = [str(layer.source) for layer in self._layers]
                origins = {key: sources[origin] if type(origin) is int else origin for key, origin in origins.items()}
            return Composed(
                entry["config"], origins, entry["choices"], entry["overrides"], list(reads), entry["derived"], entry["notes"],
                tuple((name, text) for name, text in entry["compute_options"]), entry["bound"],
                layers=self._given,
            )  # fmt: skip
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None  # absent or damaged: composing again is always right

    def _write(self, path: str, composed: Composed, watched: list[tuple[str, list[int]]]) -> None:
        from trainconf.resolve.settings import compute_options

        number = {id(layer.source): place for place, layer in enumerate(self._layers)}  # by identity: a text may be anything
        entry = {
            "compute_options": compute_options(composed.config["compute"]),
            "config": composed.config, "origins": {key: number.get(id(origin), origin) for key, origin in composed.origins.items()},
            "choices": composed.choices, "overrides": composed.overrides,
            "derived": composed.derived, "notes": composed.notes, "watched": watched, "bound": composed.bound,
            "env_reads": {name: _digest(self._environ.get(name)) for name in composed.env_reads or ()},
        }
        folder = self._folder
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


class _Source(str):
    """The source of a layer, told from an equal text by its identity."""

    __slots__ = ()


def _holds_a_credential(composed: Composed) -> bool:
    """Whether a requirement will be refused for one: what is refused must not lie in a file either."""
    from trainconf.environments.recipe.requirements import with_secret_hidden

    return any(with_secret_hidden(str(line)) for line in (composed.config.get("env") or {}).get("requirements") or ())


def _key(dirs: list[str], config_name: str, workspace: WorkspacePaths) -> str:
    """Hash of all but overrides and layers that names an entry; empty when a version cannot be told without importing."""
    versions = [found for name in _VERSION_FILES if (found := _first_on_path(name))]
    if len(versions) < len(_VERSION_FILES):
        return ""
    own = [fingerprint(name) for name in _own_files()]
    return _hash([dirs, config_name, workspace.root, sys.version, __version__, versions, own, plugins.distributions()])


def _in_order(value: Any, leaves: Mapping[str, Leaf], prefix: str = "") -> Any:
    """A layer's values with the order of their keys, and nothing in the place of leaves that are put in afterwards."""
    if not isinstance(value, dict):
        return [value]
    below = ((f"{prefix}{key}", key, item) for key, item in value.items())
    return {"keys": [[key, "plain" if path in leaves else _in_order(item, leaves, f"{path}.")] for path, key, item in below]}


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
    rooms = ("composition", "composition/hydra", "composition/own", "composition/plain", "composition/sweep", "resolve", "schema")
    folders = [os.path.join(package, room) for room in rooms]
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
