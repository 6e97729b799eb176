"""Records what set each value: the schema's default, a line of a file, a layer of a program, or an override."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

DEFAULT = "default"
MISSING = "???"


def leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of every leaf of a config tree; a list, and an empty mapping, is one leaf."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


class Origins:
    """Collects origins in the order of merging; the last writer of a key wins, together with all that lies below it."""

    def __init__(self) -> None:
        self._by_key: dict[str, str] = {}

    def add_file(self, label: str, package: str, lines: Mapping[tuple[str, ...], int]) -> None:
        """All keys of one file, put under `package`. A path whose last part is `???` sets nothing that is set already."""
        for path, line in lines.items():
            key = ".".join((package, *path) if package else path)
            if path[-1:] == (MISSING,):
                key = key.removesuffix(f".{MISSING}")
                if self.of_part(key) == DEFAULT:
                    self._by_key[key] = f"{label}:{line}"
                continue
            if path[-1:] != ("",) and f"{key}." in self._by_key:  # what was a mapping is one now no more
                self._forget(key)
            self._by_key[key] = f"{label}:{line}"

    def add_value(self, key: str, source: str, value: Any) -> None:
        """A value that was set at `key`; a mapping was merged."""
        if not isinstance(value, dict):
            self._forget(key)
        self._by_key[key] = source
        for leaf, _ in leaves(value, key):
            self._by_key[leaf] = source

    def add_recorded(self, key: str, origin: str) -> None:
        """An origin as it was told before."""
        self._by_key[key] = origin

    def replace(self, recorded: Mapping[str, str]) -> None:
        """Start anew from origins that were recorded with a run."""
        self._by_key = dict(recorded)

    def remove(self, key: str) -> None:
        """A key that the command line deleted."""
        self._forget(key)
        self._by_key.pop(key, None)

    def _forget(self, key: str) -> None:
        for below in [other for other in self._by_key if other.startswith(f"{key}.")]:
            del self._by_key[below]

    def of(self, key: str) -> str:
        """Where a key's value comes from, or the nearest value above it that was set as a whole; else `default`."""
        if f"{key}." in self._by_key:
            return self._by_key[f"{key}."]
        while key:
            if key in self._by_key:
                return self._by_key[key]
            key = key.rpartition(".")[0]
        return DEFAULT

    def of_part(self, key: str) -> str:
        """As `of`; a mapping that nobody set as a whole comes from where the first of what it holds was set."""
        found = self.of(key)
        below = (origin for other, origin in self._by_key.items() if other.startswith(f"{key}."))
        return next(below, found) if found == DEFAULT else found

    def of_all(self, keys: Iterable[str]) -> dict[str, str]:
        """The origin of each key."""
        return {key: self.of(key) for key in keys}
