"""`trainconf logs`: what jobs wrote: one rank byte by byte, several ranks and runs line by line, or the last lines of what failed."""

from __future__ import annotations

import argparse
import os
from contextlib import closing

from trainconf.cli.arguments.parser import RUNS_HELP, Arguments, count
from trainconf.cli.screen.printer import one_line, printer
from trainconf.control import follow as following
from trainconf.control import logs as reading
from trainconf.control import runs
from trainconf.control.words.ranks import failed_rank, listed, pointing_at_failed_rank
from trainconf.errors import UserError
from trainconf.history import events, ranks
from trainconf.paths import find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.control.logs import Logs
    from trainconf.history.follow import Output
    from trainconf.history.interleave import Interleaved
    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths

LAST_LINES = 10


def run(argv: list[str]) -> int:
    """Copy logs to standard output. With -f until the runs end: 0 then, 1 when an agent is lost."""
    args = _parse(argv)
    if args.failed:
        return _failed(args)
    logs = reading.Logs(runs.find_all(find_workspace(os.getcwd()), args.runs), reading.Wanted(
        tail=args.tail, since=args.since, pattern=None if args.grep is None else reading.pattern(args.grep),
        rank=None if args.all else args.rank or 0, is_agent=args.agent,
    ))  # fmt: skip
    for paths in logs.runs() if args.rank else ():
        _check(paths, args.rank)
    output = logs.output()
    if args.follow:
        return _follow(logs.found[0], output, args) if logs.is_single else _follow_all(logs, output)
    _print(logs, output, args)
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = Arguments("logs", "Print what runs wrote to their standard output and error. Of several, each line has its run before it.")
    parser.add_argument("runs", metavar="RUN", nargs="*", help=f"{RUNS_HELP}; with --failed also an experiment, or nothing for all")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the runs end; also before they have started")
    last = "only the last N lines; with --failed of each run (default: 10)"
    parser.add_argument("-n", "--tail", metavar="N", type=count, help=last)
    parser.add_argument(
        "--since", metavar="TIME", type=_moment,
        help="only lines written since then: 10m, 2h, 1d ago, or a time in UTC such as 2026-11-23T06:32. It goes by the times that lines "
        "begin with, for the files hold no others; of a log whose lines have none everything is shown, and it says so",
    )  # fmt: skip
    parser.add_argument("--grep", metavar="REGEX", help="only lines in which this matches")
    parser.add_argument("--failed", action="store_true", help="the last lines of every run that failed, and where to read more")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--rank", metavar="N", type=count, help="the process whose output it is (default: 0)")
    which.add_argument(
        "--all",
        action="store_true",
        help="all ranks, each line with its rank before it: what there is already rank after rank, for the logs hold no times; "
        "what comes with -f in the order in which it comes",
    )
    which.add_argument("--agent", action="store_true", help="the agent's own log instead of the job's")
    args = parser.parse_args(argv)
    if not args.runs and not args.failed:
        parser.error("the following arguments are required: RUN")
    if args.failed and (args.follow or args.since or args.grep or args.all or args.agent or args.rank is not None):
        parser.error("--failed goes with --tail alone")
    return args


def _moment(text: str) -> float:
    try:
        return reading.moment(text)
    except ValueError:
        allowed = "a duration such as 90s, 10m, 2h, 1d, or a time such as 2026-11-23T06:32"
        raise argparse.ArgumentTypeError(f"{text!r} is not {allowed}") from None


def _failed(args: argparse.Namespace) -> int:
    """Print why runs failed."""
    from trainconf.control.words.failures import Failures

    failed, looked_at = reading.failed(find_workspace(os.getcwd()), args.runs)
    failures = Failures(LAST_LINES if args.tail is None else args.tail)
    for paths, state in failed:
        head = one_line(f"{paths.run_id} {state.status}" + (f": {state.reason}" if state.reason else ""))
        printer.data("\n  ".join([head, *failures.lines(paths, state.event)]))
    if not failed:
        printer.info(f"none of {looked_at} runs has failed" if args.runs else "no run has failed")
    return 0


def _check(paths: RunPaths, rank: int) -> None:
    """Raises UserError for a rank that the run does not have, once its plan says which it has."""
    planned = ranks.planned(paths)
    there = sorted({*planned, *ranks.with_log(paths)})
    if planned and rank not in there:
        ranks_are = "ranks are" if len(there) > 1 else "only rank is"
        what = f"{paths.run_id} has no rank {rank}; its {ranks_are} {listed(there)}"
        raise UserError(what, ("from", f"command line: --rank {rank}"))


def _print(logs: Logs, output: Output | Interleaved, args: argparse.Namespace) -> None:
    """Print what there is now, and name the rank that failed."""
    is_empty = True
    for chunk in output.finish():
        is_empty = False
        printer.raw(chunk)
    output.close()
    for note in logs.notes:
        printer.info(one_line(f"note: {note}"))
    if not logs.is_single:
        return
    paths = logs.found[0]
    if is_empty and not os.path.exists(log := logs.wanted.path(paths)):
        printer.info(f"{paths.run_id} has written no {os.path.basename(paths.agent_log if args.agent else log)}")
    event = events.last(paths) or {}
    if event.get("rank") and _is_other(event, args):
        printer.lines(pointing_at_failed_rank(paths, event))


def _follow_all(logs: Logs, output: Output | Interleaved) -> int:
    """Print until all have ended, and say which failed."""
    try:
        for chunk in reading.follow(logs, output):
            printer.raw(chunk)
    except KeyboardInterrupt:
        return 130
    for paths in logs.runs():
        state = runs.state(paths)
        if state.status != "Completed":
            printer.info(one_line(f"{paths.run_id} {state.status}" + (f": {state.reason}" if state.reason else "")))
    return 0 if all(runs.state(paths).is_final for paths in logs.found) else 1


def _follow(paths: RunPaths, output: Output | Interleaved, args: argparse.Namespace) -> int:
    """Print until the run has ended; then show the last output of the rank that failed."""
    try:
        with closing(following.follow(paths, output, reader_fd=1)) as found:
            for event in found:
                if isinstance(event, following.Written):
                    printer.raw(event.chunk)
                elif isinstance(event, following.Unreadable):
                    raise event.error
                elif isinstance(event, following.Ended):
                    return _ended(paths, event.state, args)
    except KeyboardInterrupt:
        return 130
    raise AssertionError("a run is followed to its end")


def _ended(paths: RunPaths, state: State, args: argparse.Namespace) -> int:
    if not state.is_final:
        printer.info(f"{paths.run_id} is {state.status}: {state.reason}")
        return 1
    if state.event.get("rank") and _is_other(state.event, args):
        printer.lines(failed_rank(paths, state.event))
    return 0


def _is_other(event: dict[str, Any], args: argparse.Namespace) -> bool:
    """Whether the event names another rank than the one whose output is printed."""
    return not args.all and not args.agent and event["rank"] != (args.rank or 0)
