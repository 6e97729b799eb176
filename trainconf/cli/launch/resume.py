"""`trainconf resume RUN`: the next attempt of a run that failed, was cancelled or lost its agent, with its outputs where it left them."""

from __future__ import annotations

from trainconf.cli.arguments.compose import find_and_name_workspace
from trainconf.cli.arguments.parser import RUN_HELP, Arguments
from trainconf.cli.launch.submit import show
from trainconf.cli.screen.printer import printer
from trainconf.control.runs import find_run
from trainconf.control.submit import resume
from trainconf.errors import UserError

ABOUT = "Run the next attempt of a run in its own directory: the same spec, TRAINCONF_ATTEMPT raised, its outputs in their place."


def run(argv: list[str]) -> int:
    """Submit the attempt, and show it; the exit code."""
    parser = Arguments("resume", ABOUT)
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--detach", action="store_true", help="print the run id and return")
    args, rest = parser.parse_known_args(argv)
    if rest:
        raise UserError(f"resume changes nothing of a run: {' '.join(rest)}", ("from", "command line"),
                        hint=f"`trainconf rerun {args.run} {' '.join(rest)}` makes a new run with other values")
    workspace = find_and_name_workspace()
    return show(resume(find_run(workspace, args.run), ["submit.detach=true"] * args.detach, workspace, printer))
