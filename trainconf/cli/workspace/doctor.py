"""`trainconf doctor`: what works on this machine, and what it means where something does not."""

from __future__ import annotations

import os

from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.printer import printer
from trainconf.control.workspace.doctor import examine
from trainconf.paths import find_workspace
from trainconf.process import processes

COLOURS = {"ok": "green", "missing": "yellow", "broken": "red"}


def run(argv: list[str]) -> int:
    """Print one line per thing; 1 when something that every run needs is broken."""
    parser = Arguments("doctor", "Tell what works on this machine. The exit code is 1 when something that every run needs is broken.")
    parser.add_argument("--json", action="store_true", help="print a JSON array: name, verdict, detail, meaning")
    args = parser.parse_args(argv)
    checks = examine(find_workspace(os.getcwd()), processes)
    if args.json:
        printer.json([{"name": c.name, "verdict": c.verdict, "detail": c.detail, "meaning": c.meaning} for c in checks])
    else:
        for check in checks:
            meaning = f": {check.meaning}" if check.meaning else ""
            printer.data(f"{printer.paint(f'{check.verdict:<7}', COLOURS[check.verdict])}  {check.name:<10}  {check.detail}{meaning}")
    return 1 if any(check.ok is False for check in checks) else 0
