"""`trainconf wait`: until runs have ended, and with their exit code."""

from __future__ import annotations

import os

from trainconf.cli.arguments.parser import RUNS_HELP, Arguments, positive_seconds
from trainconf.cli.screen.printer import duration, one_line, printer
from trainconf.control import runs
from trainconf.control.words.end import LAST_LINES, leftovers, why
from trainconf.control.words.failures import Failures
from trainconf.history.follow import has_ended
from trainconf.history.liveness import State
from trainconf.history.record import notes
from trainconf.paths import RunPaths, find_workspace

SHOWN_TRIALS = 20
CANCELED, NEVER_BEGAN = "Canceled", ("NotStarted", "Queued")  # the latter of a sweep that is paused


def run(argv: list[str]) -> int:
    """Wait for every run; the first exit code that is not 0. A lost run counts as 1, a time-out as 124."""
    parser = Arguments("wait", "Wait until runs have ended. The exit code is the run's; of several, the first that is not 0.")
    parser.add_argument("runs", metavar="RUN", nargs="+", help=RUNS_HELP)
    parser.add_argument("--timeout", metavar="S", type=positive_seconds, help="give up after so many seconds, with exit code 124")
    args = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    codes = []
    for ended in runs.wait(runs.find_all(workspace, args.runs), args.timeout, _tell):
        _tell(ended.paths, ended.state, "" if has_ended(ended.state) else f" still, after {duration(args.timeout)}")
        printer.lines(leftovers(ended.paths, ended.state.event))
        if runs.is_sweep(ended.paths):
            _tell_trials(ended)
        else:
            printer.lines(why(ended.paths, ended.state, has_shown=False))
        codes.append(ended.exit_code)
    return next((code for code in codes if code), 0)


def _tell_trials(ended: runs.Waited) -> None:
    """Name the trials that did not complete, and why each failed; of very many the first ones."""
    failures = Failures(LAST_LINES)
    is_canceled = ended.state.status == CANCELED  # and so are its trials, which goes without saying
    told = [(trial, state) for trial, state in ended.failed if not (is_canceled and state.status in (CANCELED, *NEVER_BEGAN))]
    for trial, state in told[:SHOWN_TRIALS]:
        _tell(trial, state)
        if state.status != CANCELED:
            printer.info("\n".join(f"  {line}" for line in failures.lines(trial, state.event)))
    if len(told) > SHOWN_TRIALS:
        printer.info(f"and {len(told) - SHOWN_TRIALS} more did not complete: `trainconf show {ended.paths.run_id}` lists all")


def _tell(paths: RunPaths, state: State, when: str = "") -> None:
    printer.info(one_line(f"{paths.run_id} {state.status}{when}" + (f": {state.reason}" if state.reason else "")))
    for note in notes(state.event):
        printer.info(one_line(f"note: {note}"))
