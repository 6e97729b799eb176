"""Where the controller of a sweep is: whoever has its lock says so in the lock's own file, and touches the file while it lives.

The lock is held from before a sweep can be found: by the process that makes it, which passes it on to the controller. So there is one
writer of the journal at a time, and whoever finds the lock free knows that nobody is about to come.

A controller that is about to end says so, and then looks for requests once more. So a request that was there before it said so is heard;
whoever asks later reads what it has said, and waits for its end, which comes at once.
"""

from __future__ import annotations

import os
import time

from trainconf import files
from trainconf.errors import StorageError
from trainconf.fast.tuples import NamedTuple
from trainconf.files import FileLock
from trainconf.history import events
from trainconf.history.record import read_mapping
from trainconf.paths import RunPaths
from trainconf.sweeps import journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

HEARTBEAT_SECONDS = 10.0
PAUSE_SECONDS = 0.2
ENDING_SECONDS = 30.0  # with a controller that writes down how the sweep has ended


class Presence(NamedTuple):
    """A sweep's latest controller. Times are UTC ISO 8601; `seen` is its last sign of life, to HEARTBEAT_SECONDS.

    job_id: the scheduler's, of a controller that is a job; else "". left: why it left on its own, "" where it did not.
    earlier_s: how long the controllers before it were there, all together. is_ending: it hears of nothing that is asked for from now on.
    """

    is_here: bool
    host: str
    pid: int
    job_id: str
    since: str
    seen: str
    left: str
    earlier_s: float = 0.0
    is_ending: bool = False

    def __str__(self) -> str:
        return f"job {self.job_id} on {self.host}" if self.job_id else f"{self.host}, pid {self.pid}"


class ControllerLock(FileLock):
    """The lock of a sweep's controller. Whoever has it is the controller; others were before it, for `earlier_s` seconds in all."""

    def __init__(self, home: RunPaths, job_id: str = "") -> None:
        super().__init__(home.controller_lock)
        self.earlier_s = 0.0
        self.taken_ns = 0  # since the epoch: when its holder, or whoever has passed it on, took it
        self._home = home
        self._facts: dict[str, Any] = {"host": os.uname().nodename, "pid": os.getpid(), "job_id": job_id, "since": events.now(), "left": ""}
        self._touched = 0.0

    def enter(self) -> None:
        """Say who has the lock. Raises OSError."""
        before = presence(self._home)
        if before is not None:
            since, seen = events.seconds(before.since), events.seconds(before.seen)
            self.earlier_s = before.earlier_s + max(0.0, (seen or 0.0) - (since or 0.0))
        self._facts |= {"since": events.now(), "earlier_s": round(self.earlier_s, 3)}
        self._write()
        self._touched = time.monotonic()

    def touch(self) -> None:
        """Show that its holder lives; as often as one likes."""
        now = time.monotonic()
        if self.fd >= 0 and now >= self._touched + HEARTBEAT_SECONDS:
            self._touched = now
            os.utime(self.fd)

    def leave(self, reason: str) -> None:
        """Say why its holder goes; the lock is kept. Raises OSError."""
        self._facts["left"] = reason
        self._write()

    def mark(self, *, is_ending: bool) -> None:
        """Say that its holder looks for requests once more and then goes, or that it stays after all. Raises OSError."""
        self._facts["is_ending"] = is_ending
        self._write()

    def release(self) -> None:
        """Go, with a last sign of life."""
        if self.fd >= 0:
            os.utime(self.fd)
        super().release()

    def _write(self) -> None:
        text = files.dumps(self._facts).encode() + b"\n"
        os.pwrite(self.fd, text, 0)
        os.ftruncate(self.fd, len(text))


