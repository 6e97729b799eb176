"""What may be typed at a cursor: keys, choices, values, interpolations, paths, expressions of a search."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from lsprotocol import types

from trainconf import schema
from trainconf.editor.answers import schemas
from trainconf.editor.answers.references import base_of, value_at
from trainconf.editor.documents import Opened
from trainconf.editor.known import Known
from trainconf.editor.text.cursor import ITEM, KEY, NOWHERE, VALUE, Cursor, cursor_at
from trainconf.editor.text.text import Span
from trainconf.resolve.origins import leaves
from trainconf.resolve.yaml_text import flow
from trainconf.search.grammar import FUNCTIONS

MOST = 300
_SPACE = ("sweep", "space")
_RESOLVERS = {
    "oc.env:": "a variable of the environment: ${oc.env:NAME,default}", "secret:": "a secret, which no file will hold: ${secret:NAME}",
    "hydra:": "what Hydra knows, such as ${hydra:job.name}",
}  # fmt: skip
_LAST = ("submitit's word", "no effect")  # begin the meaning of what is offered after our own settings
_KIND = types.CompletionItemKind


def complete(opened: Opened, known: Known, index: int) -> list[types.CompletionItem]:
    """All that may stand at a character of an open file."""
    found = {item.label: item for item in reversed(list(Completion(opened, known, cursor_at(opened.text, index)).items()))}
    items = list(found.values())[::-1][:MOST]
    for number, item in enumerate(items):
        item.sort_text = f"{number:04}"  # else an editor has them by name
    return items


class Completion:
    """What may stand at one cursor."""

    def __init__(self, opened: Opened, known: Known, cursor: Cursor) -> None:
        self._opened = opened
        self._known = known
        self._cursor = cursor
        self._full = (*opened.package, *cursor.path)
        self._config: dict[str, Any] = opened.composed.config if opened.composed is not None else {}

    def items(self) -> Iterator[types.CompletionItem]:
        """Everything, what is most likely first."""
        cursor = self._cursor
        if cursor.kind == NOWHERE or self._opened.is_frozen:
            return
        reference = cursor.prefix.rpartition("${")
        if reference[1] and "}" not in reference[2] and cursor.kind != KEY:
            yield from self._interpolations(reference[2])
        elif cursor.path[:1] == ("defaults",):
            yield from self._defaults()
        elif cursor.kind == KEY:
            yield from self._keys()
        else:
            yield from self._values()

    def _item(
        self, label: str, kind: types.CompletionItemKind, *, text: str = "", detail: str = "", doc: str = "", span: Span | None = None,
    ) -> types.CompletionItem:  # fmt: skip
        edit = types.TextEdit(self._opened.places.range(span or self._cursor.word), text or label)
        return types.CompletionItem(label, kind=kind, detail=detail or None, documentation=doc or None, filter_text=label, text_edit=edit)

    # -- keys ----------------------------------------------------------------------------------------------------------

    def _keys(self) -> Iterator[types.CompletionItem]:
        at = self._cursor.word.start
        there = {key.path[-1] for key in self._opened.keys.all if key.path[:-1] == self._cursor.path and not key.key.has(at)}
        is_block = self._opened.text.line_at(at).start + self._cursor.indent == at
        for name, of in sorted(self._offered().items(), key=lambda each: str(each[1].get("description", "")).startswith(_LAST)):
            if name not in there:
                is_mapping = is_block and ("properties" in of or name in ("params", "tags", "inputs", "defaults"))
                after = ":\n" + " " * (self._cursor.indent + 2) + "- " * (name == "defaults") if is_mapping else ": "
                yield self._item(name, _KIND.Property, text=name + after, doc=schemas.description([of]), detail=self._now(name))

    def _offered(self) -> dict[str, Any]:
        """The keys that may stand here: those of the schema, of the chosen kind of a group, and those that the composed config has."""
        if self._full[:2] == _SPACE:
            params = (key for key, _ in leaves(self._config.get("params") or {}, "params"))
            return {key: {} for key in (*params, *self._known.groups.own())}
        found = schemas.keys(schemas.at(self._known.schema(self._opened.path), self._cursor.path, self._opened.good.value))
        group = "/".join(self._full)
        there, node = value_at(self._config, self._full)
        if group in schema.GROUPS and there and isinstance(node, dict):
            of = schema.group_schema(group, node)
            names = {field.name for field in fields(of)} if of is not None else found.keys()
            found = {name: inner for name, inner in found.items() if name in names}
        is_open = self._full[:1] in (("params",), ("inputs",), ("tags",))
        return {**{name: {} for name in node if is_open}, **found} if isinstance(node, dict) else dict(found)

    def _now(self, name: str) -> str:
        """The composed value of a key."""
        there, value = value_at(self._config, (*self._full, name))
        return flow(value)[:80] if there and not isinstance(value, dict) else ""

    # -- values --------------------------------------------------------------------------------------------------------

    def _values(self) -> Iterator[types.CompletionItem]:
        if self._full[:2] == _SPACE:
            yield from self._expressions()
            return
        key = ".".join(self._full)
        folder = base_of(key, self._opened)
        if folder is not None:
            yield from self._paths(folder, is_folder=key in ("source_directory", "env.docker.build_context"))
        found = schemas.at(self._known.schema(self._opened.path), self._cursor.path, self._opened.good.value)
        for value in schemas.values(found):
            yield self._item(flow(value), _KIND.EnumMember)
        default = next((each["default"] for each in found if "default" in each), None)
        if default is not None and self._cursor.kind == VALUE:
            yield self._item(flow(default), _KIND.Value, detail="default")

    def _expressions(self) -> Iterator[types.CompletionItem]:
        for name, function in FUNCTIONS.items():
            names = ", ".join(inspect.signature(function).parameters)
            yield self._item(name, _KIND.Function, text=f"{name}({names})", detail=f"{name}({names})", doc=inspect.getdoc(function) or "")
        for text, doc in (("[1, 2, 3]", "these values"), ("range(1, 10)", "whole numbers; the last is left out")):
            yield self._item(text, _KIND.Value, doc=doc)

    def _paths(self, folder: str, *, is_folder: bool) -> Iterator[types.CompletionItem]:
        above, _, typed = self._cursor.prefix.rpartition("/")
        try:
            names = sorted(os.listdir(os.path.join(folder, os.path.expanduser(above))))
        except (OSError, ValueError):
            return
        for name in names:
            is_dir = os.path.isdir(os.path.join(folder, above, name))
            if name.startswith(typed) and (name[0] != "." or typed) and (is_dir or not is_folder) and name != "__pycache__":
                kind = _KIND.Folder if is_dir else _KIND.File
                yield self._item(name + "/" * is_dir, kind, span=self._cursor.last(len(typed)))

    def _interpolations(self, typed: str) -> Iterator[types.CompletionItem]:
        span = self._cursor.last(len(typed))
        for key in _all_keys(self._config):
            if key.startswith(typed):
                there, value = value_at(self._config, key.split("."))
                detail = flow(value)[:80] if there and not isinstance(value, dict) else ""
                yield self._item(key, _KIND.Variable, detail=detail, span=span)
        for name, doc in _RESOLVERS.items():
            yield self._item(name, _KIND.Function, doc=doc, span=span)

    # -- defaults lists ------------------------------------------------------------------------------------------------

    def _defaults(self) -> Iterator[types.CompletionItem]:
        groups = self._known.groups
        own = os.path.relpath(os.path.dirname(self._opened.path), self._opened.workspace.conf).replace(os.sep, "/")
        if self._cursor.path[1:]:
            group = self._cursor.path[1].split(" ")[-1].partition("@")[0]
            group = group.lstrip("/") if group.startswith("/") or own == "." else f"{own}/{group}"
            yield from self._choices(group, "")
            return
        if self._cursor.kind != ITEM and not self._cursor.prefix:
            return
        yield self._item("_self_", _KIND.Keyword, doc="the keys of this file; what stands after it wins over them")
        if own == ".":
            for group in (*schema.GROUPS, "experiment", *groups.own()):
                yield self._item(group, _KIND.Module, text=f"{group}: ", doc=_listed(groups.choices(group)))
            return
        if own == "experiment":
            for group in schema.GROUPS:
                yield self._item(f"override /{group}", _KIND.Module, text=f"override /{group}: ", doc=_listed(groups.choices(group)))
        for group in groups.own():
            yield self._item(f"/{group}", _KIND.Module, text=f"/{group}: ", doc=_listed(groups.choices(group)))
        if own in schema.GROUPS:
            for kind in groups.kinds(own):
                yield self._item(f"/schema/{own}/{kind}", _KIND.Module, doc=f"a choice of {own} that is a {kind}")
        yield from self._choices(own, os.path.basename(self._opened.path).removesuffix(".yaml"))

    def _choices(self, group: str, but: str) -> Iterator[types.CompletionItem]:
        for choice in self._known.groups.choices(group):
            if choice != but:
                above, _, name = choice.rpartition("/")
                header = self._known.header(f"{group}/{above}" if above else group, name)
                yield self._item(choice, _KIND.EnumMember, doc=header)


def _all_keys(config: dict[str, Any]) -> Iterable[str]:
    """Every dotted key of a config, those of mappings included."""
    found: dict[str, None] = {}
    for key, _ in leaves(config) if config else ():
        parts = key.split(".")
        found.update(dict.fromkeys(".".join(parts[:count]) for count in range(1, len(parts) + 1)))
    return sorted(found, key=lambda key: (not key.startswith("params"), key))


def _listed(choices: list[str]) -> str:
    return f"choices: {', '.join(choices)}"
