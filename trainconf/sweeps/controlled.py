"""What every sweep with a controller offers to whoever follows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from trainconf.errors import Mistake, StorageError
from trainconf.files import FileLock
from trainconf.paths import RunPaths
from trainconf.search.progress import Progress
from trainconf.sweeps.controller import Controller
from trainconf.sweeps.journal import Journal
from trainconf.sweeps.places import DETACHED, HERE, Making
from trainconf.sweeps.presence import ControllerLock, record_end
from trainconf.sweeps.watching import TrialWatch


class Controlled:
    """A sweep with a controller, once `_controller` and `_lock` are there."""

    paths: RunPaths
    _controller: Controller | None = None
    _lock: ControllerLock | None = None
    _unseen: Sequence[TrialWatch] = ()  # trials whose state has changed, which nobody was told of
    held: FileLock | None = None  # its controller's lock, for the process that is to control it

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
        """Let the controller step; the trials whose state has changed. Raises StorageError: nobody controls the sweep any more then."""
        if self._lock is not None:
            self._lock.touch()
        if self._controller is None or self._controller.is_finished:
            return []
        try:
            changed, self._unseen = [*self._unseen, *self._controller.step()], ()
            return changed
        except StorageError as error:
            self._let_go()
            sweep_id = self._controller.home.run_id
            stopped = Mistake(f"nothing controls {sweep_id} any more; its trials that run go on", hint=f"trainconf sweep resume {sweep_id}")
            raise StorageError([*error.mistakes, stopped]) from error

    def has_ended(self) -> bool:
        """Whether every trial is over and none will come. The end is recorded then, and the sweep let go of."""
        if self._controller is None or not self._controller.is_done:
            return False
        if not self._controller.is_finished:
            self._mark(is_ending=True)
            self._unseen = self.poll()
            if not self._controller.is_done:  # somebody has asked it to go on
                self._mark(is_ending=False)
                return False
            is_over = not self._controller.is_paused
            state, reason = self._controller.finish()
            if is_over:
                record_end(self.paths, state, reason)
            self._let_go()
        return True

    @property
    def is_paused(self) -> bool:
        """Whether its controller was done only for now, whatever somebody has asked for since."""
        return self._controller is not None and self._controller.is_done and self._controller.is_paused

    def forget(self) -> None:
        """Free the memory of its trials: its folder tells the rest."""
        self._controller = None

    def _is_controlled_here(self, making: Making, place: str) -> bool:
        """The sweep is whole: whether this process controls it. Else the lock is for whoever does, by `place`. Raises StorageError."""
        if place == HERE:
            self._lock = making.become_controller()
        elif place == DETACHED:
            self.held = making.pass_on()
        else:
            making.let_go()
        return self._lock is not None

    def _begin_control(self, begin: Callable[[Journal], Controller]) -> None:
        """Begin to control it. Raises what that raises; nobody controls it then."""
        try:
            self._controller = begin(Journal(self.paths))
        except BaseException:
            self._let_go()
            raise

    def _mark(self, *, is_ending: bool) -> None:
        """Whoever asks for something while it is ending waits for the end; see `presence.tell`. On a full disk nobody can ask."""
        if self._lock is not None:
            with suppress(OSError):
                self._lock.mark(is_ending=is_ending)

    def _let_go(self) -> None:
        if self._controller is not None:
            self._controller.progress.source.close()
        if self._lock is not None:
            self._lock.release()
