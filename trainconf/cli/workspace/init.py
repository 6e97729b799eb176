"""`trainconf init [DIR]`: make a folder a workspace with examples to run."""

from __future__ import annotations

import os
import shlex

from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.printer import printer
from trainconf.control.workspace.init import make_workspace


def run(argv: list[str]) -> int:
    """Make the workspace, tell what was made and what was kept, and what to type next. Raises StorageError."""
    parser = Arguments("init")
    parser.add_argument("dir", nargs="?", default=".", metavar="DIR", help="made when missing (default: the current folder)")
    folder = parser.parse_args(argv).dir
    additions = make_workspace(os.path.abspath(folder))
    for label, names in (("made", additions.made), ("kept", additions.kept)):
        for name in names:
            printer.info(f"{label}  {name}")
    printer.info("")
    if os.path.abspath(folder) != os.getcwd():
        printer.info(f"  cd {shlex.quote(folder)}")
    printer.info("  python -m trainconf        train a model on handwritten digits")
    printer.info("  trainconf ls               find its run again")
    return 0
