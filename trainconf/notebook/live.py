"""Keeps what is shown up to date while runs go on, from one thread beside the kernel's own.

An update replaces the HTML that was displayed, in the page and in the notebook that is saved: it is there also without a kernel. Looking
takes at most a hundredth of a core: what is expensive to look at is looked at less often.
"""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trainconf.notebook.subject import Seen, Subject

    Publish = Callable[[Seen], object]

LOOK_S = 1.0
SHARE = 0.01  # of a core
QUICK_S = 0.05  # a look that takes no longer may delay the end of a cell
CONFIRM_S = 30.0  # after that the time is shown anew, although nothing has changed


class Watched:
    """One display of a subject. `cell` is the cell that shows it, where the notebook says which that is."""

    def __init__(self, subject: Subject, publish: Publish, seen: Seen, cell: str | None = None) -> None:
        self.cell = cell
        self._subject = subject
        self._publish = publish
        self._shown = seen.body
        self._shown_at = time.monotonic()
        self._stamp = subject.stamp()
        self._next_look = self._took_s = 0.0
        self._turn = threading.Lock()
        self.is_over = seen.view.is_over

    def look(self, *, at_once: bool = False) -> None:
        """Look again, and show what has changed: when it is time, or `at_once` where that is quick."""
        with self._turn:
            began = time.monotonic()
            if not self.is_over and (self._took_s <= QUICK_S if at_once else began >= self._next_look):
                self._look(began)

    def _look(self, began: float) -> None:
        used = time.thread_time()
        stamp = self._subject.stamp()
        if stamp is None or stamp != self._stamp or began >= self._shown_at + CONFIRM_S:
            seen = self._subject.now()
            if seen.body != self._shown or began >= self._shown_at + CONFIRM_S:
                self._publish(seen)
                self._shown, self._shown_at = seen.body, began
            self.is_over = seen.view.is_over
            self._stamp = stamp
        self._took_s = time.thread_time() - used
        self._next_look = began + max(LOOK_S, self._took_s / SHARE)


class Watcher:
    """All displays that are kept up to date. Its thread lives as long as there is one."""

    def __init__(self, pause: Callable[[float], object] = time.sleep) -> None:
        self._watched: list[Watched] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pause = pause

    @property
    def count(self) -> int:
        """How many displays there are."""
        return len(self._watched)

    def add(self, watched: Watched) -> None:
        """Keep a display up to date until its subject is over or it is removed."""
        with self._lock:
            self._watched.append(watched)
            if self._thread is None or not self._thread.is_alive():  # after a fork there is none
                self._thread = threading.Thread(target=self._run, name="trainconf displays", daemon=True)
                self._thread.start()

    def remove(self, watched: Watched) -> None:
        """Leave a display as it is."""
        with self._lock:
            self._watched = [one for one in self._watched if one is not watched]

    def leave_cell(self, cell: str) -> None:
        """Leave the displays of a cell that runs again: they are not in the page any more."""
        with self._lock:
            self._watched = [one for one in self._watched if one.cell != cell]

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._watched:
                    self._thread = None
                    return
                watched = list(self._watched)
            for one in watched:
                self._look(one, at_once=False)
            self._pause(LOOK_S)

    def look_at_once(self) -> None:
        """Look at every display now: a cell has ended, and what it has waited for shows."""
        for one in list(self._watched):
            self._look(one, at_once=True)

    def _look(self, one: Watched, *, at_once: bool) -> None:
        """A mistake of ours ends one display, and neither a cell nor the others; the kernel's standard error has it."""
        try:
            one.look(at_once=at_once)
        except Exception:
            import traceback

            one.is_over = True
            traceback.print_exc()
        if one.is_over:
            self.remove(one)


watcher = Watcher()
_hooked: list[Any] = []  # the shell that tells which cell begins


def hook(shell: Any) -> None:
    """Have a shell say which cell begins, so that displays of its last time are left, and when one ends."""
    if shell in _hooked:
        return
    _hooked[:] = [shell]

    def begins(info: Any) -> None:
        cell = getattr(info, "cell_id", None)
        if cell:
            watcher.leave_cell(cell)

    def ends(_: Any) -> None:
        watcher.look_at_once()

    shell.events.register("pre_run_cell", begins)
    shell.events.register("post_run_cell", ends)


def cell_of(shell: Any) -> str | None:
    """The id of the cell that runs now, where the notebook says it (JupyterLab 3 and later)."""
    try:
        found = shell.get_parent()["metadata"]["cellId"]
    except (AttributeError, LookupError, TypeError):
        return None
    return found if isinstance(found, str) else None
