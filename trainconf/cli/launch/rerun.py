"""`trainconf rerun RUN... [overrides]`: recorded runs again, each from its own snapshot, with other values."""

from __future__ import annotations

from trainconf.cli.arguments.chosen import add_where, chosen
from trainconf.cli.arguments.compose import find_and_name_workspace
from trainconf.cli.arguments.parser import RUNS_HELP, Arguments
from trainconf.cli.launch.submit import show
from trainconf.cli.screen.printer import one_line, printer
from trainconf.control.runs import find_run, is_sweep
from trainconf.control.submit import rerun
from trainconf.errors import TrainconfError, UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.paths import RunPaths, WorkspacePaths


def run(argv: list[str]) -> int:
    """Submit, and show the run; the exit code. Several are submitted one after the other, and nobody waits for them."""
    parser = Arguments("rerun")
    parser.add_argument("words", metavar="RUN|key=value", nargs="*", help=f"{RUNS_HELP}; and values to change: groups stay as they were")
    add_where(parser)
    args = parser.parse_intermixed_args(argv)
    overrides = [word for word in args.words if "=" in word or word[:1] == "~"]
    names = [word for word in args.words if word not in overrides]
    workspace = find_and_name_workspace()
    if len(names) == 1 and not args.where:
        return show(rerun(find_run(workspace, names[0]), overrides, workspace, printer))
    return _several(chosen(workspace, names, args.where, archived=False), overrides, workspace)


def _several(runs: Sequence[RunPaths], overrides: Sequence[str], workspace: WorkspacePaths) -> int:
    """Submit each and print its id; one that cannot be run again is told and passed over. The first mistake's exit code."""
    if sweeps := [paths.run_id for paths in runs if is_sweep(paths)]:
        raise UserError(f"a sweep is not run again among others: {', '.join(sweeps)}", ("from", "command line"),
                        hint="`trainconf sweep retry SWEEP` runs its failed trials again")
    code = 0
    for paths in runs:
        try:
            submitted = rerun(paths, [*overrides, "submit.detach=true"], workspace, printer)
        except TrainconfError as error:
            printer.info(one_line(f"{paths.run_id} is not run again:"))
            printer.error(error)
            code = code or error.exit_code
        else:
            printer.info(one_line(f"{paths.run_id} again"))
            show(submitted)
    return code
