"""`RunDetails`, and the rich display of runs: live in a notebook, text in a terminal."""

from __future__ import annotations

import sys

from trainconf.notebook import live
from trainconf.notebook.subject import subject_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.notebook.subject import Seen


class RunDetails:
    """Shows a run, a sweep, or several runs side by side, and keeps that up to date while they go on.

        RunDetails(run).show()            state, params, metrics with their curves, the last lines of the log
        RunDetails(sweep).show()          the trials, the best one, and why a policy has stopped others
        RunDetails([one, other]).show()   what differs, and their curves over each other

    A run is a `trainconf.Run`, or its id as `trainconf show` takes it (`last`, `best`, `SWEEP:7`). Raises UserError for anything else.
    """

    def __init__(self, run_instance: Any) -> None:
        self._subject = subject_of(run_instance)
        self._watched: list[live.Watched] = []

    def show(self, render_lib: Any = None, widget_settings: Any = None) -> None:
        """Display it. In a notebook this returns at once, and the display changes until the runs have ended or `close` is called.

        In a terminal it is printed once. The two parameters are those of Azure ML's `RunDetails`, and have no effect.
        """
        shell = notebook_shell()
        if shell is None:
            print(self._subject.now().text, file=sys.stdout)
            return
        seen = self._subject.now()
        display_id = _publish_new(shell, seen)
        if not seen.view.is_over:
            live.hook(shell)
            watched = live.Watched(self._subject, lambda now: _publish(shell, now, display_id, update=True), seen, live.cell_of(shell))
            self._watched.append(watched)
            live.watcher.add(watched)

    def close(self) -> None:
        """Leave what is displayed as it is."""
        for watched in self._watched:
            live.watcher.remove(watched)
        self._watched = []

    def __repr__(self) -> str:
        return f"RunDetails({', '.join(paths.run_id for paths in self._subject.runs)})"

    def _ipython_display_(self) -> None:
        if notebook_shell() is None:
            raise NotImplementedError  # IPython takes the bundle then
        self.show()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return self._subject.now().bundle


def notebook_shell() -> Any:
    """The shell of a notebook's kernel; None in a terminal, a script, or where no IPython runs."""
    ipython = sys.modules.get("IPython")  # whoever runs in it has loaded it
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if getattr(shell, "kernel", None) is not None else None


def mimebundle(run: Any) -> dict[str, str] | None:
    """What a run answers when IPython asks how it looks. None outside of a job, where its text is shown."""
    return subject_of(run).now().bundle if run.run_dir else None


def is_displayed(run: Any) -> bool:
    """Display a run in a notebook, live; False where there is no notebook, or the run is not recorded."""
    if notebook_shell() is None or not run.run_dir:
        return False
    RunDetails(run).show()
    return True


def _publish_new(shell: Any, seen: Seen) -> str:
    import os

    display_id = os.urandom(16).hex()
    _publish(shell, seen, display_id, update=False)
    return display_id


def _publish(shell: Any, seen: Seen, display_id: str, *, update: bool) -> None:
    shell.display_pub.publish(data=seen.bundle, metadata={}, transient={"display_id": display_id}, update=update)
