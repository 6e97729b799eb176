"""`trainconf lsp`: the language server, which an editor starts."""

from __future__ import annotations

import importlib.util
import sys

from trainconf.cli.arguments.parser import Arguments
from trainconf.errors import UserError


def run(argv: list[str]) -> int:
    """Serve the editor at the other end of standard input and output until it ends. Raises UserError where a package is missing."""
    about = "Serve an editor by the Language Server Protocol on standard input and output; docs/editors.md has the settings of each editor."
    parser = Arguments("lsp", about)
    parser.add_argument("--stdio", action="store_true", help="what is done anyway; some editors add it")
    parser.parse_args(argv)
    if importlib.util.find_spec("pygls") is None:
        facts = [("Python", sys.executable)]
        raise UserError("pygls, which speaks the protocol, is not installed", *facts, hint="pip install 'trainconf[editor]'")
    from trainconf.editor.server import serve

    serve()
    return 0
