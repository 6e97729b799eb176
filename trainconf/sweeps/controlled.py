"""What every sweep with a controller offers to whoever follows it."""

from __future__ import annotations

from collections.abc import Sequence

from trainconf.search.progress import Progress
from trainconf.sweeps.controller import Controller
from trainconf.sweeps.presence import ControllerLock
from trainconf.sweeps.watching import TrialWatch


class Controlled:
    """A sweep with a controller, once `_controller` and `_lock` are there."""

    _controller: Controller | None = None
    _lock: ControllerLock | None = None

    @property
    def progress(self) -> Progress | None:
        """What its journal amounts to; None without a controller."""
        return None if self._controller is None else self._controller.progress

    @property
    def open_count(self) -> int:
        """Trials that have not ended."""
        return 0 if self._controller is None else len(self._controller.progress.running)

    @property
    def live(self) -> Sequence[TrialWatch]:
        """The trials so far."""
        return [] if self._controller is None else list(self._controller.watches.values())

    def poll(self) -> Sequence[TrialWatch]:
        """Let the controller step; the trials whose state has changed."""
        if self._lock is not None:
            self._lock.touch()
        return [] if self._controller is None or self._controller.is_finished else self._controller.step()

    def has_ended(self) -> bool:
        """Whether every trial is over and none will come. The end is recorded then, and the sweep let go of."""
        if self._controller is None or not self._controller.is_done:
            return False
        if not self._controller.is_finished:
            self._controller.finish()
            self._let_go()
        return True

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()
