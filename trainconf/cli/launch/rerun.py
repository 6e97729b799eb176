"""`trainconf rerun RUN [overrides]`: a recorded run again, from its own snapshot, with other values."""

from __future__ import annotations

from trainconf.cli.arguments.compose import find_and_name_workspace
from trainconf.cli.arguments.parser import RUN_HELP, Arguments
from trainconf.cli.launch.submit import show
from trainconf.cli.screen.printer import printer
from trainconf.control.runs import find_run
from trainconf.control.submit import rerun


def run(argv: list[str]) -> int:
    """Submit, and show the run; the exit code."""
    parser = Arguments("rerun")
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="values to change; groups stay as they were")
    args = parser.parse_intermixed_args(argv)
    workspace = find_and_name_workspace()
    return show(rerun(find_run(workspace, args.run), args.overrides, workspace, printer))
