"""Git's facts about the source, read in a thread while the run is prepared: git needs 5 ms."""

from __future__ import annotations

import _thread

from trainconf.process import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.git.state import GitFacts


class GitFactsLater:
    """Asks at once, in a thread; `get` waits for the answer. Asking never fails: what could not be found out is noted in it."""

    def __init__(self, source_directory: str) -> None:
        self._source_directory = source_directory
        self._found: GitFacts | None = None
        self._asking = _thread.allocate_lock()
        self._asking.acquire()
        _thread.start_new_thread(self._ask, ())

    def _ask(self) -> None:
        from trainconf.git.facts import facts

        try:
            self._found = facts(self._source_directory, processes)
        finally:
            self._asking.release()

    def get(self) -> GitFacts | None:
        """The facts; None when no repository holds the source."""
        with self._asking:
            return self._found
