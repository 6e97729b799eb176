"""A config as text: with the origin, or with the meaning, of every setting."""

from __future__ import annotations

import json

from trainconf.resolve.origins import leaves


def origins_text(config: dict[str, object], origins: dict[str, str]) -> str:
    """One line per value: `key = value  <- origin`, the arrows aligned."""
    rows = [(f"{key} = {_flow(value)}", origins.get(key, "default")) for key, value in leaves(config)]
    width = min(60, max((len(text) for text, _ in rows), default=0))
    return "\n".join(f"{text:<{width}}  <- {origin}" for text, origin in rows)


def settings_text(config: dict[str, object]) -> str:
    """The config as YAML, each setting followed by what it is and what is allowed."""
    from trainconf import schema
    from trainconf.resolve.settings import settings

    known = settings(schema.node_types(config))
    lines: list[str] = []

    def add(value: object, key: str, depth: int) -> None:
        name = "  " * depth + key.rpartition(".")[2] + ":"
        if isinstance(value, dict) and value:
            meaning = known[key].doc if key in known else ""
            lines.append(f"{name:<44}# {meaning}" if meaning else name)
            for child, item in value.items():
                add(item, f"{key}.{child}", depth + 1)
        else:
            text = f"{name} {_flow(value)}"
            lines.append(f"{text:<44}# {known[key].allowed}; {known[key].doc}" if key in known else text)

    for key, value in config.items():
        add(value, key, 0)
    return "\n".join(lines)


def _flow(value: object) -> str:
    """One value as YAML on one line; JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)
