"""`trainconf logs`: what the job wrote, byte by byte as it wrote it."""

from __future__ import annotations

import os

from trainconf.cli.printer import printer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

HELP = "print or follow (-f) a run's output"


def run(argv: list[str]) -> int:
    """Copy a log to standard output. With -f until the run ends: 0 then, 1 when its agent is lost."""
    from trainconf.history.find import find_run
    from trainconf.history.follow import Output, follow
    from trainconf.paths import find_workspace

    asked = _parse(argv)
    paths = find_run(find_workspace(os.getcwd()), asked.run)
    log_path = paths.agent_log if asked.agent else paths.log(asked.rank)
    if not asked.follow:
        output = Output(log_path)
        if not output.copy(printer.raw) and not os.path.exists(log_path):
            printer.talk(f"{paths.run_id} has written no {os.path.basename(log_path)}{_ranks(paths.logs, asked.rank)}")
        output.close()
        return 0
    try:
        from trainconf.launchers.scheduled import Looking

        state = follow(paths, log_path, printer.raw, reader_fd=1, look=Looking())
    except KeyboardInterrupt:
        return 130
    if not state.is_final:
        printer.talk(f"{paths.run_id} is {state.status}: {state.reason}")
        return 1
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    from trainconf.cli.arguments import Arguments, count

    parser = Arguments("logs", "Print what a run wrote to its standard output and error.")
    parser.add_argument("run", metavar="RUN", help="id, unique beginning of one, `last`, or a run directory")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends; also before it has started")
    parser.add_argument("--rank", metavar="N", type=count, default=0, help="the process whose output it is (default: %(default)s)")
    parser.add_argument("--agent", action="store_true", help="the agent's own log instead of the job's")
    return parser.parse_args(argv)


def _ranks(logs: str, rank: int) -> str:
    """A remark on which ranks do have a log, when the one that was asked for has none."""
    prefix = "std_log_rank_"
    there = sorted(name for name in os.listdir(logs) if name.startswith(prefix)) if os.path.isdir(logs) else []
    numbers = ["0", *(name.removeprefix(prefix).removesuffix(".txt") for name in there)]
    return f"; its ranks are {', '.join(numbers)}" if rank and there else ""
