"""`trainconf config`: the composed config, with what each setting means, or with what set it."""

from __future__ import annotations

import json
import os

from trainconf.cli.arguments.compose import add_arguments, request_of
from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.config import origins_text, settings_text
from trainconf.cli.screen.printer import printer
from trainconf.control.compose import compose
from trainconf.paths import find_workspace


def run(argv: list[str]) -> int:
    """Compose and print; nothing is submitted."""
    parser = Arguments("config")
    add_arguments(parser)
    parser.add_argument("--origin", action="store_true", help="print `key = value  <- where it was set`")
    parser.add_argument("--json", action="store_true", help="print one JSON object: config, origins, choices")
    args = parser.parse_intermixed_args(argv)
    composed = compose(request_of(args), find_workspace(os.getcwd()), printer)
    if args.json:
        body = {"config": composed.config, "origins": composed.origins, "choices": composed.choices}
        printer.data(json.dumps(body, indent=2))
    elif args.origin:
        printer.data(origins_text(composed.config, composed.origins))
    else:
        printer.data(settings_text(composed.config))
    return 0
