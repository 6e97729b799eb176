"""A composed config of an app as params: plain values where the config alone decides them, and as they are written where it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import OmegaConfBaseException

from trainconf.fast.plain import made_plain

# Their answer depends on the config alone. `oc.env`, `now`, `hydra` and an app's own have theirs in the job.
_OF_THE_CONFIG = ("oc.select", "oc.decode", "oc.create", "oc.deprecated", "oc.dict.keys", "oc.dict.values")
_OF_HYDRA = (*_OF_THE_CONFIG, "oc.env", "now", "hydra", "python_version")
_RESOLVER = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*:")


def params_of(cfg: DictConfig) -> tuple[dict[str, Any], list[str]]:
    """The values of an app's config, without `hydra`, and the resolvers that only the app's code has."""
    cfg = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    OmegaConf.set_struct(cfg, False)
    unknown: dict[str, None] = {}
    with _only(_OF_THE_CONFIG):
        params = _read(cfg, unknown)
    return made_plain(params), list(unknown)


@contextmanager
def _only(names: tuple[str, ...]) -> Iterator[None]:
    before = BaseContainer._resolvers
    BaseContainer._resolvers = {name: found for name, found in before.items() if name in names}
    try:
        yield
    finally:
        BaseContainer._resolvers = before


def _read(node: Any, unknown: dict[str, None]) -> Any:
    if isinstance(node, DictConfig) and not _is_special(node):
        return {key: _value(node, key, unknown) for key in node}
    if isinstance(node, ListConfig) and not _is_special(node):
        return [_value(node, place, unknown) for place in range(len(node))]
    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node


def _is_special(node: Any) -> bool:
    return bool(node._is_none() or node._is_missing() or node._is_interpolation())


def _value(parent: Any, key: Any, unknown: dict[str, None]) -> Any:
    node = parent._get_node(key)
    if not node._is_interpolation():
        return _read(node, unknown) if isinstance(node, (DictConfig, ListConfig)) and not _is_special(node) else node._value()
    written = node._value()
    try:
        found = parent[key]
        return OmegaConf.to_container(found, resolve=True, throw_on_missing=False) if OmegaConf.is_config(found) else found
    except (OmegaConfBaseException, AssertionError, AttributeError, RecursionError, ValueError, TypeError):
        unknown.update(dict.fromkeys(name for name in _RESOLVER.findall(written) if name not in _OF_HYDRA))
        return written
