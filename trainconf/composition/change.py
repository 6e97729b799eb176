"""Values that were made of others: kept as they were written, so that a recorded config can be composed anew with another value.

Only those are made again whose answer depends on the config alone. What read an environment variable or a clock keeps its recorded value.
"""

from __future__ import annotations

import re
from typing import Any

from trainconf.resolve.origins import leaves
from trainconf.resolve.secrets import REFERENCE

_RESOLVER = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*:")
_OF_THE_CONFIG = {"oc.select", "oc.decode", "oc.create", "oc.deprecated", "oc.dict.keys", "oc.dict.values", "secret"}


def written(raw: dict[str, Any]) -> dict[str, Any]:
    """Of an unresolved config the leaves that refer to something, by dotted key."""
    return {key: value for key, value in leaves(raw) if "${" in REFERENCE.sub("", str(value))}


def made_anew(derived: dict[str, Any], overrides: list[str], origins: dict[str, str]) -> dict[str, Any]:
    """Those that are made again: they depend on the config alone, and no override says otherwise."""
    keys = [word.lstrip("+~").partition("=")[0] for word in overrides]
    return {
        key: value for key, value in derived.items()
        if _depends_on_config(value) and not any(_overlap(key, other) for other in keys) and not _typed_elsewhere(key, origins)
    }


def kept(derived: dict[str, Any], anew: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Keys that kept their value although something their text names has changed."""
    old, new = dict(leaves(before)), dict(leaves(after))
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    names = {key.rpartition(".")[2] for key in changed}
    return [key for key, value in derived.items() if key not in anew and key not in changed and names & set(re.findall(r"\w+", str(value)))]


def _depends_on_config(value: Any) -> bool:
    return set(_RESOLVER.findall(str(value))) <= _OF_THE_CONFIG


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _typed_elsewhere(key: str, origins: dict[str, str]) -> bool:
    """Whether it is a path of a command line, which began at the folder of its shell."""
    return key.startswith("inputs.") and origins.get(key, "").startswith("command line")
