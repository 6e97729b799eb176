"""`Tensorboard`: the real TensorBoard on runs, live; `export_to_tensorboard`: what they logged, as a log directory."""

from __future__ import annotations

import os
import socket
import time
import weakref

from trainconf.control import runs as control
from trainconf.control.tensorboard import log_directory
from trainconf.control.tensorboard.log_directory import Shown
from trainconf.control.tensorboard.server import FIRST_PORT, HOST, TensorBoard
from trainconf.errors import UserError
from trainconf.history import labels, record
from trainconf.sdk.experiment import Experiment
from trainconf.sdk.run import SubmittedRun
from trainconf.sdk.runs import finding
from trainconf.sdk.settings.arguments import Arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from trainconf.paths import RunPaths

MAX_PORT = 65535
LOOK_SECONDS = 3.0  # between two looks for runs below those that are shown


class Tensorboard:
    """TensorBoard on runs, while they go on and afterwards. Of a sweep its trials are shown, and of any run those below it, as they begin.

    runs: a run, or a list of runs; it may be empty, where only `local_root` is shown. local_root: the log directory, which is kept; by
    default a temporary one. port: by default the first free one from 6006 on. use_display_name: runs are called by their display name.

    Needs `pip install 'trainconf[tensorboard]'`. Raises UserError.

        with Tensorboard(run) as board:
            print(board.url)
    """

    def __init__(
        self, runs: Any, local_root: str | os.PathLike[str] | None = None, port: int = FIRST_PORT, use_display_name: bool = False
    ) -> None:
        arguments = Arguments("Tensorboard")
        self._runs = _runs(arguments, runs)
        folder = arguments.path("local_root", local_root)
        number = arguments.whole("port", port)
        if number is not None and number > MAX_PORT:
            arguments.refuse("port", port, f"0 to {MAX_PORT}; 0 is any free one")
        self._uses_display_name = arguments.flag("use_display_name", use_display_name)
        arguments.check()
        self._folder = "" if folder is None else os.path.abspath(folder)
        self._port = int(port)
        self._board: TensorBoard | None = None
        self._known: list[Shown] = []
        self._look_at = 0.0

    @property
    def url(self) -> str:
        """Its address; empty while it is not started."""
        return "" if self._board is None else self._board.url

    def start(self, start_browser: bool = False) -> str:
        """Start it; its address, at which it answers. A second call changes nothing. start_browser: open a browser on it.

        It ends with this program at the latest. Raises UserError where TensorBoard is missing or a port is taken, StorageError.
        """
        arguments = Arguments("Tensorboard.start")
        arguments.flag("start_browser", start_browser)
        arguments.check()
        if self._board is None:
            port = None if self._port == FIRST_PORT else self._port or _free_port()
            board = TensorBoard(self._shown(), port, folder=self._folder, more=self._shown)
            board.start()
            self._board = board
            weakref.finalize(self, board.stop)
        if start_browser:
            import webbrowser

            webbrowser.open(self.url)
        return self.url

    def stop(self) -> None:
        """End it. `local_root` stays, a temporary log directory goes. May be called again, and before another `start`."""
        if self._board is not None:
            self._board.stop()
            self._board = None

    def _shown(self) -> list[Shown]:
        """Each run with the name that it is shown by, and those below it; looked for every few seconds."""
        if time.monotonic() >= self._look_at:
            self._known = list(_named(self._runs, uses_display_name=self._uses_display_name))
            self._look_at = time.monotonic() + LOOK_SECONDS
        return self._known

    def __enter__(self) -> Tensorboard:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"Tensorboard({', '.join(run.id for run in self._runs)}, {self.url or 'not started'})"


def export_to_tensorboard(run_data: Any, logsdir: str | os.PathLike[str], logger: Any = None, recursive: bool = True) -> None:
    """Write what runs have logged as a log directory: a folder for each run, every series with its steps. Needs no TensorFlow.

    run_data: a run, a list of runs, or an Experiment. logsdir: may hold other runs already. logger: hears how many runs there are.
    recursive: also runs below them, of a sweep its trials. Raises UserError, also where there is no run; StorageError.
    """
    arguments = Arguments("export_to_tensorboard")
    found = list(run_data.get_runs()) if isinstance(run_data, Experiment) else _runs(arguments, run_data)
    folder = arguments.path("logsdir", logsdir, optional=False)
    arguments.flag("recursive", recursive)
    if logger is not None and not callable(getattr(logger, "info", None)):
        arguments.refuse("logger", logger, "a logger of the module logging, or None")
    arguments.check()
    shown = list(_named(found, is_recursive=recursive))
    if not shown:
        raise UserError("there is no run to export", ("from", arguments.place), hint="name runs, or an Experiment that has some")
    if logger is not None:
        logger.info("exporting %d runs to %s", len(shown), folder)
    log_directory.export(shown, str(folder), is_added=True)


def _runs(arguments: Arguments, given: Any) -> list[SubmittedRun]:
    """Runs that a program gives: one, or a list."""
    found = list(given) if isinstance(given, (list, tuple)) else [given]
    for run in found:
        if not isinstance(run, SubmittedRun):
            name = "a run" if isinstance(given, (list, tuple)) else "runs"
            arguments.refuse(name, run, "a run that was submitted or fetched, or a list of them")
    return [run for run in found if isinstance(run, SubmittedRun)]


def _named(runs: Sequence[SubmittedRun], *, is_recursive: bool = True, uses_display_name: bool = False) -> Iterator[Shown]:
    """Each run once under its id, or `<display name>/<id>`, and those below it. A sweep itself has nothing to show."""
    seen: set[str] = set()
    pending = [run._paths for run in runs]
    while pending:
        paths = pending.pop(0)
        if paths.run_dir in seen:
            continue
        seen.add(paths.run_dir)
        if is_recursive:
            pending += finding.children_of(paths)
        if not control.is_sweep(paths):
            yield Shown(paths, _name(paths, uses_display_name=uses_display_name))


def _name(paths: RunPaths, *, uses_display_name: bool) -> str:
    if not uses_display_name:
        return paths.run_id
    told = labels.read(paths, display_name=record.read_mapping(paths.record).get("display_name")).display_name
    folder = log_directory.as_folder(told) if isinstance(told, str) else ""
    return f"{folder}/{paths.run_id}" if folder else paths.run_id


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind((HOST, 0))
        return int(asking.getsockname()[1])
