"""What is shown of a key, a choice or an interpolation: its meaning, and its value in the composed config with where that comes from."""

from __future__ import annotations

from lsprotocol import types

from trainconf.editor.answers import schemas
from trainconf.editor.answers.references import chosen_at, full_path, interpolation_at, value_at
from trainconf.editor.documents import Opened
from trainconf.editor.known import Known
from trainconf.editor.text.text import Span
from trainconf.resolve.search import label
from trainconf.resolve.yaml_text import flow, render

MOST = 600  # characters of a value


def hover(opened: Opened, known: Known, index: int) -> types.Hover | None:
    """What to show at a character of an open file; None where there is nothing."""
    chosen = chosen_at(opened, index)
    if chosen is not None:
        return _of_choice(opened, known, *chosen)
    read = interpolation_at(opened, index)
    if read:
        return _made([f"`{read}`", *_value(opened, tuple(read.split(".")))])
    key = opened.keys.at(index)
    if key is None:
        return None
    full = full_path(opened, index)
    found = schemas.at(known.schema(opened.path), key.path, opened.good.value)
    meaning = schemas.description(found) or _comment(opened, key.line)
    return _made([f"`{'.'.join(full)}`", meaning, *_value(opened, full)], opened, key.key)


def _comment(opened: Opened, line: int) -> str:
    """What stands behind a key of the workspace's own, such as a param: its unit, or what it means."""
    span = opened.text.yaml_line(line)
    return opened.text.content[span.start : span.end].partition(" # ")[2].strip()


def _of_choice(opened: Opened, known: Known, group: str, choice: str) -> types.Hover | None:
    if group.startswith("schema"):
        of = group.removeprefix("schema").strip("/")
        return _made([f"the settings of a choice of `{of}`, with their defaults" if of else "all settings, with their defaults"])
    path = known.groups.path(group, choice)
    if not path:
        return None
    return _made([f"`{group}={choice}`", known.header(group, choice), f"from {label(path, opened.workspace)}"])


def _value(opened: Opened, path: tuple[str, ...]) -> list[str]:
    """The composed value of a key and its origin, as Markdown; nothing where no config was composed, or it has no such key."""
    if opened.composed is None:
        return []
    key = ".".join(path)
    there, value = value_at(opened.composed.config, path)
    if not there:
        return []
    text = render(value).rstrip() if isinstance(value, dict) and value else flow(value)
    written = (opened.composed.derived or {}).get(key)
    lines = [f"```yaml\n{text[:MOST]}{' ...' * (len(text) > MOST)}\n```"]
    if written is not None:
        lines.append(f"written as `{flow(written)}`")
    if not isinstance(value, dict):
        lines.append(f"from {opened.composed.origin_of_part(key)}")
    return lines


def _made(parts: list[str], opened: Opened | None = None, span: Span | None = None) -> types.Hover:
    text = "\n\n".join(part.replace("\nAllowed:", "\n\nAllowed:") for part in parts if part)
    content = types.MarkupContent(types.MarkupKind.Markdown, text)
    return types.Hover(content, opened.places.range(span) if opened is not None and span is not None else None)

