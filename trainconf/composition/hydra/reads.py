"""Records what a composition reads: environment variables, keys of the config, and resolvers whose answers may change.

It hooks into OmegaConf and does not parse text: OmegaConf calls the resolver however an interpolation is spelled or reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from omegaconf import OmegaConf
from omegaconf.base import Container
from omegaconf.basecontainer import BaseContainer

from trainconf.errors import ConfigError

# Ten lines can stand for a billion. Some thousand interpolations are a large config, which takes a second.
MAX_INTERPOLATIONS = 50_000
MAX_TEXT = 1 << 24  # characters of what one of them stands for
MAX_ITEMS = 1 << 21  # of lists and mappings, written out; OmegaConf 2.4 evaluates each interpolation once, and writes out all it stands for
# Their answer depends on nothing but the config (and, for oc.env, on a variable we can name); `now`, `hydra` and users' own may change.
_REPEATABLE = {"oc.env", "oc.select", "oc.decode", "oc.create", "oc.deprecated", "oc.dict.keys", "oc.dict.values", "secret"}


class Reads:
    """The record of one composition.

    env: variable to the dotted keys of the values that asked for it; empty for a defaults list. keys: those that interpolations asked
    for, whether they are there or not. is_repeatable: whether the same variables give the same config.
    """

    def __init__(self) -> None:
        self.env: dict[str, list[str]] = {}
        self.keys: set[str] = set()
        self.is_repeatable = True
        self._depth = 0  # of interpolations that are being evaluated

    @contextmanager
    def recording(self, resolvers: Mapping[str, Callable[[str], Any]] | None = None) -> Iterator[None]:
        """Record every call of a resolver. `resolvers` stand in for those of the same name."""
        hooks: list[tuple[Any, str, Any]] = [
            (OmegaConf, "_get_resolver", staticmethod(self._recorded(OmegaConf._get_resolver, resolvers or {}))),
            (Container, "_select_impl", self._selected(Container._select_impl)),
            (Container, "resolve_parse_tree", self._counted(Container.resolve_parse_tree)),
            (BaseContainer, "_to_content", staticmethod(_bounded(BaseContainer._to_content))),
        ]
        originals = [(owner, name, owner.__dict__[name]) for owner, name, _ in hooks]
        for owner, name, hook in hooks:
            setattr(owner, name, hook)
        try:
            yield
        except _TooManyError as error:
            raise ConfigError(
                "the config's interpolations stand for too many values",
                ("allowed", f"{MAX_INTERPOLATIONS} to evaluate, {MAX_TEXT} characters each, {MAX_ITEMS} items in all"),
                hint="one that refers to others that refer to others is evaluated anew each time",
            ) from error
        finally:
            for owner, name, original in originals:
                setattr(owner, name, original)

    def _recorded(self, find: Callable[[str], Any], answers: Mapping[str, Callable[[str], Any]]) -> Callable[[str], Any]:
        """In place of `OmegaConf._get_resolver`: notes each call of what it finds."""

        def recorded(name: str) -> Any:
            resolver = find(name)
            if resolver is None:
                return None

            def call(root: Any, parent: Any, node: Any, args: tuple[Any, ...], texts: tuple[str, ...]) -> Any:
                self._note(name, args, node)
                return answers[name](",".join(map(str, args))) if name in answers else resolver(root, parent, node, args, texts)

            return call

        return recorded

    def _selected(self, select: Callable[..., Any]) -> Callable[..., Any]:
        """In place of `Container._select_impl`: notes each key that an interpolation asks for."""

        def selected(container: Container, key: Any, *args: Any, **words: Any) -> Any:
            if self._depth:
                above = str(container._get_full_key(None))
                below = key if isinstance(key, str) else ".".join(map(str, key))
                self.keys.add(f"{above}.{below}" if above and below else above or below)
            return select(container, key, *args, **words)

        return selected

    def _counted(self, evaluate: Callable[..., Any]) -> Callable[..., Any]:
        """In place of `Container.resolve_parse_tree`, which evaluates one interpolation: bounds how many, and how long their texts are."""
        left = MAX_INTERPOLATIONS

        def counted(container: Container, parse_tree: Any, *args: Any, **words: Any) -> Any:
            nonlocal left
            left -= 1 + parse_tree.getChild(0).getChildCount()  # what a text is put together of is parsed each time
            if left < 0:
                raise _TooManyError
            self._depth += 1
            try:
                found = evaluate(container, parse_tree, *args, **words)
            finally:
                self._depth -= 1
            if isinstance(found, str) and len(found) > MAX_TEXT:
                raise _TooManyError
            return found

        return counted

    @property
    def has_read_outside(self) -> bool:
        """Whether a resolver has read what is no part of the config."""
        return bool(self.env) or not self.is_repeatable

    def has_read(self, key: str) -> bool:
        """Whether an interpolation asked for a dotted key, for what lies below it, or for a mapping that holds it."""
        return any(not read or f"{key}.".startswith(f"{read}.") or read.startswith((f"{key}.", f"{key}[")) for read in self.keys)

    def _note(self, resolver: str, args: tuple[Any, ...], node: Any) -> None:
        if resolver == "oc.env" and args:
            self.env.setdefault(str(args[0]), []).append(_key(node))
        elif resolver not in _REPEATABLE:
            self.is_repeatable = False


def _bounded(write_out: Callable[..., Any]) -> Callable[..., Any]:
    """In place of `BaseContainer._to_content`: bounds how much is written out."""
    left = MAX_ITEMS

    def bounded(conf: Any, *args: Any, **words: Any) -> Any:
        nonlocal left
        left -= 1 + len(conf._content) if isinstance(conf._content, (dict, list)) else 1
        if left < 0:
            raise _TooManyError
        return write_out(conf, *args, **words)

    return bounded


class _TooManyError(BaseException):
    """Past every handler of OmegaConf's and Hydra's, which would go on with the next value."""


def _key(node: Any) -> str:
    """Dotted key of the value that holds an interpolation; an item of a list has that of the list."""
    key = str(node._get_full_key(None)) if node is not None else ""
    return "" if key == "_dummy_" else key.partition("[")[0]  # `_dummy_` holds a defaults list's interpolations while Hydra resolves them
