"""`trainconf config`: the composed config, with what each setting means, or with what set it; or which choices there are."""

from __future__ import annotations

import json
import os

from trainconf.cli.arguments.compose import add_arguments, parse_arguments, request_of
from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.config import origins_text, settings_text
from trainconf.cli.screen.printer import printer
from trainconf.control.compose import compose
from trainconf.errors import UserError
from trainconf.paths import find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def run(argv: list[str]) -> int:
    """Compose and print; nothing is submitted."""
    parser = Arguments("config")
    add_arguments(parser)
    parser.add_argument("--origin", action="store_true", help="print `key = value  <- where it was set`")
    parser.add_argument("--json", action="store_true", help="print one JSON object: config, origins, choices")
    parser.add_argument("--groups", action="store_true", help="compose nothing: list every config group, its choices and their files")
    args = parse_arguments(parser, argv)
    if args.groups:
        _show_groups(args)
        return 0
    composed = compose(request_of(args), find_workspace(os.getcwd()), printer)
    if args.json:
        body = {"config": composed.config, "origins": composed.origins, "choices": composed.choices}
        printer.verbatim(json.dumps(body, indent=2))
    elif args.origin:
        printer.verbatim(origins_text(composed.config, composed.origins))
    else:
        printer.verbatim(settings_text(composed.config))
    return 0


def _show_groups(args: argparse.Namespace) -> None:
    """Print the choices of every group with their files: text, or {group: {choice: path}}. Raises UserError for words without effect."""
    from trainconf.resolve.search import choice_files, config_dirs, label

    if args.origin or args.overrides or args.words or args.script or args.config_name != "config":
        raise UserError("--groups composes nothing", hint="leave out the overrides, --origin and --config-name")
    workspace = find_workspace(os.getcwd())
    found = choice_files(config_dirs(workspace, args.config_dir))
    if args.json:
        printer.data(json.dumps(found, indent=2))
        return
    words = [(f"{group}={choice}", label(path, workspace)) for group, choices in found.items() for choice, path in choices.items()]
    wide = max(len(word) for word, _ in words)
    printer.data("\n".join(f"{word:<{wide}}  {path}" for word, path in words))
