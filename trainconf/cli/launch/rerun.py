"""`trainconf rerun RUN... [overrides]`: recorded runs again, each from its own snapshot, with other values."""

from __future__ import annotations

from trainconf.cli.arguments.chosen import add_where, chosen
from trainconf.cli.arguments.compose import find_and_name_workspace
from trainconf.cli.arguments.parser import RUNS_HELP, Arguments
from trainconf.cli.launch.several import each
from trainconf.cli.launch.submit import show
from trainconf.cli.screen.printer import printer
from trainconf.control.runs import find, is_sweep
from trainconf.control.submit import rerun
from trainconf.errors import UserError
from trainconf.resolve.hydra_app import joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.paths import RunPaths, WorkspacePaths


def run(argv: list[str]) -> int:
    """Submit, and show the run; the exit code. Several are submitted one after the other, and nobody waits for them."""
    parser = Arguments("rerun")
    values = "and values to change. compute=TARGET moves it; other groups stay as they were"
    parser.add_argument("given", metavar="RUN|key=value", nargs="*", help=f"{RUNS_HELP}; {values}")
    as_sweep = "a sweep over a recorded run: params.lr=0.1,0.2. What was a sweep is one again without it"
    parser.add_argument("--multirun", "-m", action="store_true", help=as_sweep)
    add_where(parser)
    args = parser.parse_with_words(argv)
    overrides = [word for word in args.given if "=" in word or word[:1] == "~"]
    names = [word for word in args.given if word not in overrides]
    overrides = joined(overrides, args.words)
    workspace = find_and_name_workspace()
    if len(names) == 1 and not args.where:
        paths = find(workspace, names[0])
        if args.multirun or is_sweep(paths):
            return _as_sweep(paths, overrides, workspace)
        return show(rerun(paths, overrides, workspace, printer))
    if args.multirun:
        raise UserError("-m takes one run or sweep", ("from", "command line"))
    return each(
        chosen(workspace, names, args.where), lambda paths: rerun(paths, ["submit.detach=true", *overrides], workspace, printer),
        "again", "is not run again",
    )  # fmt: skip


def _as_sweep(paths: RunPaths, overrides: Sequence[str], workspace: WorkspacePaths) -> int:
    """Sweep over a recorded run, or run a recorded sweep once more; the exit code."""
    from trainconf.cli.launch.sweep import carry_out
    from trainconf.control.sweeps.again import rerun as rerun_sweep

    return carry_out(rerun_sweep(paths, overrides, workspace, printer))
