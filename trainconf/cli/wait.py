"""`trainconf wait`: until runs have ended, and with their exit code."""

from __future__ import annotations

import os

from trainconf.cli.printer import printer

HELP = "wait for runs to end; ends with their exit code"
TIMED_OUT = 124


def run(argv: list[str]) -> int:
    """Wait for every run; the first exit code that is not 0. A lost run counts as 1, a time-out as 124."""
    import time

    from trainconf.cli.arguments import Arguments, positive_seconds
    from trainconf.history.find import find_run
    from trainconf.history.follow import exit_code, has_ended, wait
    from trainconf.paths import find_workspace

    parser = Arguments("wait", "Wait until runs have ended. The exit code is the run's; of several, the first that is not 0.")
    parser.add_argument("runs", metavar="RUN", nargs="+", help="id, unique beginning of one, `last`, or a run directory")
    parser.add_argument("--timeout", metavar="S", type=positive_seconds, help="give up after so many seconds, with exit code 124")
    asked = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    until = None if asked.timeout is None else time.monotonic() + asked.timeout
    codes = []
    for paths in [find_run(workspace, name) for name in asked.runs]:
        state = wait(paths, until)
        printer.talk(f"{paths.run_id} {state.status}" + (f": {state.reason}" if state.reason else ""))
        codes.append(exit_code(state) if has_ended(state) else TIMED_OUT)
    return next((code for code in codes if code), 0)
