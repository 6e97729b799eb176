"""What is looked at next: the file that was changed last, at once; then, in a quiet moment, the other open ones and what takes longer.

A look that is under way when its file changes is given up at its next step, and what it finds is not shown.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

from lsprotocol import types

from trainconf.editor.documents import Documents, Opened
from trainconf.editor.known import Known

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

QUIET_S = 0.4  # without a keystroke, before other files are looked at


class Work:
    """One task on the server's loop. publish: shows what was found. Composing has a thread of its own; another has what takes longer."""

    def __init__(self, documents: Documents, publish: Callable[[types.PublishDiagnosticsParams], None]) -> None:
        self._documents = documents
        self._publish = publish
        self._changed: dict[str, None] = {}  # in order, the last one is looked at first
        self._others: dict[str, None] = {}
        self._frozen: dict[str, None] = {}
        self._with_commands: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._composer = ThreadPoolExecutor(1, "compose")
        self._slow = ThreadPoolExecutor(1, "look")
        self._tasks: set[asyncio.Task[None]] = set()
        self._shown: dict[str, list[types.Diagnostic]] = {}

    def changed(self, uri: str, *, is_saved: bool = False) -> None:
        """A file has another text; with `is_saved` on disk, too."""
        self._changed.pop(uri, None)
        self._changed[uri] = self._with_commands[uri] = None
        self._others.update(dict.fromkeys(each for each in self._documents.open if each != uri))
        if is_saved:
            self._frozen[uri] = None
        self._wake.set()

    def changed_outside(self) -> None:
        """Files on disk have changed."""
        self._others.update(dict.fromkeys(self._documents.open))
        self._frozen.update(dict.fromkeys(self._documents.open))
        self._with_commands.update(dict.fromkeys(self._documents.open))
        self._wake.set()

    async def known(self, opened: Opened) -> Known:
        """What is known of a file's workspace; found in the composer's thread, for it uses OmegaConf, too."""
        return await asyncio.get_running_loop().run_in_executor(self._composer, self._documents.know, opened.workspace)

    def start(self) -> None:
        """Begin, on the loop that runs."""
        self._spawn(self._run())

    def stop(self) -> None:
        """Leave what waits."""
        for task in self._tasks:
            task.cancel()
        self._composer.shutdown(wait=False, cancel_futures=True)
        self._slow.shutdown(wait=False, cancel_futures=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        while True:
            while self._changed:
                await self._look(self._changed.popitem()[0])
            if not (self._others or self._frozen or self._with_commands):
                self._wake.clear()
                await self._wake.wait()
                continue
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), QUIET_S)
                continue
            except (asyncio.TimeoutError, TimeoutError):
                pass
            if self._frozen:
                self._spawn(self._look_at_frozen(self._frozen.popitem()[0]))
            while self._others and not self._changed:
                await self._look(self._others.popitem()[0])
            while self._with_commands and not self._changed:
                await self._look_at_commands(self._with_commands.popitem()[0])

    async def _look(self, uri: str) -> None:
        opened = self._documents.open.get(uri)
        if opened is None:
            return
        version = opened.version
        await self._show(opened, self._composer, lambda: self._documents.look(opened, version))

    async def _look_at_commands(self, uri: str) -> None:
        opened = self._documents.open.get(uri)
        if opened is None or opened.is_frozen:
            return
        version = opened.version

        def is_stale() -> bool:
            return opened.version != version or bool(self._changed)

        await self._show(opened, self._composer, lambda: self._documents.look_at_commands(opened, is_stale), is_own=False)
        if is_stale():
            self._with_commands[uri] = None

    async def _look_at_frozen(self, uri: str) -> None:
        opened = self._documents.open.get(uri)
        if opened is None or not opened.is_frozen:
            return
        await self._show(opened, self._slow, lambda: self._documents.look_at_frozen(opened))

    async def _show(self, opened: Opened, pool: ThreadPoolExecutor, look: Callable[[], bool], *, is_own: bool = True) -> None:
        """Look in another thread, and show what there is then, of other files too, unless the file has changed or was closed.

        is_own: whether what is found is shown again where it is as before.

        A bug of ours costs this answer, and is told on standard error, the server's log.
        """
        version = opened.version
        try:
            is_of_use = await asyncio.get_running_loop().run_in_executor(pool, look)
            if is_of_use and opened.version == version and self._documents.open.get(opened.uri) is opened:
                self._show_new(opened, is_looked_at=is_own)
                for other in self._documents.open.values():
                    self._show_new(other, is_looked_at=False)
        except Exception:
            traceback.print_exc(file=sys.stderr)

    def _show_new(self, opened: Opened, *, is_looked_at: bool) -> None:
        """Show what is known of a file: if it was just looked at, or if that has changed by a look at another one."""
        found = self._documents.diagnostics(opened)
        if is_looked_at or (opened.looked_at >= opened.changed_at and found != self._shown.get(opened.uri)):
            self._shown[opened.uri] = found
            self._publish(types.PublishDiagnosticsParams(opened.uri, found, opened.version))
