"""Turns a typed config into plain values: resolves each interpolation once, checks each value, and collects the mistakes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import is_dataclass
from typing import Any, cast

from omegaconf import AnyNode, DictConfig, ListConfig, OmegaConf, StringNode
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from trainconf.composition.hydra.settings import NoMeaning, why_not
from trainconf.errors import Mistake
from trainconf.fast.plain import PLAIN, not_plain
from trainconf.resolve.origins import Origins, leaves
from trainconf.resolve.settings import Setting, nearest, settings, shown
from trainconf.schema import GROUPS, node_key

PLACE = "__place__"  # of a dataclass that `own.schema` has read: the file and line where it is written


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
            words = f"'{key}=[{','.join(map(_open, value))}]'" if isinstance(value, list) else f"{key}=..."
            yield key, Mistake(f"{key} has no value", ("from", origins.of(key)), hint=f"give it one: {words}")
        except (OmegaConfBaseException, RecursionError) as error:
            unknown = _no_meaning(error)
            if unknown is not None:
                facts = (("from", origins.of(key)), ("value", str(value)), ("instead", why_not(unknown.path)))
                yield key, Mistake(f"{key} reads hydra:{unknown.path}, which has no meaning here", *facts)
                continue
            facts = (("from", origins.of(key)), ("value", str(value)), ("because", _first_line(error)))
            yield key, Mistake(f"{key} does not resolve", *facts)


def _open(word: Any) -> str:
    """A word of a list, or the place of one that is still to be given."""
    return "..." if word == "???" else str(word)


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
                                    ("allowed", setting.allowed), *setting.meaning))
        if setting.type_name.startswith("mapping of "):
            mistakes += [
                Mistake(f"{key}.{name} cannot be {shown(item)}", ("from", origins.of_part(f"{key}.{name}")),
                        ("allowed", f"in a {setting.allowed}"), *setting.meaning)
                for name, item in _mapping_at(config, key).items() if isinstance(item, (dict, list))
            ]  # fmt: skip
    told = {mistake.what.partition(" ")[0] for mistake in mistakes}
    for key, problem in not_plain(config, ""):
        if key not in told:
            mistakes.append(Mistake(f"{key} cannot be {problem}", ("from", origins.of(key)),
                                    ("allowed", PLAIN)))
    return mistakes


def _mapping_at(config: dict[str, Any], key: str) -> dict[str, Any]:
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def not_settings(config: dict[str, Any], nodes: dict[str, Any], origins: Origins) -> list[Mistake]:
    """A mistake for every key that no schema has: `+` adds whatever it is told to, and what nobody reads must not pass."""
    known = settings(nodes)
    free = {name for name, node in nodes.items() if node is dict}
    mistakes = []
    for key, _ in leaves(config):
        above = [key.rsplit(".", count)[0] for count in range(1, key.count(".") + 1)]
        holder = next((parent for parent in above if parent in nodes or parent in known), "")
        if key in known or holder in free or (holder in known and holder not in nodes):
            continue
        if hasattr(nodes.get(holder), PLACE):
            mistakes.append(not_in_schema(key, holder, nodes[holder], known, origins.of(key)))
            continue
        near = nearest(key, list(known))
        facts = [("nearest", f"{near} ({known[near].allowed})")] if near else []
        mistakes.append(Mistake(f"{key} is not a setting", ("from", origins.of(key)), *facts,
                                hint="values of your own go into params: +params.name=value"))
    return mistakes


def not_in_schema(key: str, holder: str, kind: Any, known: dict[str, Setting], source: str) -> Mistake:
    """A key of a node that a schema of the workspace's own types, and that it does not have."""
    beside = [name for name in known if name.startswith(f"{holder}.")]
    near = nearest(key, beside)
    facts = [("nearest", f"{near} ({known[near].allowed})")] if near else []
    return Mistake(f"{key} is not in the schema {kind.__name__}", ("from", source), *facts,
                   ("allowed", ", ".join(name.removeprefix(f"{holder}.") for name in beside)), ("schema", getattr(kind, PLACE)))


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
    """Every setting of the groups as they were chosen, those that a schema of the workspace's own types included."""
    return settings({**group_types(cfg), **own_types(cfg)})


def own_types(cfg: DictConfig) -> dict[str, Any]:
    """The dataclass behind each node that a schema of the workspace's own types, by the node's dotted key."""
    return dict(_own_types(cfg._get_node("params"), "params")) if "params" in cfg else {}


def _own_types(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing() or node._is_interpolation():
        return
    kind = OmegaConf.get_type(node)
    if is_dataclass(kind) and hasattr(kind, PLACE):
        yield key, kind
    for name in node:
        yield from _own_types(node._get_node(name), f"{key}.{name!s}")


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
