"""`trainconf run FILE`: exactly what a frozen file says, again; or a script as it stands, as `trainconf train.py` does."""

from __future__ import annotations

import os
import shlex

from trainconf.cli.arguments.compose import find_and_name_workspace, script_at
from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.launch import submit
from trainconf.cli.screen.printer import printer
from trainconf.control.submit import run_frozen
from trainconf.errors import UserError


def run(argv: list[str]) -> int:
    """Submit, and show the run; the exit code."""
    at = script_at(argv)
    if at is not None:
        return submit.run([*("submit.detach=true" if word == "--detach" else word for word in argv[:at]), *argv[at:]])
    parser = Arguments("run")
    parser.add_argument("file", metavar="FILE", help="what `trainconf freeze -o FILE` wrote; or a script, train.py, with its own words")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that are not part of the frozen spec: compute.slots=4")
    parser.add_argument("--detach", action="store_true", help="print the run id and return")
    args = parser.parse_with_words(argv)
    if "=" in args.file and not os.path.exists(args.file):
        raise UserError(f"{args.file} is an override, and a run of an experiment has no verb", ("from", "command line"),
                        hint=f"`trainconf {shlex.join(argv)}`")
    if args.words:
        raise UserError("a frozen file has its app's words", ("from", f"command line: -- {' '.join(args.words)}"),
                        hint="freeze again with others: trainconf freeze -o FILE ... -- WORDS")
    overrides = [*args.overrides, *["submit.detach=true"] * args.detach]
    return submit.show(run_frozen(args.file, overrides, find_and_name_workspace(), printer))
