"""Puts single values into a config that is composed already. Loads no Hydra."""

from __future__ import annotations

from trainconf.resolve.composed import Composed
from trainconf.resolve.origins import leaves

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def patched(base: Composed, values: Mapping[str, Any], sources: Mapping[str, str], overrides: Sequence[str]) -> Composed:
    """A composed config with other values at dotted keys, the origins of those, and the overrides that ask for it all.

    Each key must be one that nothing else in the config depends on, and the mapping that holds it must be there.
    """
    config = replaced(base.config, values)
    is_new = any(key not in base.origins for key in sources)
    origins = {**base.origins, **sources}
    if is_new:  # in the order of the config, and without the mapping that was empty
        origins = {key: origins[key] for key, _ in leaves(config)}
    derived = base.derived
    if derived and not derived.keys().isdisjoint(values):
        derived = {key: value for key, value in derived.items() if key not in values}
    return Composed(config, origins, base.choices, overrides, base.env_reads, derived, base.notes)


def replaced(config: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a config tree with values at dotted keys replaced; what is not touched is shared."""
    result = dict(config)
    copied: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        node, path = result, ""
        *parents, last = key.split(".")
        for part in parents:
            path = f"{path}.{part}"
            if path not in copied:
                copied[path] = node[part] = dict(node[part])
            node = copied[path]
        node[last] = value
    return result
