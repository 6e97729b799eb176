"""A config as text: with the origin, or with the meaning, of every setting. On a terminal no line of it is wider than that."""

from __future__ import annotations

import json
import sys

from trainconf.cli.screen.printer import columns_of
from trainconf.cli.screen.widths import width, wrapped
from trainconf.resolve.origins import leaves

WIDEST_VALUE = 60  # to whose right origins are aligned
COMMENT_AT = 44  # column of a comment
FEWEST = 100  # columns in which comments stand to the right


def origins_text(config: dict[str, object], origins: dict[str, str]) -> str:
    """One line per value: `key = value  <- origin`, the arrows aligned. On a terminal too narrow for one, the origin stands below it."""
    rows = [(f"{key} = {_flow(value)}", f"<- {origins.get(key, 'default')}") for key, value in leaves(config)]
    columns = columns_of(sys.stdout) or sys.maxsize
    longest = max((width(origin) for _, origin in rows), default=0)
    wide = min(WIDEST_VALUE, max((width(text) for text, _ in rows), default=0), max(columns // 2, columns - longest - 2))
    lines = []
    for text, origin in rows:
        beside = f"{text}{' ' * (wide - width(text))}  {origin}"
        lines += [beside] if width(beside) <= columns else wrapped(f"{text}\n    {origin}", columns).split("\n")
    return "\n".join(lines)


def settings_text(config: dict[str, object]) -> str:
    """The config as YAML, each setting with what it is and what is allowed: beside it, or above it on a narrow terminal."""
    from trainconf import schema
    from trainconf.resolve.settings import settings

    known = settings(schema.node_types(config))
    columns = columns_of(sys.stdout)
    lines: list[str] = []

    def add(value: object, key: str, depth: int) -> None:
        name = "  " * depth + key.rpartition(".")[2] + ":"
        if isinstance(value, dict) and value:
            lines.extend(_told(name, known[key].doc if key in known else "", columns))
            for child, item in value.items():
                add(item, f"{key}.{child}", depth + 1)
        else:
            lines.extend(_told(f"{name} {_flow(value)}", f"{known[key].allowed}; {known[key].doc}" if key in known else "", columns))

    for key, value in config.items():
        add(value, key, 0)
    return "\n".join(lines)


def _told(text: str, meaning: str, columns: int | None) -> list[str]:
    """A setting with its comment."""
    if not meaning:
        return [text]
    beside = f"{text:<{COMMENT_AT}}# {meaning}"
    if columns is None or (columns >= FEWEST and width(beside) <= columns):
        return [beside]
    if columns >= FEWEST and width(text) < COMMENT_AT:
        first, *more = wrapped(meaning, columns - COMMENT_AT - 2).split("\n")
        return [f"{text:<{COMMENT_AT}}# {first}", *(f"{'':<{COMMENT_AT}}# {line.strip()}" for line in more)]
    indent = " " * (len(text) - len(text.lstrip()))
    return [*(f"{indent}# {line.strip()}" for line in wrapped(meaning, columns - len(indent) - 2).split("\n")), text]


def _flow(value: object) -> str:
    """One value as YAML on one line; JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)
