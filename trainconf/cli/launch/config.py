"""`trainconf config`: the composed config, with what each setting means, or with what set it."""

from __future__ import annotations

import os


def run(argv: list[str]) -> int:
    """Compose and print; nothing is submitted."""
    import json

    from trainconf.cli.arguments import compose as composing
    from trainconf.cli.arguments.parser import Arguments
    from trainconf.cli.screen.printer import printer
    from trainconf.paths import find_workspace

    parser = Arguments("config")
    composing.add_arguments(parser)
    parser.add_argument("--origin", action="store_true", help="print `key = value  <- where it was set`")
    parser.add_argument("--json", action="store_true", help="print one JSON object: config, origins, choices")
    args = parser.parse_intermixed_args(argv)
    composed = composing.composed(args, find_workspace(os.getcwd()))
    if args.json:
        body = {"config": composed.config, "origins": composed.origins, "choices": composed.choices}
        printer.data(json.dumps(body, indent=2))
    elif args.origin:
        printer.data(origins_text(composed.config, composed.origins))
    else:
        printer.data(settings_text(composed.config))
    return 0


def origins_text(config: dict[str, object], origins: dict[str, str]) -> str:
    """One line per value: `key = value  <- origin`, the arrows aligned."""
    import json

    from trainconf.resolve.origins import leaves

    rows = [(f"{key} = {json.dumps(value, ensure_ascii=False)}", origins.get(key, "default")) for key, value in leaves(config)]
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
    import json

    return json.dumps(value, ensure_ascii=False)
