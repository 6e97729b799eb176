"""A recorded run with other values, over and over: composed once for the same keys, then its values are replaced."""

from __future__ import annotations

from trainconf.composition.patch import is_name, is_plain_value, overlap, patched
from trainconf.history.record import read_mapping
from trainconf.reporter import SILENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from trainconf.paths import RunPaths, WorkspacePaths
    from trainconf.resolve.resolver import Resolved


class RecordedRun:
    """A run's record, and what it gave with values at some keys."""

    def __init__(self, paths: RunPaths, workspace: WorkspacePaths, always: Sequence[str] = ()) -> None:
        """always: words that it has besides, whatever the values."""
        self.paths = paths
        self._workspace = workspace
        self._always = always
        self._known: dict[tuple[str, ...], Resolved] = {}  # by the words without their values
        self._derived: list[str] | None = None  # keys whose values were made of others when the run was recorded

    def resolved(self, values: Mapping[str, Any], words: Sequence[str]) -> Resolved:
        """As `replay.from_run`: the run with `words`, each of which sets one of `values`. Raises RunNotFoundError, ConfigError."""
        shape = tuple(word.partition("=")[0] for word in words)
        known = self._known.get(shape)
        found = None if known is None else self._patched(known, values, words)
        if found is not None:
            return found
        from trainconf.submission.replay import from_run

        resolved, _ = from_run(self.paths, [*self._always, *words], self._workspace, SILENT)
        self._known[shape] = resolved
        derived = read_mapping(self.paths.record).get("derived")
        self._derived = list(derived) if isinstance(derived, dict) else None
        return resolved

    def _patched(self, known: Resolved, values: Mapping[str, Any], words: Sequence[str]) -> Resolved | None:
        """The same with other values; None where more than the values would be another."""
        base = known.composed
        if base.bound is None or base.derived is None or self._derived is None or not words:
            return None
        for key, value in values.items():
            first, *rest = key.split(".")
            node: Any = base.config
            for part in key.split("."):
                node = node.get(part) if isinstance(node, dict) else None
            is_open = first == "params" and rest and all(map(is_name, rest)) and not isinstance(node, (dict, list))
            made = (*base.bound, *base.derived, *self._derived)
            meets = any(overlap(key, other) for other in made) or sum(overlap(key, other) for other in values) > 1
            if not is_open or meets or not _is_scalar(value):
                return None
        sources = {key: f"command line: {word}" for key, word in zip(values, words, strict=True)}
        return known.with_params(patched(base, values, sources, [*base.overrides[: -len(words)], *words]))


def _is_scalar(value: Any) -> bool:
    """Whether a value is one that an override gives as it is, and that no other part of a run is made of."""
    is_read = type(value) is str and ("${" in value or "{inputs." in value or value == "???")
    return type(value) is not list and is_plain_value(value) and not is_read
