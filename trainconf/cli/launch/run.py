"""`trainconf run FILE`: exactly what a frozen file says, again."""

from __future__ import annotations

from trainconf.cli.arguments.compose import find_and_name_workspace
from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.launch.submit import show
from trainconf.cli.screen.printer import printer
from trainconf.control.submit import run_frozen


def run(argv: list[str]) -> int:
    """Submit, and show the run; the exit code."""
    parser = Arguments("run")
    parser.add_argument("file", metavar="FILE", help="what `trainconf freeze -o FILE` wrote")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that are not part of the frozen spec: compute.slots=4")
    parser.add_argument("--detach", action="store_true", help="print the run id and return")
    args = parser.parse_intermixed_args(argv)
    overrides = [*args.overrides, *["submit.detach=true"] * args.detach]
    return show(run_frozen(args.file, overrides, find_and_name_workspace(), printer))
