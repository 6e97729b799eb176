"""`trainconf logs`: what the job wrote, one rank byte by byte, or all of them line by line."""

from __future__ import annotations

import argparse
import os
from contextlib import closing

from trainconf.cli.arguments.parser import RUN_HELP, Arguments, count
from trainconf.cli.screen.printer import printer
from trainconf.cli.screen.ranks import listed, point_at_failed_rank, tell_failed_rank
from trainconf.control import follow as following
from trainconf.control.runs import find_run
from trainconf.errors import UserError
from trainconf.history import events, ranks
from trainconf.history.follow import Output
from trainconf.history.interleave import Interleaved
from trainconf.paths import find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths


def run(argv: list[str]) -> int:
    """Copy a log to standard output. With -f until the run ends: 0 then, 1 when its agent is lost."""
    args = _parse(argv)
    paths = find_run(find_workspace(os.getcwd()), args.run)
    if args.rank:
        _check(paths, args.rank)
    output = _output(paths, args)
    if args.follow:
        return _follow(paths, output, args)
    _print(paths, output, args)
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = Arguments("logs", "Print what a run wrote to its standard output and error.")
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends; also before it has started")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--rank", metavar="N", type=count, help="the process whose output it is (default: 0)")
    which.add_argument(
        "--all",
        action="store_true",
        help="all ranks, each line with its rank before it: what there is already rank after rank, for the logs hold no times; "
        "what comes with -f in the order in which it comes",
    )
    which.add_argument("--agent", action="store_true", help="the agent's own log instead of the job's")
    return parser.parse_args(argv)


def _check(paths: RunPaths, rank: int) -> None:
    """Raises UserError for a rank that the run does not have, once its plan says which it has."""
    planned = ranks.planned(paths)
    there = sorted({*planned, *ranks.with_log(paths)})
    if planned and rank not in there:
        ranks_are = "ranks are" if len(there) > 1 else "only rank is"
        what = f"{paths.run_id} has no rank {rank}; its {ranks_are} {listed(there)}"
        raise UserError(what, ("from", f"command line: --rank {rank}"))


def _output(paths: RunPaths, args: argparse.Namespace) -> Output | Interleaved:
    return Interleaved(paths) if args.all else Output(_log(paths, args))


def _log(paths: RunPaths, args: argparse.Namespace) -> str:
    # a trial of an array has a link there, to the log of its task
    return os.path.realpath(paths.agent_log) if args.agent else paths.log(args.rank or 0)


def _print(paths: RunPaths, output: Output | Interleaved, args: argparse.Namespace) -> None:
    """Print what there is now, and name the rank that failed."""
    is_empty = True
    for chunk in output.finish():
        is_empty = False
        printer.raw(chunk)
    output.close()
    if is_empty and not os.path.exists(_log(paths, args)):
        printer.info(f"{paths.run_id} has written no {os.path.basename(paths.agent_log if args.agent else _log(paths, args))}")
    event = events.last(paths) or {}
    if event.get("rank") and _is_other(event, args):
        point_at_failed_rank(paths, event)


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
        tell_failed_rank(paths, state.event)
    return 0


def _is_other(event: dict[str, Any], args: argparse.Namespace) -> bool:
    """Whether the event names another rank than the one whose output is printed."""
    return not args.all and not args.agent and event["rank"] != (args.rank or 0)
