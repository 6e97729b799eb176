"""What was said of a run or a sweep since it was submitted: tags, properties, a name, a note, whether it is archived.

People say it in labels.jsonl, beside run.json, which stays as it was submitted; the run's own processes in their records. One JSON line for
each change. Later lines win, but of a property the first one. A line that is torn, or holds something else, changes nothing.
"""

from __future__ import annotations

from trainconf import files
from trainconf.fast.records import Record
from trainconf.history.logged import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import RunPaths


class Labels(Record):
    """The present labels. `display_name` is None, and `tags` are empty, where nobody has given any."""

    tags: dict[str, str]
    display_name: str | None = None
    note: str | None = None
    archived: bool = False
    properties: dict[str, str] = {}  # noqa: RUF012  # nobody changes it


def read(paths: RunPaths, tags: dict[str, str] | None = None, display_name: str | None = None) -> Labels:
    """The labels of a run; `tags` and `display_name` are those that it was submitted with. Never raises for what the file holds."""
    found = dict(tags or {})
    name, note, archived = display_name, None, False
    properties: dict[str, str] = {}
    for line in _lines(paths):
        added, removed = line.get("tags"), line.get("untag")
        if isinstance(added, dict):
            found |= {key: value for key, value in added.items() if isinstance(value, str)}
        for key in removed if isinstance(removed, list) else ():
            if isinstance(key, str):
                found.pop(key, None)
        if isinstance(line.get("display_name"), str):
            name = line["display_name"] or display_name
        if isinstance(line.get("note"), str):
            note = line["note"] or None
        if isinstance(line.get("archived"), bool):
            archived = line["archived"]
        if isinstance(line.get("properties"), dict):
            properties = {key: value for key, value in line["properties"].items() if isinstance(value, str)} | properties
    return Labels(found, name, note, archived, properties)


def damage(paths: RunPaths) -> str:
    """Why the file cannot be read, in words; empty when it can be, or is not there."""
    try:
        next(files.read_lines(paths.labels), None)
    except OSError as error:
        return f"its labels.jsonl cannot be read: {error.strerror}"
    return ""


def _lines(paths: RunPaths) -> list[dict[str, Any]]:
    own = records.labels(paths)
    try:
        found = [line for line in files.read_lines(paths.labels) if isinstance(line, dict)]
    except OSError:
        found = []  # as `damage` says
    return sorted([*found, *own], key=lambda line: str(line.get("time"))) if own else found
