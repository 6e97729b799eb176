"""`trainconf resume RUN`: the next attempt of a run that failed, was cancelled or lost its agent, with its outputs where it left them."""

from __future__ import annotations

from trainconf.cli.arguments.compose import find_and_name_workspace
from trainconf.cli.arguments.parser import RUN_HELP, Arguments
from trainconf.cli.launch.submit import show
from trainconf.cli.screen.printer import printer
from trainconf.control.runs import find, is_sweep
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
    run = find(workspace, args.run)
    if is_sweep(run):
        hint = f"`trainconf sweep resume {args.run}` goes on with the sweep, `trainconf resume {args.run}:7` with its trial 7"
        raise UserError(f"{args.run} is a sweep, and this takes one run", ("sweep", run.run_dir), hint=hint)
    return show(resume(run, ["submit.detach=true"] * args.detach, workspace, printer))
