"""What a server is about: its workspace, its token, what it may do, and what it keeps between two requests."""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswerError

from trainconf.control import history
from trainconf.control.curves.places import Places
from trainconf.control.curves.store import PointStore
from trainconf.control.view.table import Table
from trainconf.page.sparks import Sparks
from trainconf.page.wire import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from trainconf.history.index.rows import Row
    from trainconf.paths import WorkspacePaths

    Answer = TypeVar("Answer")

TOKEN_BYTES = 32
ANSWER_S = 10.0
AGAIN_S = 1  # after an answer did not come in time
FIRST_ROWS, FIRST_LOOK_S = 60, 0.2
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")  # by which a browser reaches this machine, or a port that ssh has forwarded to it


class Site:
    """One running page.

    token: what every request must bear. hosts: names by which the page may be asked for. frames: origins that may show it in a frame.
    secret: the key of links to files; both are new at each start.
    """

    def __init__(
        self, workspace: WorkspacePaths, *, read_only: bool = False, hosts: Sequence[str] = (), frames: Sequence[str] = ()
    ) -> None:
        self.workspace = workspace
        self.read_only = read_only
        self.hosts = (*LOOPBACK, *(name.lower() for name in hosts))
        self.frames = tuple(frames)
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self.secret = secrets.token_bytes(TOKEN_BYTES)
        self.port = 0  # 0: it is reached through a socket that is a file
        self.places = Places()
        self.points = PointStore(workspace, self.places.remember)
        self.sparks = Sparks(self.points)
        self._table: Table | None = None  # of that thread alone
        self._thread = ThreadPoolExecutor(1, "index")
        self._is_ready = threading.Event()
        self._progress = (0, 0)
        self._first: list[Row] | None = None

    def begin(self) -> None:
        """Bring the index up to date, in the background."""
        self._thread.submit(self._open)

    def close(self) -> None:
        """Let go of the index; what it is at is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def ask(self, question: Callable[[Table], Answer]) -> Answer:
        """What the table of runs answers. Raises Refusal when that takes too long, and what the question raises."""
        waited = self._thread.submit(lambda: question(self._open()))
        try:
            return waited.result(ANSWER_S)
        except NoAnswerError:
            waited.cancel()
            raise late("the table of runs") from None

    def reading(self) -> tuple[list[Row], int, int] | None:
        """While the index is being made: the newest runs by their ids, how many runs are in it, and how many there will be; then None."""
        if self._is_ready.wait(FIRST_LOOK_S):
            return None
        if self._first is None:
            self._first = history.first_answer(self.workspace, FIRST_ROWS)
        return self._first, *self._progress

    def _open(self) -> Table:
        if self._table is None:
            self._table = Table(self.workspace, self._told)
            try:
                self._table.screen(limit=FIRST_ROWS)  # which somebody is about to ask for
            finally:
                self._is_ready.set()
        return self._table

    def _told(self, done: int, total: int) -> None:
        self._progress = done, total


def late(what: str) -> Refusal:
    """Says that an answer takes longer than a request may; whoever asks again has it when it is there."""
    return Refusal(503, f"{what} is still being read", hint="ask again in a moment", again_s=AGAIN_S)
