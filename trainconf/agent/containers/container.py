"""One container of a run, from its making to its exit code. A thread of its own supervises it.

The thread waits for the engine; the agent's main loop never does. The thread calls `report` with what happens.

    is_up          the job has its variables, and signals reach it
    engine away    before that: the container is made anew for a while. After that: the thread waits for the engine without end. The job
                   may run on without it (live-restore), and only the engine knows its exit code.
"""

from __future__ import annotations

import _thread
import socket
import time
from contextlib import suppress

from trainconf.agent.log import say
from trainconf.engine import job_shell
from trainconf.engine.client import EngineError, EngineUnreachable
from trainconf.fast.records import Record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    from trainconf.engine.client import Engine

RETRY_SECONDS = 0.5
BEING_REMOVED = ("removing", "dead")
BUSY = (0, 409)  # nobody answers; somebody else is removing it
NOBODY_THERE = (2, 13, 111)  # errno(3): no socket, no permission, nobody listens: then nothing was asked for


class ContainerUp(Record):
    """The job has begun."""

    host_pid: int  # the container's first process as the engine sees it, 0 if unknown


class EngineAway(Record):
    """The engine does not answer."""

    reason: str  # empty: it is back


class ContainerEnd(Record):
    """How a container ended, as plain facts."""

    code: int | None = None  # None: the job was never begun, or nobody knows
    refusal: EngineError | None = None  # why the engine refused the container
    usage: str = ""  # what the shell in the container has left
    was_removed: bool = False
    was_stopped: bool = False  # somebody else than this agent asked the engine to signal it
    is_out_of_memory: bool = False
    engine_was_away: bool = False


