"""`trainconf tensorboard`: TensorBoard on runs, live, or a log directory for it."""

from __future__ import annotations

import os
import signal

from trainconf.cli.arguments.chosen import add_where, chosen
from trainconf.cli.arguments.parser import Arguments, count
from trainconf.cli.screen.printer import one_line, printer
from trainconf.control import history, runs
from trainconf.control.tensorboard import log_directory, server
from trainconf.errors import Mistake, RunNotFoundError, UserError
from trainconf.paths import find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

    from trainconf.control.tensorboard.log_directory import Shown
    from trainconf.paths import RunPaths, WorkspacePaths

DEFAULT_LIMIT = 100
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHOSEN_HELP = "a run, a sweep, or the name of an experiment; without any, all of the workspace"


def run(argv: list[str]) -> int:
    """Show runs until Ctrl-C, or until TensorBoard ends; exit code 0."""
    parser = Arguments("tensorboard")
    parser.add_argument("chosen", metavar="RUN|SWEEP|EXPERIMENT", nargs="*", help=CHOSEN_HELP)
    add_where(parser)
    parser.add_argument("--limit", metavar="N", type=count, default=DEFAULT_LIMIT,
                        help="of an experiment or the workspace the newest N runs (default: %(default)s, 0: all)")
    parser.add_argument("--port", metavar="N", type=count, help="port of 127.0.0.1 (default: the first free one from 6006 on)")
    parser.add_argument("--open", action="store_true", help="open a browser; that is the default where there is a display")
    parser.add_argument("--export", metavar="DIR", help="write a log directory there, and start nothing")
    args = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    shown = log_directory.named(_chosen(workspace, args.chosen, args.where, args.limit or None))
    if not shown:
        raise UserError("there is no run to show", ("workspace", workspace.root), hint="`trainconf ls` lists the runs that there are")
    if args.export is not None:
        log_directory.export(shown, args.export)
        printer.info(f"{_counted(shown)} in {one_line(args.export)}; `tensorboard --logdir` shows it")
        return 0
    return _serve(shown, args.port, is_opened=args.open or server.has_display())


def _chosen(workspace: WorkspacePaths, words: list[str], where: str, limit: int | None) -> list[RunPaths]:
    """The runs that are meant. Raises UserError, and RunNotFoundError with all mistakes."""
    if where:
        return chosen(workspace, words, where)
    if not words:
        return _newest(workspace, None, limit)
    found: list[RunPaths] = []
    mistakes: list[Mistake] = []
    for word in words:
        try:
            found += runs.runs_of(runs.find(workspace, word))
        except RunNotFoundError as error:
            of_experiment = _newest(workspace, word, limit)
            found += of_experiment
            mistakes += [] if of_experiment else error.mistakes
    if mistakes:
        raise RunNotFoundError(mistakes)
    return found


def _newest(workspace: WorkspacePaths, experiment: str | None, limit: int | None) -> list[RunPaths]:
    rows = history.ls(workspace, None if limit is None else limit + 1, experiment=experiment)
    if limit is not None and len(rows) > limit:
        whose = f"the runs of {one_line(experiment)}" if experiment else "the runs of this workspace"
        printer.info(f"of {whose} only the newest {limit} are shown: `--limit 0` shows all")
    return [row.paths for row in rows[:limit]]


def _serve(shown: list[Shown], port: int | None, *, is_opened: bool) -> int:
    before = {number: signal.signal(number, _interrupt) for number in ENDING}
    try:
        with server.TensorBoard(shown, port) as board:
            try:
                printer.info(f"starting TensorBoard on {_counted(shown)}")
                _tell(board.start(), is_opened=is_opened)
                said = board.wait()
            finally:
                for number in ENDING:
                    signal.signal(number, signal.SIG_IGN)  # whoever is impatient must not keep it from cleaning up
    except KeyboardInterrupt:
        return 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    printer.info(f"TensorBoard has ended: {one_line(said)}")
    return 1


def _tell(address: str, *, is_opened: bool) -> None:
    tunnel = server.tunnel(int(address.rstrip("/").rpartition(":")[2]))
    if tunnel:
        printer.info(f"from your own machine: {one_line(tunnel)}")
    printer.info("Ctrl-C ends it")
    printer.data(address)  # last: whoever reads it may end us
    if is_opened:
        import webbrowser

        webbrowser.open(address)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _counted(shown: list[Shown]) -> str:
    return "1 run" if len(shown) == 1 else f"{len(shown)} runs"
