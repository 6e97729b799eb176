"""What is looked at: a run, a sweep or several runs, by whatever a caller has of them; and how it looks now."""

from __future__ import annotations

import os
import time

from trainconf.control import runs as finding
from trainconf.errors import Mistake, RunNotFoundError, UserError
from trainconf.fast.records import Record
from trainconf.files import fingerprint
from trainconf.history.event_files import scan
from trainconf.history.metrics import files_of
from trainconf.launchers.states import StatePoller
from trainconf.notebook import html, text
from trainconf.notebook.view import View
from trainconf.paths import RunPaths, find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

SEEN_AT = f"seen-{os.urandom(8).hex()}"  # no name can hold it


class Seen(Record):
    """What a subject looked like at a time. `body` is HTML with SEEN_AT where the time stands; it changes only when something has."""

    view: View
    body: str
    time: str

    @property
    def html(self) -> str:
        """As HTML."""
        return self.body.replace(SEEN_AT, self.time)

    @property
    def text(self) -> str:
        """The same as text."""
        return text.render(self.view)

    @property
    def bundle(self) -> dict[str, str]:
        """By MIME type, the best one last."""
        return {"text/plain": self.text, "text/html": self.html}


class Subject:
    """Runs to look at: one, which may be a sweep, or several to compare."""

    def __init__(self, runs: Sequence[RunPaths]) -> None:
        self.runs = runs
        self._look = StatePoller()

    def now(self) -> Seen:
        """What is there now; also where the run was removed meanwhile."""
        view = self._view()
        return Seen(view, html.render(view, SEEN_AT), time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))

    def stamp(self) -> Any:
        """Something that changes when a run does, at a small part of the cost of looking. None where there is nothing so cheap."""
        if any(finding.is_sweep(paths) for paths in self.runs):
            return None
        return [(state.status, state.reason, *_sizes(paths)) for paths in self.runs for state in [self._look(paths)]]

    def _view(self) -> View:
        from trainconf.notebook import comparisons, runs, sweeps

        gone = [paths.run_id for paths in self.runs if not os.path.isdir(paths.run_dir)]
        if gone:
            return View("run", ", ".join(gone), "Removed", "its folder is not there any more")
        if len(self.runs) > 1:
            return comparisons.view_of([run for paths in self.runs for run in finding.runs_of(paths)])
        (paths,) = self.runs
        return sweeps.view_of(paths) if finding.is_sweep(paths) else runs.view_of(paths, self._look(paths))


def subject_of(given: Any) -> Subject:
    """The subject that a run, a sweep, a name as `trainconf show` takes it, or several of these stand for.

    Raises UserError for anything else, and RunNotFoundError with all names that nothing answers to.
    """
    several = given if isinstance(given, (list, tuple)) else [given]
    if not several:
        raise UserError("there is no run to show", ("given", repr(given)), ("allowed", ALLOWED))
    found: dict[str, RunPaths] = {}
    mistakes: list[Mistake] = []
    for one in several:
        try:
            paths = paths_of(one)
            found.setdefault(paths.run_dir, paths)
        except RunNotFoundError as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise RunNotFoundError(mistakes)
    return Subject(list(found.values()))


ALLOWED = "a trainconf.Run, a run id, a sweep id, `last`, `best`, or a list of these"


def paths_of(run: Any) -> RunPaths:
    """Where a run is. Raises UserError for what is none, RunNotFoundError."""
    if isinstance(run, RunPaths):
        return run
    if isinstance(run, str):
        return finding.find(find_workspace(os.getcwd()), run)
    folder = getattr(run, "run_dir", None)
    if isinstance(folder, str) and folder:
        return RunPaths(os.path.abspath(folder))
    if folder == "":
        hint = "`Run.get(workspace, run_id)` is one of the history"
        raise UserError("this run is not recorded: it is outside of a job", ("given", repr(run)), hint=hint)
    raise UserError("RunDetails takes a run", ("given", repr(run)), ("allowed", ALLOWED))


def _sizes(paths: RunPaths) -> list[Any]:
    """How large the files are that a view is made of, and when they changed."""
    names = [paths.events, paths.labels, paths.log(0), *files_of(paths), *(file.path for file in scan.files_of(paths))]
    return [fingerprint(path) for path in names if os.path.exists(path)]
