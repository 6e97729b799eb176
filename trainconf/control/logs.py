"""What is shown of logs: of which runs, from where on, and which lines."""

from __future__ import annotations

import os
import time

from trainconf.control import runs
from trainconf.errors import UserError
from trainconf.fast.records import Record
from trainconf.history.follow import Output, has_ended
from trainconf.history.interleave import Interleaved, ranks_of
from trainconf.history.tail import last_lines_at, since_at
from trainconf.launchers import states

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Sequence

    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths, WorkspacePaths

PAUSE_S = 0.1
FAILED = ("Failed", "NotResponding")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
FORMS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
SHOWN_FAILURES = 50  # of an experiment, the latest ones


class Wanted(Record):
    """Which lines of a log: at most its last `tail`, those since a time (seconds since the epoch), those that match a pattern.

    rank: whose log; None for all ranks. is_agent: the agent's log instead.
    """

    tail: int | None = None
    since: float | None = None
    pattern: re.Pattern[bytes] | None = None
    rank: int | None = 0
    is_agent: bool = False

    def path(self, paths: RunPaths) -> str:
        """The log of one process."""
        # a trial of an array has a link there, to the log of its task
        return os.path.realpath(paths.agent_log) if self.is_agent else paths.log(self.rank or 0)


def moment(text: str) -> float:
    """`10m`, `2h`, `1d` ago, or a time in UTC such as 2026-11-23T06:32, as seconds since the epoch. Raises ValueError."""
    from calendar import timegm

    number, unit = text[:-1], text[-1:]
    if unit in UNITS and number.replace(".", "", 1).isdecimal():
        return time.time() - float(number) * UNITS[unit]
    for form in FORMS:
        try:
            return timegm(time.strptime(text.removesuffix("Z").replace(" ", "T"), form))
        except ValueError:
            continue
    raise ValueError(text)


def pattern(text: str) -> re.Pattern[bytes]:
    """A regular expression for lines. Raises UserError."""
    import re

    try:
        return re.compile(os.fsencode(text))
    except (re.error, OverflowError, RecursionError) as error:
        raise UserError(f"{text!r} is no regular expression: {error}", ("from", "command line"), hint="a dot as such is `\\.`") from error


class Logs:
    """The logs of runs and sweeps. `notes` say, once they were read, where the files do not know what was asked."""

    def __init__(self, found: Sequence[RunPaths], wanted: Wanted) -> None:
        self.found = found
        self.wanted = wanted
        self.notes: list[str] = []
        self._trials: dict[str, tuple[int, list[RunPaths]]] = {}  # by sweep: the size of its journal, and what was read of it
        self._ranks: dict[str, Callable[[], list[tuple[str, str]]]] = {}

    @property
    def is_single(self) -> bool:
        """Whether it is one run's, whose lines need no name before them."""
        return len(self.found) == 1 and not runs.is_sweep(self.found[0])

    def output(self) -> Output | Interleaved:
        """What to read: of one process whose whole log is wanted its bytes, else lines."""
        wanted = self.wanted
        is_whole = wanted.tail is None and wanted.since is None and wanted.pattern is None
        if self.is_single and is_whole and wanted.rank is not None:
            return Output(wanted.path(self.found[0]))
        start = None if wanted.tail is None and wanted.since is None else self._start
        return Interleaved(self._sources, start, None if wanted.pattern is None else wanted.pattern.search)

    def runs(self) -> list[RunPaths]:
        """The runs, trials that have begun since included."""
        return [trial for paths in self.found for trial in (self._trials_of(paths) if runs.is_sweep(paths) else [paths])]

    def _sources(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for paths in self.runs():
            name = "" if self.is_single else self._name(paths)
            if self.wanted.rank is None:
                found += self._ranks.setdefault(paths.run_dir, ranks_of(paths, name))()
            else:
                found.append((name, self.wanted.path(paths)))
        return found

    def _name(self, paths: RunPaths) -> str:
        """What stands before a run's lines: of a single sweep the number of the trial."""
        number = paths.run_id.removeprefix(f"{self.found[0].run_id}_") if len(self.found) == 1 else paths.run_id
        return paths.run_id if number == paths.run_id else f"trial {number}"

    def _trials_of(self, sweep: RunPaths) -> list[RunPaths]:
        try:
            size = os.stat(sweep.journal).st_size
        except OSError:
            size = -1
        known = self._trials.get(sweep.run_dir)
        if known is None or known[0] != size or size < 0:
            known = self._trials[sweep.run_dir] = size, runs.runs_of(sweep)
        return known[1]

    def _start(self, path: str, fd: int, size: int) -> int:
        wanted, begin = self.wanted, 0
        if wanted.since is not None:
            found = since_at(fd, size, wanted.since) if os.fstat(fd).st_mtime >= wanted.since else size
            if found is None:
                self.notes.append(f"the lines of {path} hold no times: those from before are shown, too")
            begin = found or 0
        if wanted.tail is not None:
            begin = max(begin, last_lines_at(fd, size, wanted.tail, None if wanted.pattern is None else wanted.pattern.search))
        return begin


def follow(logs: Logs, output: Output | Interleaved) -> Iterator[bytes]:
    """What runs and sweeps write, until all of them have ended."""
    look = states.StatePoller()
    living = list(logs.found)
    while living:
        is_busy = False
        for chunk in output.read():
            is_busy = True
            yield chunk
        if not is_busy:
            living = [paths for paths in living if not has_ended(look(paths))]
            time.sleep(PAUSE_S)
    yield from output.finish()


def failed(workspace: WorkspacePaths, names: Sequence[str]) -> tuple[list[tuple[RunPaths, State]], int]:
    """Runs that failed: of runs, sweeps and experiments, of the whole workspace without a name; how many were looked at.

    Of an experiment, and of the workspace, the latest SHOWN_FAILURES, newest first. Raises RunNotFoundError.
    """
    from trainconf.history.index.index import Index

    experiments = [name for name in names if _is_experiment(workspace, name)]
    named = runs.find_all(workspace, [name for name in names if name not in experiments])
    found = [trial for paths in named for trial in runs.runs_of(paths)]
    with Index(workspace) as index:
        for experiment in experiments if names else (None,):
            for status in FAILED:
                found += [row.paths for row in index.latest(SHOWN_FAILURES, experiment=experiment, status=status)]
    ended = zip(found, states.states_of(found), strict=True)
    return [(paths, state) for paths, state in ended if state.status in FAILED], len(found)


def _is_experiment(workspace: WorkspacePaths, name: str) -> bool:
    return os.sep not in name and name not in ("", os.curdir, os.pardir) and os.path.isdir(os.path.join(workspace.runs, name))
