"""`trainconf rerun RUN... [overrides]`: recorded runs again, each from its own snapshot, with other values."""

from __future__ import annotations

from trainconf.cli.arguments.chosen import add_where, chosen
from trainconf.cli.arguments.compose import find_and_name_workspace
from trainconf.cli.arguments.parser import RUNS_HELP, Arguments
from trainconf.cli.launch.submit import show
from trainconf.cli.screen.printer import one_line, printer
from trainconf.control.runs import find, is_sweep
from trainconf.control.submit import rerun
from trainconf.errors import TrainconfError, UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.paths import RunPaths, WorkspacePaths


def run(argv: list[str]) -> int:
    """Submit, and show the run; the exit code. Several are submitted one after the other, and nobody waits for them."""
    parser = Arguments("rerun")
    values = "and values to change. compute=TARGET moves it; other groups stay as they were"
    parser.add_argument("words", metavar="RUN|key=value", nargs="*", help=f"{RUNS_HELP}; {values}")
    as_sweep = "a sweep over a recorded run: params.lr=0.1,0.2. What was a sweep is one again without it"
    parser.add_argument("--multirun", "-m", action="store_true", help=as_sweep)
    add_where(parser)
    args = parser.parse_intermixed_args(argv)
    overrides = [word for word in args.words if "=" in word or word[:1] == "~"]
    names = [word for word in args.words if word not in overrides]
    workspace = find_and_name_workspace()
    if len(names) == 1 and not args.where:
        paths = find(workspace, names[0])
        if args.multirun or is_sweep(paths):
            return _as_sweep(paths, overrides, workspace)
        return show(rerun(paths, overrides, workspace, printer))
    if args.multirun:
        raise UserError("-m takes one run or sweep", ("from", "command line"))
    return _several(chosen(workspace, names, args.where, archived=False), overrides, workspace)


def _as_sweep(paths: RunPaths, overrides: Sequence[str], workspace: WorkspacePaths) -> int:
    """Sweep over a recorded run, or run a recorded sweep once more; the exit code."""
    from trainconf.cli.launch.sweep import carry_out
    from trainconf.control.sweeps.again import rerun as rerun_sweep

    return carry_out(rerun_sweep(paths, overrides, workspace, printer))


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
