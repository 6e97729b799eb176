"""`trainconf cancel`: ask runs to end; what is left of a run without an agent is ended here."""

from __future__ import annotations

import os

from trainconf.cli.screen.printer import one_line, printer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import RunPaths

HELP = "end runs, whatever they have started included"


def run(argv: list[str]) -> int:
    """Request the end of every run. 0 when each is ended or will be, also when it had ended before; 1 when one cannot be reached."""
    from trainconf.cli.arguments.parser import Arguments
    from trainconf.history.find import find_run, find_sweep
    from trainconf.paths import find_workspace

    parser = Arguments("cancel", "Ask runs to end: SIGTERM, and SIGKILL after their grace time. What they have started ends with them.")
    parser.add_argument("runs", metavar="RUN", nargs="+", help="id, unique beginning of one, `last`, a run directory, or the id of a sweep")
    parser.add_argument("--force", action="store_true", help="SIGKILL at once")
    asked = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    found = [find_sweep(workspace, name) or find_run(workspace, name) for name in asked.runs]
    reached = [_cancel(paths, force=asked.force) for paths in found]
    return 0 if all(reached) else 1


def _cancel(paths: RunPaths, *, force: bool) -> bool:
    """Whether the run has ended or was asked to."""
    from trainconf.errors import TrainconfError
    from trainconf.launchers import get, pools, scheduled
    from trainconf.launchers.protocol import RunHandle

    state = scheduled.state_of(paths)
    if state.is_final:
        printer.talk(one_line(f"{paths.run_id} had already ended: {state.status}"))
        return True
    try:
        if os.path.exists(paths.sweep):
            pools.cancel(paths, force=force)
        else:
            get(_target(paths)).cancel(RunHandle(paths), force=force)
    except TrainconfError as error:
        printer.talk(one_line(paths.run_id))
        printer.error(error)
        return False
    state = scheduled.state_of(paths)
    printer.talk(one_line(f"{paths.run_id} {state.status}" + (f": {state.reason}" if state.reason else "")))
    return True


def _target(paths: RunPaths) -> str:
    """The launcher the run was given to; before its plan is written, the one its spec names."""
    from trainconf.history.record import read_mapping, read_plan

    target = read_plan(paths).get("target")
    if not target:
        compute = read_mapping(paths.spec).get("compute")
        target = compute.get("target") if isinstance(compute, dict) else None
    return str(target or "local")
