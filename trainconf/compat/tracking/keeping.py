"""Keeps a logged value that no metric can have: as a file below media/, and as a line of media.jsonl."""

from __future__ import annotations

import json
import os

from trainconf.compat.tracking import media, record, tables
from trainconf.compat.tracking.folder import file_name, replace
from trainconf.compat.tracking.notes import KeepsGoing, Unanswered, note
from trainconf.compat.tracking.values import NOT_ONE, jsonable, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from trainconf.compat.tracking.folder import Folder


def keep(folder: Folder, name: str, value: Any, step: Any) -> Optional[Any]:
    """What a summary has of the value; None where nothing could be kept, which is told once."""
    found: List[Any] = []
    with KeepsGoing("the %s %r" % (type(value).__name__, name)):
        found.append(_kept(folder, name, value, step))
    return found[0] if found else None


def _kept(folder: Folder, name: str, value: Any, step: Any) -> Optional[Any]:
    if isinstance(value, Unanswered):
        return None
    items = list(value) if isinstance(value, (list, tuple)) else None
    shown = [media.of(item) for item in items] if items else []
    if any(shown):
        return [_media(folder, name, item, step, number) for number, item in enumerate(shown) if item is not None]
    alone = media.of(value)
    if alone is not None:
        return _media(folder, name, alone, step, 0)
    if isinstance(value, (tables.Table, tables.Chart)) or hasattr(value, "itertuples"):
        table = tables.Table(dataframe=value) if hasattr(value, "itertuples") else value
        return _table(folder, name, table, step)
    if isinstance(value, tables.Histogram):
        return _line(folder, name, step, dict(value.described(), kind="histogram"))
    if hasattr(value, "shape") and hasattr(value, "tolist") and _is_numeric(value):
        return _line(folder, name, step, dict(tables.Histogram(value).described(), kind="histogram"))
    if hasattr(value, "__dict__") and type(value).__module__ != "builtins" and not hasattr(value, "keys") and not callable(value):
        note("type " + type(value).__name__, "a %s as the value of %r is kept as its text" % (type(value).__name__, name))
    return _line(folder, name, step, {"kind": "value", "value": jsonable(value)})


def _media(folder: Folder, name: str, item: media.Media, step: Any, number: int) -> Dict[str, Any]:
    path = item.save(folder.at("media", item.kind, media.base_name(name, step, number)))
    item.file_path = path
    inside = os.path.relpath(path, folder.path)
    if item.kind == "image":
        record.shown(folder.job, name, path)
    return _line(folder, name, step, dict(item.described(), kind=item.kind, file=inside, bytes=os.path.getsize(path)))


def _table(folder: Folder, name: str, table: Any, step: Any) -> Dict[str, Any]:
    number = [0]

    def cell(value: Any) -> Any:
        shown = media.of(value)
        if shown is None:
            described = value.described() if isinstance(value, tables.Histogram) else value
            return one(described) if one(described) is not NOT_ONE else jsonable(described)
        number[0] += 1
        return _media(folder, name, shown, step, number[0])

    if getattr(table, "kind", "") == "confusion_matrix":
        record.confusion(folder.job, name, table.table.data)
    path = folder.at("media", "table", "%s_%s.table.json" % (file_name(name), step))
    content = table.described(cell)
    replace(path, json.dumps(content) + "\n")
    said = {"kind": getattr(table, "kind", "table"), "file": os.path.relpath(path, folder.path), "rows": len(content["data"])}
    return _line(folder, name, step, dict(said, columns=content["columns"]))


def _line(folder: Folder, name: str, step: Any, said: Dict[str, Any]) -> Dict[str, Any]:
    folder.append("media.jsonl", dict({"name": name, "step": step}, **said))
    return said


def _is_numeric(value: Any) -> bool:
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return kind in "biuf" if kind is not None else hasattr(value, "detach")
