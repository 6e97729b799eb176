"""Layers: trees of values that a program gives, merged after the config files and before the overrides. Loads no Hydra."""

from __future__ import annotations

import os
from collections.abc import Mapping

from trainconf.errors import Mistake
from trainconf.fast.stdlib import re
from trainconf.fast.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Layer(NamedTuple):
    """Values from a program, such as `Layer("submit.py:12", {"params": {"prompt": "cost ${x}"}})`.

    source: where they were set, as `--origin` and messages show it. values: a tree of text, numbers, booleans, None, lists and mappings
    with text keys. A mapping is merged, a list replaces.
    is_config: whether `${...}` in them is an interpolation, as in a config file; else they arrive as they are.
    """

    source: str
    values: Mapping[str, Any]
    is_config: bool = False


def read_layers(found: Any) -> list[Layer]:
    """Layers as a record or a frozen file has them. Raises TypeError."""
    layers = []
    for each in found:
        if not isinstance(each, list) or [type(part) for part in each] != [str, dict, bool]:
            raise TypeError("a layer is no [source, values, is_config]")
        layers.append(Layer(*each))
    return layers


def escaped(text: str) -> str:
    """A text as a config file has it, so that `${` in it is no interpolation. `???`, a value still to be given, has no such form.

    >>> print(escaped("cost ${x}"))
    cost \\${x}
    """
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)


class Literals:
    """Texts that OmegaConf would read as something else. Each has a mark in its place while a config is composed."""

    def __init__(self) -> None:
        self._sign = f"<text {os.urandom(8).hex()}:"  # nobody can have written this
        self._mark = re.compile(rf"{self._sign}(\d+)>")
        self._texts: list[str] = []

    def hide(self, value: Any) -> Any:
        """A copy of a tree of values with marks."""
        if isinstance(value, Mapping):
            return {key: self.hide(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.hide(item) for item in value]
        if not isinstance(value, str) or ("${" not in value and value != "???"):
            return value
        self._texts.append(value)
        return f"{self._sign}{len(self._texts) - 1}>"

    def show(self, value: Any) -> Any:
        """A tree of values with the texts in the place of their marks."""
        if not self._texts:
            return value
        if isinstance(value, dict):
            return {key: self.show(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.show(item) for item in value]
        return self._mark.sub(lambda match: self._texts[int(match[1])], value) if isinstance(value, str) else value

    def show_in(self, mistakes: list[Mistake]) -> None:
        """Put the texts into messages."""
        for mistake in mistakes:
            mistake.what, mistake.hint = self.show(mistake.what), self.show(mistake.hint)
            mistake.facts = tuple((name, self.show(fact)) for name, fact in mistake.facts)
