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

    @contextmanager
    def recording(self, resolvers: Mapping[str, Callable[[str], Any]] | None = None) -> Iterator[None]:
        """Record every call of a resolver. `resolvers` stand in for those of the same name."""
        answers = resolvers or {}
        left = MAX_INTERPOLATIONS
        items_left = MAX_ITEMS
        depth = 0
        evaluate, write_out, select = Container.resolve_parse_tree, BaseContainer._to_content, Container._select_impl
        registered = OmegaConf.__dict__["_get_resolver"]
        known = OmegaConf._get_resolver

        def recorded(name: str) -> Any:
            resolver = known(name)
            if resolver is None:
                return None

            def call(root: Any, parent: Any, node: Any, args: tuple[Any, ...], texts: tuple[str, ...]) -> Any:
                self._note(name, args, node)
                return answers[name](",".join(map(str, args))) if name in answers else resolver(root, parent, node, args, texts)

            return call

        def counted(self: Container, parse_tree: Any, *args: Any, **words: Any) -> Any:
            nonlocal left, depth
            left -= 1 + parse_tree.getChild(0).getChildCount()  # what a text is put together of is parsed each time
            if left < 0:
                raise _TooManyError
            depth += 1
            try:
                found = evaluate(self, parse_tree, *args, **words)
            finally:
                depth -= 1
            if isinstance(found, str) and len(found) > MAX_TEXT:
                raise _TooManyError
            return found

        def written_out(conf: Any, *args: Any, **words: Any) -> Any:
            nonlocal items_left
            items_left -= 1 + len(conf._content) if isinstance(conf._content, (dict, list)) else 1
            if items_left < 0:
                raise _TooManyError
            return write_out(conf, *args, **words)

        def selected(self_: Container, key: Any, *args: Any, **words: Any) -> Any:
            if depth:
                above = str(self_._get_full_key(None))
                below = key if isinstance(key, str) else ".".join(map(str, key))
                self.keys.add(f"{above}.{below}" if above and below else above or below)
            return select(self_, key, *args, **words)

        Container._select_impl = selected  # type: ignore[method-assign, assignment]
        Container.resolve_parse_tree = counted  # type: ignore[method-assign]
        BaseContainer._to_content = staticmethod(written_out)  # type: ignore[method-assign]
        OmegaConf._get_resolver = staticmethod(recorded)  # type: ignore[method-assign]
        try:
            yield
        except _TooManyError as error:
            raise ConfigError(
                "the config's interpolations stand for too many values",
                ("allowed", f"{MAX_INTERPOLATIONS} to evaluate, {MAX_TEXT} characters each, {MAX_ITEMS} items in all"),
                hint="one that refers to others that refer to others is evaluated anew each time",
            ) from error
        finally:
            Container._select_impl = select  # type: ignore[method-assign]
            OmegaConf._get_resolver = registered  # type: ignore[method-assign]
            Container.resolve_parse_tree = evaluate  # type: ignore[method-assign]
            BaseContainer._to_content = staticmethod(write_out)  # type: ignore[method-assign]

    def has_read(self, key: str) -> bool:
        """Whether an interpolation asked for a dotted key, for what lies below it, or for a mapping that holds it."""
        return any(not read or f"{key}.".startswith(f"{read}.") or read.startswith((f"{key}.", f"{key}[")) for read in self.keys)

    def _note(self, resolver: str, args: tuple[Any, ...], node: Any) -> None:
        if resolver == "oc.env" and args:
            self.env.setdefault(str(args[0]), []).append(_key(node))
        elif resolver not in _REPEATABLE:
            self.is_repeatable = False


class _TooManyError(BaseException):
    """Past every handler of OmegaConf's and Hydra's, which would go on with the next value."""


def _key(node: Any) -> str:
    """Dotted key of the value that holds an interpolation; an item of a list has that of the list."""
    key = str(node._get_full_key(None)) if node is not None else ""
    return "" if key == "_dummy_" else key.partition("[")[0]  # `_dummy_` holds a defaults list's interpolations while Hydra resolves them
