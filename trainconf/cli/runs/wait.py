"""`trainconf wait`: until runs have ended, and with their exit code."""

from __future__ import annotations

import os

from trainconf.cli.screen.printer import one_line, printer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.history.follow import Look
    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths

HELP = "wait for runs to end; ends with their exit code"
TIMED_OUT = 124


def run(argv: list[str]) -> int:
    """Wait for every run; the first exit code that is not 0. A lost run counts as 1, a time-out as 124."""
    import time

    from trainconf.cli.arguments.parser import Arguments, positive_seconds
    from trainconf.history.find import find_run, find_sweep
    from trainconf.history.follow import wait
    from trainconf.launchers.scheduled import Looking
    from trainconf.paths import find_workspace

    parser = Arguments("wait", "Wait until runs have ended. The exit code is the run's; of several, the first that is not 0.")
    parser.add_argument("runs", metavar="RUN", nargs="+", help="id, unique beginning of one, `last`, a run directory, or the id of a sweep")
    parser.add_argument("--timeout", metavar="S", type=positive_seconds, help="give up after so many seconds, with exit code 124")
    asked = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    until = None if asked.timeout is None else time.monotonic() + asked.timeout
    codes = []
    look = Looking()
    for paths in [find_sweep(workspace, name) or find_run(workspace, name) for name in asked.runs]:
        state = wait(paths, until, _look_at(paths, look))
        _tell(paths, state)
        if state.event.get("rank"):
            from trainconf.cli.screen.ranks import tell_failed_rank

            tell_failed_rank(paths, state.event)
        if state.event.get("left_in_code"):
            from trainconf.cli.screen.beside_outputs import told

            printer.talk(f"note: {told(state.event)}")
        codes.append(_code(paths, state))
    return next((code for code in codes if code), 0)


def _look_at(paths: RunPaths, look: Look) -> Look:
    """How it is looked at meanwhile: of a scheduler's sweep, what could not be sent yet is."""
    from trainconf.history import liveness

    if not os.path.exists(paths.sweep) or not liveness.scheduler_of(paths):
        return look
    from trainconf.launchers.pools import looking

    return looking(paths, look)


def _tell(paths: RunPaths, state: State) -> None:
    from trainconf.history.record import notes

    printer.talk(one_line(f"{paths.run_id} {state.status}" + (f": {state.reason}" if state.reason else "")))
    for note in notes(state.event):
        printer.talk(one_line(f"note: {note}"))


def _code(paths: RunPaths, state: State) -> int:
    """What waiting for it ends with. Of a sweep: 1 when a trial did not complete, and it is named."""
    from trainconf.history import follow
    from trainconf.history.find import trials_of
    from trainconf.launchers.scheduled import states_of

    if not follow.has_ended(state):
        return TIMED_OUT
    if state.status != "Completed" or not os.path.exists(paths.sweep):
        return follow.exit_code(state)
    code = 0
    trials = trials_of(paths)
    for trial, ended in zip(trials, states_of(trials), strict=True):
        if ended.status != "Completed":
            _tell(trial, ended)
            code = 1
    return code