class Container:
    """`supervise` is its thread's work; `signal` may be called from any other, `remove` when `supervise` is over."""

    def __init__(
        self, engine: Engine, name: str, body: dict[str, Any], variables: bytes, *, patience_s: float, report: Callable[[Any], None]
    ) -> None:
        self.id = ""
        self.body = body
        self._patience_s = patience_s  # with an engine that does not answer, before the job has begun and after it has ended
        self._engine = engine
        self._name = name
        self._variables = variables
        self._report = report
        self._lock = _thread.allocate_lock()
        self._may_exist = False
        self._is_up = False
        self._is_over = False
        self._wanted = ""  # the strongest signal asked for
        self._began = 0  # seconds since the epoch

    def supervise(self, read_usage: Callable[[], str]) -> None:
        """Make it, start it, wait for its end. The last news is always a ContainerEnd."""
        end = ContainerEnd()
        try:
            if self._bring_up():
                self._report(ContainerUp(self._host_pid()))
                end = self._wait()
                end = self._look_closer(replace(end, usage=read_usage()))
        except EngineError as error:
            end = replace(end, refusal=error)
        except BaseException as error:  # a fault of ours must not leave a run that nobody supervises
            end = replace(end, refusal=EngineError(0, f"{type(error).__name__}: {error}"))
            raise
        finally:
            self._is_over = True
            self._report(end)

    def signal(self, name: str) -> None:
        """Have SIGTERM or SIGKILL sent, once; a container that is not up yet is not begun."""
        with self._lock:
            if self._wanted in (name, "SIGKILL"):
                return
            self._wanted = name
            is_up = self._is_up
        if is_up:
            _thread.start_new_thread(self._send, (name,))

    def remove(self) -> str:
        """Remove it, living or not; why it could not be removed, if so. Blocks."""
        failure = ""
        if self._may_exist:
            path, what = f"/containers/{self.id or self._name}", f"container {self.id[:12] or self._name}"
            failure = remove(self._engine, path, {"force": True, "v": True}, what, BUSY, self._patience_s)
        self._may_exist = bool(failure)
        return failure

    def _bring_up(self) -> bool:
        """Whether the job has begun; if not, its end was asked for before. Raises EngineError."""
        give_up_at = time.monotonic() + self._patience_s
        is_away = False
        while True:
            try:
                has_begun = self._start_once()
            except EngineUnreachable as error:
                self._may_exist = self._may_exist and bool(self.id or error.errno not in NOBODY_THERE)
                if self._wanted or time.monotonic() >= give_up_at:
                    raise
                if not is_away:
                    self._report(EngineAway(error.message))
                is_away = True
                time.sleep(RETRY_SECONDS)
                continue
            if is_away:
                self._report(EngineAway(""))
            return has_begun

    def _start_once(self) -> bool:
        if self._wanted:
            return False
        self._began = int(time.time())
        self._make()
        with self._engine.attach_stdin(self.id) as stdin:
            if not self._wanted:
                self._engine.post(f"/containers/{self.id}/start")
            with self._lock:
                self._is_up = not self._wanted
            if self._is_up:
                with suppress(OSError):  # it ended or the engine did: without all of its variables the job is not begun, and says so
                    stdin.sendall(self._variables)
                    stdin.shutdown(socket.SHUT_WR)
        return self._is_up

    def _make(self) -> None:
        """Create it. One of that name that is ours was made by a request whose answer was lost, and has not begun."""
        self._may_exist = True
        try:
            answer = self._engine.post("/containers/create", {"name": self._name}, self.body)
        except EngineError as error:
            if error.status != 409:
                raise
            if self._is_ours():
                self._engine.delete(f"/containers/{self._name}", {"force": True, "v": True})
            else:
                self._name = ""  # the engine will think of one
            answer = self._engine.post("/containers/create", {"name": self._name} if self._name else None, self.body)
        self.id = answer["Id"]

    def _is_ours(self) -> bool:
        labels: dict[str, str] = self._engine.get(f"/containers/{self._name}/json")["Config"]["Labels"] or {}
        return all(labels.get(name) == value for name, value in self.body["Labels"].items())

    def _host_pid(self) -> int:
        try:
            return int(self._engine.get(f"/containers/{self.id}/json")["State"]["Pid"])
        except EngineError:
            return 0

    def _wait(self) -> ContainerEnd:
        was_away = False
        while True:
            try:
                answer = self._engine.post(f"/containers/{self.id}/wait", timeout_s=None)
            except EngineUnreachable as error:
                self._wait_for_engine(error.message)
            except EngineError as error:
                if not error.is_missing:
                    raise
                return ContainerEnd(was_removed=True, engine_was_away=was_away)
            else:
                if answer:
                    return ContainerEnd(int(answer["StatusCode"]), engine_was_away=was_away)
                self._wait_for_engine("the answer broke off")  # its head comes at once, its body with the end
            was_away = True

    def _wait_for_engine(self, reason: str) -> None:
        self._report(EngineAway(reason))
        while True:
            time.sleep(RETRY_SECONDS)
            try:
                self._engine.get(f"/containers/{self.id}/json")
            except EngineUnreachable:
                continue
            except EngineError:
                pass  # it answers; what it says is for the next `wait` to hear
            self._report(EngineAway(""))
            return

    def _look_closer(self, end: ContainerEnd) -> ContainerEnd:
        """Add what an exit code does not say. An engine that does not answer now is not waited for."""
        got_signal = not self._wanted and job_shell.says(end.usage, job_shell.GOT_SIGTERM)
        if end.was_removed or (end.code == 0 and not got_signal):
            return end
        try:
            if got_signal:
                end = replace(end, was_stopped=self._was_signalled())
            state = self._engine.get(f"/containers/{self.id}/json")["State"]
            return replace(end, is_out_of_memory=bool(state["OOMKilled"]), was_removed=state["Status"] in BEING_REMOVED)
        except EngineError as error:
            was_away = end.engine_was_away or isinstance(error, EngineUnreachable)
            return replace(end, was_removed=error.is_missing, engine_was_away=was_away)

    def _was_signalled(self) -> bool:
        """Whether the engine was asked to; else the job itself has signalled its process group."""
        span = {"since": str(self._began - 1), "until": str(int(time.time()) + 1)}
        return bool(self._engine.get_lines("/events", {**span, "filters": {"container": [self.id], "event": ["kill"]}}))

    def _send(self, name: str) -> None:
        while not self._is_over and self._wanted == name:
            try:
                self._engine.post(f"/containers/{self.id}/kill", {"signal": name})
            except EngineUnreachable:
                time.sleep(RETRY_SECONDS)
                continue
            except EngineError as error:
                if error.status not in (404, 409):  # else it has just ended
                    say(f"container {self.id[:12]} could not be sent {name}: {error.message}")
            return


def remove(engine: Engine, path: str, query: dict[str, Any] | None, what: str, busy: Collection[int], patience_s: float) -> str:
    """Remove something of the engine's, and try again while its answer is one of `busy`; why it could not be removed, if so. Blocks."""
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            engine.delete(path, query)
        except EngineError as error:
            if error.is_missing:
                return ""
            if error.status not in busy or time.monotonic() >= give_up_at:
                return f"{what} could not be removed: {error.message}"
            time.sleep(RETRY_SECONDS)
        else:
            return ""