def acquire(home: RunPaths, job_id: str = "", patience_s: float = 0.0, held: FileLock | None = None) -> ControllerLock:
    """Become the controller of a sweep. Raises StorageError when another process is, after `patience_s`; OSError.

    One that is ending is waited for in any case. held: the lock, if this process has it; it is the controller's from here on.
    """
    lock = ControllerLock(home, job_id)
    began_at = time.monotonic()
    if held is not None and held.fd >= 0:
        lock.fd, held.fd = held.fd, -1
        lock.taken_ns = os.fstat(lock.fd).st_mtime_ns
    while lock.fd < 0 and not lock.acquire(blocking=False):
        now = presence(home)
        if time.monotonic() >= began_at + max(patience_s, ENDING_SECONDS if now is not None and now.is_ending else 0.0):
            raise has_one(home)
        time.sleep(PAUSE_SECONDS)
    lock.taken_ns = lock.taken_ns or time.time_ns()
    try:
        lock.enter()
    except BaseException:
        lock.release()
        raise
    return lock


def hold(home: RunPaths) -> FileLock:
    """Keep others from controlling a sweep, for the controller that is to come. Raises StorageError when there is one, OSError."""
    lock = FileLock(home.controller_lock)
    if not lock.acquire(blocking=False):
        raise has_one(home)
    now_ns = time.time_ns()
    os.utime(lock.fd, ns=(now_ns, now_ns))
    return lock


def inherited(home: RunPaths, fd: int) -> FileLock:
    """The lock that the process which has started this one held, at `fd`; not held where that is something else."""
    lock = FileLock(home.controller_lock)
    try:
        if os.path.samestat(os.fstat(fd), os.stat(lock.path)):
            os.set_inheritable(fd, False)
            lock.fd = fd
    except OSError:
        return lock
    return lock


def has_one(home: RunPaths) -> StorageError:
    """The refusal of a second controller."""
    return StorageError("the sweep has a controller", ("which", str(presence(home) or "it is just beginning")),
                        ("lock", home.controller_lock), hint=f"`trainconf cancel {home.run_id}` ends the sweep")


def presence(home: RunPaths) -> Presence | None:
    """A sweep's latest controller; None where there was none, or an older trainconf's."""
    try:
        status = os.stat(home.controller_lock)
        found = read_mapping(home.controller_lock) if status.st_size else {}  # nobody has entered it yet
        seen = status.st_mtime
        return Presence(
            files.is_locked(home.controller_lock), str(found["host"]), int(found["pid"]), str(found["job_id"]), str(found["since"]),
            f"{time.strftime(events.SECOND_FORMAT, time.gmtime(seen))}.{int(seen % 1 * 1_000_000):06}Z", str(found["left"]),
            float(found.get("earlier_s", 0.0)), bool(found.get("is_ending")),
        )  # fmt: skip
    except (OSError, LookupError, TypeError, ValueError):
        return None


def tell(sweep: RunPaths, deeds: Iterable[tuple[str, Mapping[str, Any]]]) -> bool:
    """Ask a controller that was there a moment ago for deeds with their facts, in this order.

    False: it has ended and did not hear all of them. They are taken back, and nobody controls the sweep. Raises StorageError, OSError.
    """
    asked = [journal.request(sweep, deed, **facts) for deed, facts in deeds]
    now = presence(sweep)
    if now is None or not now.is_ending:
        return True
    lock = FileLock(sweep.controller_lock)
    lock.acquire()
    try:
        unheard = [path for path in asked if os.path.exists(path)]
        for path in unheard:
            os.unlink(path)
        return not unheard
    finally:
        lock.release()


def record_end(home: RunPaths, state: str, reason: str) -> None:
    """Record how a sweep has ended where whoever had its trials is gone without a word. Raises StorageError."""
    lock = FileLock(home.lock)
    try:
        if not lock.acquire(blocking=False):
            return  # its agent does it
        try:
            latest = events.last(home)
            if latest is not None and latest["state"] not in events.TERMINAL:
                events.append(home, state, exit_code={"Completed": 0, "Failed": 1}.get(state), reason=reason)
        finally:
            lock.release()
    except OSError as error:
        raise StorageError.from_os_error(error, "the end of the sweep cannot be recorded") from error
