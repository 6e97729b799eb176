"""Where a choice, an interpolation or a path of a file leads."""

from __future__ import annotations

import os

from lsprotocol import types

from trainconf.editor.answers.references import base_of, chosen_at, full_path, interpolation_at
from trainconf.editor.documents import Opened
from trainconf.editor.known import Known
from trainconf.editor.workspaces import place_of, uri_of


def definition(opened: Opened, known: Known, index: int) -> types.Location | None:
    """The place that a character of an open file leads to; None where there is none."""
    chosen = chosen_at(opened, index)
    if chosen is not None:
        path = known.groups.path(*chosen) if chosen[0] else os.path.join(opened.workspace.conf, f"{chosen[1]}.yaml")
        return _at(path, 1) if path and os.path.isfile(path) else None
    read = interpolation_at(opened, index)
    if read:
        return _origin(opened, read)
    key = opened.keys.at(index)
    if key is None or key.text is None:
        return None
    full = ".".join(full_path(opened, index))
    base = base_of(full, opened)
    if base is None or not key.value.has(index):
        return _origin(opened, full)
    path = os.path.normpath(os.path.join(base, os.path.expanduser(key.text)))
    return _at(path, 1) if key.text and os.path.isfile(path) else None


def _origin(opened: Opened, key: str) -> types.Location | None:
    """Where a key of the composed config was set: in this file as it is now, or in another one."""
    own = next((each for each in opened.keys.all if ".".join((*opened.package, *each.path)) == key), None)
    if own is not None:
        return types.Location(opened.uri, opened.places.range(own.key))
    place = place_of(opened.composed.origin_of_part(key), opened.workspace) if opened.composed is not None else None
    return None if place is None else _at(*place)


def _at(path: str, line: int) -> types.Location:
    start = types.Position(line - 1, 0)
    return types.Location(uri_of(path), types.Range(start, start))
