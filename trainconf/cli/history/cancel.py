"""`trainconf cancel`: ask runs and sweeps to end."""

from __future__ import annotations

import os

from trainconf.cli.arguments.parser import RUNS_HELP, Arguments
from trainconf.cli.screen.printer import one_line, printer
from trainconf.control import runs
from trainconf.errors import RunNotFoundError, TrainconfError
from trainconf.paths import RunPaths, find_workspace


def run(argv: list[str]) -> int:
    """Request the end of every run. 0 when each is ended or will be, also when it had ended before; 1 when one cannot be reached."""
    parser = Arguments("cancel", "Ask runs to end: SIGTERM, and SIGKILL after their grace time. What they have started ends with them.")
    parser.add_argument("runs", metavar="RUN", nargs="+", help=RUNS_HELP)
    parser.add_argument("--force", action="store_true", help="SIGKILL at once")
    args = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    removed: list[str] = []
    try:
        found = runs.find_all(workspace, args.runs)
    except RunNotFoundError:
        names = {text: runs.removed(workspace, text) for text in args.runs}
        found = runs.find_all(workspace, [text for text, run_id in names.items() if not run_id])
        removed = list(filter(None, names.values()))
    for run_id in removed:
        runs.cancel_removed(workspace, run_id, force=args.force)
        printer.info(one_line(f"{run_id} was asked to end; somebody removed its folder while it went on, so nothing of it is recorded"))
    reached = [ask_to_end(paths, force=args.force) for paths in found]
    return 0 if all(reached) else 1


def ask_to_end(paths: RunPaths, *, force: bool) -> bool:
    """Ask a run to end, and say what became of it; whether it has ended or was asked to."""
    state = runs.state(paths)
    if runs.is_over(paths, state):
        printer.info(one_line(f"{paths.run_id} had already ended: {state.status}"))
        return True
    try:
        runs.cancel(paths, force=force)
    except TrainconfError as error:
        printer.info(one_line(paths.run_id))
        printer.error(error)
        return False
    state = runs.state(paths)
    if state.is_final:
        state = runs.look_of_a_wait(paths, runs.state)(paths)
    printer.info(one_line(f"{paths.run_id} {state.status}" + (f": {state.reason}" if state.reason else "")))
    return True
