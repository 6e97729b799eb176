"""A request of a program, written as the experiment file that asks for the same: the way off."""

from __future__ import annotations

from dataclasses import fields

from trainconf import schema
from trainconf.composition.layers import escaped
from trainconf.resolve.yaml_text import flow, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from trainconf.composition.layers import Layer

# What conf/config.yaml chooses.
PLAIN_CHOICES = {"compute": "local", "env": "minimal", "distributed": "none", "sweep": "grid", "sweep/policy": "none"}
_ORDER = [field.name for field in fields(schema.Config)]


class Node:
    """A mapping of the file: keys with a value and its place, or with a further mapping."""

    def __init__(self) -> None:
        self.keys: dict[str, Node | tuple[Any, str]] = {}

    def put(self, key: str, value: Any, place: str) -> None:
        """Set a value; a mapping is merged, anything else replaces."""
        if not isinstance(value, dict) or not value:
            self.keys[key] = (value, place)
            return
        node = self.keys.get(key)
        if not isinstance(node, Node):
            node = self.keys[key] = Node()
        for name, inner in value.items():
            node.put(str(name), inner, place)

    def lines(self, depth: int = 0) -> Iterable[str]:
        """The mapping as YAML, a comment with the place behind each value."""
        indent = "  " * depth
        for key, found in self.keys.items():
            if isinstance(found, Node):
                yield f"{indent}{text(key)}:"
                yield from found.lines(depth + 1)
            else:
                value, place = found
                comment = f"  # {place}" if place else ""
                if isinstance(value, str) and _reads_better_as_a_block(value):
                    yield f"{indent}{text(key)}: |-{comment}"
                    yield from (f"{indent}  {line}" if line else "" for line in value.split("\n"))
                else:
                    yield f"{indent}{text(key)}: {flow(value)}{comment}"


def render(
    title: str, name: str, choices: Mapping[str, tuple[str, str]], layers: Iterable[Layer], *, remarks: Sequence[str] = (),
    is_sweep: bool = False,
) -> str:
    """The text of `conf/experiment/<name>.yaml`.

    choices: of groups, with their places. layers: the values. remarks: comments below the title.
    """
    root = Node()
    for layer in layers:
        for key, value in (layer.values if layer.is_config else _as_config(layer.values)).items():
            root.put(key, value, layer.source)
    root.keys = {key: root.keys[key] for key in sorted(root.keys, key=_ORDER.index)}
    choices = dict(choices)
    base, place = choices.pop("experiment", ("adhoc", ""))
    above = [] if base == "adhoc" else [f"  - {text(base)}{f'  # {place}' if place else ''}"]
    overrides = [f"  - override /{group}: {text(choice)}{f'  # {place}' if place else ''}" for group, (choice, place) in choices.items()
                 if PLAIN_CHOICES.get(group) != choice]
    return "\n".join([
        "# @package _global_",
        f"# {title}: `trainconf {'-m ' if is_sweep else ''}experiment={name}`",
        "defaults:", *above, *overrides, "  - _self_",
        *(f"# {line}".rstrip() for remark in remarks for line in remark.splitlines()), "",
        *root.lines(), "",
    ])  # fmt: skip


def _as_config(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_config(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_config(item) for item in value]
    return escaped(value) if isinstance(value, str) else value


def _reads_better_as_a_block(value: str) -> bool:
    """Whether a text has lines or quotes, and nothing that a block of YAML could not hold."""
    lines = value.split("\n")
    is_plain = all(line.isprintable() and line == line.rstrip() for line in lines)
    return is_plain and any(letter in value for letter in "\n\"\\") and bool(lines[0]) and not lines[0].startswith(" ") and bool(lines[-1])
