"""Turns a typed config into plain values: resolves each interpolation once, checks each value, and collects the mistakes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any, cast

from omegaconf import AnyNode, DictConfig, ListConfig, OmegaConf, StringNode
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from trainconf.composition.hydra.settings import NoMeaning, why_not
from trainconf.errors import Mistake
from trainconf.resolve.origins import Origins, leaves
from trainconf.resolve.settings import Setting, nearest, settings, shown
from trainconf.schema import GROUPS, node_key

PLAIN = "text, integers, finite numbers, true, false, null, lists and mappings with text keys"


def resolve(cfg: DictConfig, origins: Origins, mistakes: list[Mistake]) -> dict[str, Any]:
    """The plain tree. What is missing or does not resolve is told, each with its place; the tree then holds the rest."""
    try:
        return cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True))
    except (OmegaConfBaseException, RecursionError) as error:
        found = dict(_unresolved(cfg, origins))
        mistakes += found.values() or [Mistake(_first_line(error), ("from", origins.of(getattr(error, "full_key", None) or "")))]
        return _resolved_leaves(cfg, found)


def _resolved_leaves(cfg: DictConfig, unresolved: Collection[str]) -> dict[str, Any]:
    """The tree of what does resolve, so that the other values can be looked at, too."""
    tree: dict[str, Any] = {}
    for key, value in leaves(OmegaConf.to_container(cfg, resolve=False)):
        if key in unresolved:
            continue
        *parents, last = key.split(".")
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        found = OmegaConf.select(cfg, key) if "${" in str(value) else value
        node[last] = OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found
    return tree


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "it refers to itself")


def _unresolved(cfg: DictConfig, origins: Origins) -> Iterator[tuple[str, Mistake]]:
    """Dotted key and mistake of every leaf that does not resolve."""
    for key, value in leaves(OmegaConf.to_container(cfg, resolve=False)):
        try:
            node = OmegaConf.select(cfg, key, throw_on_missing=True, throw_on_resolution_failure=True)
            if OmegaConf.is_config(node):
                OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
        except MissingMandatoryValue:
            yield key, Mistake(f"{key} has no value", ("from", origins.of(key)), hint=f"give it one: {key}=...")
        except (OmegaConfBaseException, RecursionError) as error:
            unknown = _no_meaning(error)
            if unknown is not None:
                facts = (("from", origins.of(key)), ("value", str(value)), ("instead", why_not(unknown.path)))
                yield key, Mistake(f"{key} reads hydra:{unknown.path}, which has no meaning here", *facts)
                continue
            facts = (("from", origins.of(key)), ("value", str(value)), ("because", _first_line(error)))
            yield key, Mistake(f"{key} does not resolve", *facts)


def _no_meaning(error: BaseException | None) -> NoMeaning | None:
    """The reason behind an interpolation's failure, if it asked for what Hydra alone knows."""
    while error is not None and not isinstance(error, NoMeaning):
        error = error.__cause__ or error.__context__
    return error


def out_of_range(config: dict[str, Any], known: dict[str, Setting], origins: Origins) -> list[Mistake]:
    """A mistake for every value outside its setting's range, and for every value that JSON cannot hold."""
    mistakes = []
    flat = dict(leaves(config))
    for key, setting in known.items():
        if key in flat and setting.refuses(flat[key]):
            mistakes.append(Mistake(f"{key} cannot be {shown(flat[key])}", ("from", origins.of(key)),
                                    ("allowed", setting.allowed), ("meaning", setting.doc)))
    told = {mistake.what.partition(" ")[0] for mistake in mistakes}
    for key, problem in not_plain(config, ""):
        if key not in told:
            mistakes.append(Mistake(f"{key} cannot be {problem}", ("from", origins.of(key)),
                                    ("allowed", PLAIN)))
    return mistakes


def not_settings(config: dict[str, Any], nodes: dict[str, Any], origins: Origins) -> list[Mistake]:
    """A mistake for every key that no schema has: `+` adds whatever it is told to, and what nobody reads must not pass."""
    known = settings(nodes)
    free = {name for name, node in nodes.items() if node is dict}
    mistakes = []
    for key, _ in leaves(config):
        above = [key.rsplit(".", count)[0] for count in range(1, key.count(".") + 1)]
        if key in known or any(parent in free or (parent in known and parent not in nodes) for parent in above):
            continue
        near = nearest(key, list(known))
        facts = [("nearest", f"{near} ({known[near].allowed})")] if near else []
        mistakes.append(Mistake(f"{key} is not a setting", ("from", origins.of(key)), *facts,
                                hint="values of your own go into params: +params.name=value"))
    return mistakes


def not_plain(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Dotted key and what is wrong, for everything below a value that canonical JSON could not hold."""
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                yield key, f"a mapping with the key {name!r}"
            yield from not_plain(item, f"{key}.{name!s}" if key else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from not_plain(item, key)
    elif isinstance(value, float) and not math.isfinite(value):
        yield key, str(value)
    elif value is not None and not isinstance(value, (str, int, float, bool)):
        yield key, f"a {type(value).__name__}"


def group_types(cfg: DictConfig) -> dict[str, Any]:
    """The type behind each group's node, as it was chosen; `dict` where its keys are free."""
    nodes = {node_key(group): group_node(cfg, group) for group in GROUPS}
    return {key: OmegaConf.get_type(node) for key, node in nodes.items() if isinstance(node, DictConfig)}


def group_node(cfg: DictConfig, group: str) -> Any:
    """The node that a group fills, whatever it is; None where there is none."""
    node: Any = cfg
    for part in group.split("/"):
        node = node._get_node(part) if isinstance(node, DictConfig) and not (node._is_none() or node._is_missing()) else None
    return node


def known_settings(cfg: DictConfig) -> dict[str, Setting]:
    """Every setting of the groups as they were chosen."""
    return settings(group_types(cfg))


def typed_keys(node: Any, key: str, of: Any) -> list[str]:
    """The dotted keys, at or below a node, that do not take any value of a type as it is."""
    if not isinstance(node, DictConfig) or node._is_interpolation() or node._is_none():
        return [] if type(node) in (AnyNode, ListConfig) or (of is str and type(node) is StringNode) else [key]
    if node._metadata.object_type not in (dict, None) or node._metadata.element_type is not of:
        return [key]
    return [found for name in node for found in typed_keys(node._get_node(name), f"{key}.{name!s}", of)]


def present(cfg: DictConfig, key: str) -> str:
    """As much of a dotted key as is there. What is not may be named by an environment variable, and is not to be written down."""
    node: Any = cfg
    found: list[str] = []
    for part in key.partition("[")[0].split("."):
        node = node._get_node(part, validate_access=False) if isinstance(node, DictConfig) and not node._is_interpolation() else None
        if node is None:
            break
        found.append(part)
    return ".".join(found)
