"""Merges one tree of values into a typed config: what the config refuses is told and taken out, and the rest is merged."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf._utils import split_key
from omegaconf.errors import OmegaConfBaseException

from trainconf.composition import explain
from trainconf.composition.values import group_node
from trainconf.errors import Mistake
from trainconf.resolve.origins import Origins

REFUSALS = (OmegaConfBaseException, TypeError)  # the latter by OmegaConf 2.4, of a list in the place of a mapping


def merge(cfg: DictConfig, other: Any, origins: Origins, mistakes: list[Mistake]) -> None:
    """Merge `other` into `cfg`; each key that is refused is told with its origin."""
    while True:
        try:
            cfg.merge_with(other)
            return
        except REFUSALS as error:
            key = getattr(error, "full_key", None) or _culprit(cfg, other)
            if isinstance(other, DictConfig) and "." in key and key in other:
                mistakes.append(explain.dotted(key, origins))
                with open_dict(other):
                    other.__delitem__(key)
                continue
            value = OmegaConf.to_container(other, resolve=False)
            for part in split_key(key) if key else ():
                value = value.get(part) if isinstance(value, dict) else None
            mistakes.append(explain.refused(key, error, cfg, origins, origins.of_part(key), value))
            if not key or not _remove(other, key):
                return


def type_node(cfg: DictConfig, key: str, kind: Any, origins: Origins, mistakes: list[Mistake]) -> None:
    """Give a node that was merged without a schema this one; what it refuses is told."""
    given = OmegaConf.create()
    OmegaConf.update(given, key, group_node(cfg, key.replace(".", "/")))
    OmegaConf.update(cfg, key, OmegaConf.structured(kind), merge=False)
    merge(cfg, given, origins, mistakes)


def _culprit(cfg: DictConfig, other: Any) -> str:
    """The top-level key that cannot be merged, for an error that does not say it; empty when none is it alone."""
    for key in other if isinstance(other, DictConfig) else ():
        try:
            OmegaConf.merge(cfg, {key: other._get_node(key)})
        except REFUSALS:
            return str(key)
    return ""


def _remove(cfg: Any, key: str) -> bool:
    """Take a dotted key out of a config; False when it is not there."""
    *parents, last = split_key(key)
    node = cfg
    for part in parents:
        node = node._get_node(part) if isinstance(node, DictConfig) else None
    if not isinstance(node, DictConfig) or last not in node:
        return False
    with open_dict(node):
        node.__delitem__(last)
    return True


def strip_defaults(cfg: Any) -> None:
    """Drop the defaults lists that Hydra marked for removal, as its own composition does at its end."""
    if not isinstance(cfg, DictConfig) or cfg._is_none() or cfg._is_missing():
        return
    if cfg._get_flag("HYDRA_REMOVE_TOP_LEVEL_DEFAULTS"):
        cfg._set_flag("HYDRA_REMOVE_TOP_LEVEL_DEFAULTS", None)
        with open_dict(cfg):
            cfg.pop("defaults", None)
    for _, value in cfg.items_ex(resolve=False):
        strip_defaults(value)
