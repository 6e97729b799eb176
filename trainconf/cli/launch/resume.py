"""`trainconf resume RUN...`: the next attempt of runs that failed, were cancelled or lost their agent, in their own directories."""

from __future__ import annotations

from trainconf.cli.arguments.chosen import add_where, chosen
from trainconf.cli.arguments.compose import find_and_name_workspace
from trainconf.cli.arguments.parser import RUNS_HELP, Arguments
from trainconf.cli.launch.several import each
from trainconf.cli.launch.submit import show
from trainconf.cli.screen.printer import printer
from trainconf.control.runs import find, is_sweep
from trainconf.control.submit import resume
from trainconf.errors import UserError

ABOUT = "Run the next attempt of a run in its own directory: the same spec, TRAINCONF_ATTEMPT raised, its outputs in their place."
DETACH = ["submit.detach=true"]


def run(argv: list[str]) -> int:
    """Submit the attempt, and show it; the exit code. Several are submitted one after the other, and nobody waits for them."""
    parser = Arguments("resume", ABOUT)
    parser.add_argument("runs", metavar="RUN", nargs="*", help=RUNS_HELP)
    parser.add_argument("--detach", action="store_true", help="print the run id and return")
    add_where(parser)
    args, rest = parser.parse_known_args(argv)
    names, given = [word for word in args.runs if "=" not in word], [*(word for word in args.runs if "=" in word), *rest]
    if given:
        raise UserError(f"resume changes nothing of a run: {' '.join(given)}", ("from", "command line"),
                        hint=f"`trainconf rerun {' '.join([*names, *given])}` makes a new run with other values")
    workspace = find_and_name_workspace()
    if len(names) != 1 or args.where:
        return each(chosen(workspace, names, args.where), lambda paths: resume(paths, DETACH, workspace, printer),
                    "goes on", "does not go on")
    paths = find(workspace, names[0])
    if is_sweep(paths):
        hint = f"`trainconf sweep resume {names[0]}` goes on with the sweep, `trainconf resume {names[0]}:7` with its trial 7"
        raise UserError(f"{names[0]} is a sweep, and this takes one run", ("sweep", paths.run_dir), hint=hint)
    return show(resume(paths, DETACH * args.detach, workspace, printer))
