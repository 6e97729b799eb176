"""The keys of a YAML file with their places, and the entries of its defaults list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from trainconf.composition.hydra.yaml_files import Default, defaults_in, read_yaml
from trainconf.editor.text.text import Span, Text
from trainconf.errors import ConfigError

MAX_DEPTH = 100
WITHOUT_CONTENT: dict[str, Any] = {}


class Key(NamedTuple):
    """A key of a mapping: its path in the file, where it stands, and its value.

    text: of a value that is one scalar; else None. line: as YAML counts, from 1.
    """

    path: tuple[str, ...]
    key: Span
    value: Span
    text: str | None
    line: int


class Chosen(NamedTuple):
    """An entry of a defaults list. key: where its group and keywords stand, None for a mere path. choices: where each one stands."""

    default: Default
    span: Span
    key: Span | None
    choices: tuple[Span, ...]


class Keys:
    """What a text holds. `all` are in the order of the file; the keys of mappings in lists, and the defaults list, are not among them.

    value: the content as plain values. error: the character at which a text that is no YAML stops to be it.
    """

    def __init__(self, text: Text, path: str) -> None:
        self.all: list[Key] = []
        self.chosen: list[Chosen] = []
        self.value: dict[str, Any] = WITHOUT_CONTENT
        self.error: int | None = None
        try:
            _, node, value = read_yaml(path, text.content)
        except ConfigError as error:
            mark = getattr(error.__cause__, "problem_mark", None)
            self.error = 0 if mark is None else text.yaml_line(mark.line + 1).start + mark.column  # libyaml counts no characters
            return
        self.value = value if isinstance(value, dict) else WITHOUT_CONTENT
        if isinstance(node, yaml.MappingNode):
            self.all = list(_keys(node, ()))
            self.chosen = list(_chosen(node))

    def at(self, index: int) -> Key | None:
        """The key whose key or value a cursor touches, the innermost."""
        return next((key for key in reversed(self.all) if key.key.has(index) or (key.text is not None and key.value.has(index))), None)

    def on_line(self, line: int) -> list[Key]:
        """The keys that stand on a line, as YAML counts it."""
        return [key for key in self.all if key.line == line]


def _span(node: Any) -> Span:
    return Span(node.start_mark.index, node.end_mark.index)


def _keys(node: Any, above: tuple[str, ...]) -> Iterator[Key]:
    for key, value in node.value if len(above) < MAX_DEPTH else ():
        path = (*above, str(key.value))
        if path == ("defaults",):
            continue
        yield Key(path, _span(key), _span(value), str(value.value) if isinstance(value, yaml.ScalarNode) else None, key.start_mark.line + 1)
        if isinstance(value, yaml.MappingNode):
            yield from _keys(value, path)


def _chosen(node: Any) -> Iterator[Chosen]:
    listed = next((value for key, value in node.value if key.value == "defaults" and isinstance(value, yaml.SequenceNode)), None)
    for item, default in zip(listed.value if listed is not None else (), defaults_in(node), strict=True):
        key, value = item.value[0] if isinstance(item, yaml.MappingNode) and item.value else (None, item)
        values = value.value if isinstance(value, yaml.SequenceNode) else [value]
        yield Chosen(default, _span(item), None if key is None else _span(key), tuple(map(_span, values)))
