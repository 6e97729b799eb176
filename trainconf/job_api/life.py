"""The life of a run that this process is: the identity it is known by, its events, its lock, its end at the latest with the process."""

from __future__ import annotations

import os
import time

from trainconf.job_api import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional

FINAL = ("Completed", "Failed", "Canceled")
LONGEST_REASON = 3000
_lives: List[Life] = []  # that have not ended
_state = {"is_registered": False}


class Life:
    """The events of a run that this process is, from its first to its last."""

    def __init__(self, run: Any, lock_fd: int, *, ends_at_exit: bool) -> None:
        self.state = "Running"
        self._run = run
        self._lock_fd = lock_fd
        self._pid = os.getpid()
        self._ends_at_exit = ends_at_exit  # nobody else ends it
        self._outputs: Any = None
        self._began = time.monotonic()
        if not _lives:
            _register()
        _lives.append(self)

    @property
    def has_ended(self) -> bool:
        """Whether its last event is written."""
        return self.state in FINAL

    def end(self, state: str, reason: str = "") -> None:
        """Write the last event and let go of the lock. The first end stands; a forked process cannot end it."""
        if self.has_ended or os.getpid() != self._pid:
            return
        run = self._run
        if self._outputs is not None and os.path.isdir(self._outputs):
            run.upload_folder("outputs", self._outputs)
        if state == "Completed" and os.path.exists(os.path.join(run.run_dir, "cancel.json")):
            state, reason = "Canceled", "cancellation was requested"
        facts = {"exit_code": {"Completed": 0, "Failed": 1}.get(state), "resources": {"wall_s": round(time.monotonic() - self._began, 6)}}
        append_event(run.run_dir, state, {**facts, **({"reason": reason[:LONGEST_REASON]} if reason else {})})
        self.state = state
        run._store.close()
        run._store = Ended(run._store, state)
        self.let_go()

    def let_go(self) -> None:
        """Give the lock back, and end nothing with the process any more."""
        if self in _lives:
            _lives.remove(self)
        if self._lock_fd >= 0:
            fd, self._lock_fd = self._lock_fd, -1
            os.close(fd)

    def at_exit(self) -> None:
        """End it with the process, as far as that is known here."""
        import sys

        error = getattr(sys, "last_value", None)
        if isinstance(error, Exception):
            self._run.fail(error)
        elif self._ends_at_exit:
            self._run.complete()


class OfflineLife:
    """The life of a run outside any run. A child ends as in a job; the script itself may go on, as one that has called `complete` does."""

    def __init__(self, store: Any, child: Any = None) -> None:
        self._store = store
        self._child = child

    @property
    def has_ended(self) -> bool:
        return self._child is not None and self.state in FINAL

    @property
    def state(self) -> str:
        return str(self._store.state)

    def end(self, state: str, reason: str = "") -> None:
        """The first end stands."""
        if self.state in FINAL:
            return
        self._store.state = state
        if self._child is not None:
            self._child._store = Ended(self._store, state)


class Ended:
    """The store of a run that has ended: it can be read, and takes nothing more."""

    def __init__(self, store: Any, state: str) -> None:
        self._store = store
        self._state = state

    def metric(self, name: str, value: Any, step: Any) -> None:
        raise RuntimeError("the run %s has ended (%s): nothing more is recorded of it" % (self._store.facts().get("run_id"), self._state))

    def column(self, name: str, value: Any) -> None:
        self.metric(name, value, None)

    def record(self, kind: str, facts: Dict[str, Any]) -> None:
        if kind in ("label", "error"):
            self._store.record(kind, facts)  # tags may be given to any run
        else:
            self.metric(kind, None, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def error(details: Any, code: Optional[str]) -> Dict[str, Any]:
    """An error as it is recorded: its text, its code, and where it was raised."""
    facts: Dict[str, Any] = {"code": None if code is None else str(code)}
    if isinstance(details, BaseException):
        import traceback

        lines = traceback.format_exception(type(details), details, details.__traceback__)
        return {"text": "%s: %s" % (type(details).__name__, details), **facts, "trace": "".join(lines)[-(1 << 16) :]}
    if details is not None and not isinstance(details, str):
        details = values.dumps(details) if isinstance(details, (dict, list)) else str(details)
    return {"text": details or "its script called fail()", **facts}


def reason(facts: Mapping[str, Any]) -> str:
    """An error in a line."""
    text = str(facts["text"]).strip()
    return "%s (%s)" % (text, facts["code"]) if facts.get("code") else text


def append_event(run_dir: str, state: str, facts: Mapping[str, Any]) -> None:
    """Append a line to a run's events. Raises OSError."""
    line = values.dumps({"time": values.now(), "state": state, "attempt": 1, **facts}) + "\n"
    fd = os.open(os.path.join(run_dir, "events.jsonl"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, line.encode("ascii"))
    finally:
        os.close(fd)


def identity() -> Dict[str, Any]:
    """This process, as trainconf.history.liveness tells it from every other."""
    facts: Dict[str, Any] = {"pid": os.getpid(), "host": os.uname().nodename, "is_own": True}
    try:
        with open("/proc/self/stat", "rb") as stream:
            facts["start_ticks"] = int(stream.read().rpartition(b")")[2].split()[19])
        with open("/proc/sys/kernel/random/boot_id", "rb") as stream:
            facts["boot_id"] = stream.read().strip().decode()
    except (OSError, ValueError, IndexError):
        return facts
    return facts


def locked(path: str) -> int:
    """The descriptor of a lock file, once nobody else holds it. Raises OSError."""
    import fcntl

    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def _register() -> None:
    """At the end of the process its runs end; a forked process has none of them."""
    if not _state["is_registered"]:
        _state["is_registered"] = True
        import atexit

        atexit.register(_at_exit)
        os.register_at_fork(after_in_child=_after_fork)


def _at_exit() -> None:
    for life in list(_lives):
        life.at_exit()


def _after_fork() -> None:
    for life in list(_lives):
        life.let_go()
