"""Slots and GPUs of a machine, leased by file locks: first come first served, freed by the kernel when a holder dies.

No daemon keeps the books. A folder that all runs of a machine share holds

    slot-<n>, gpu-<id>       locked (flock) by whoever has that slot or device
    queue/<number>-<run_id>  a ticket, locked by whoever waits with it; numbers rise in the order of arrival
    door                     locked for the moment in which a ticket is drawn

Only the first living ticket may take anything, and takes all it wants or nothing. The others sleep in the kernel on the lock
of the ticket before theirs. The first is woken when a holder lets go (dnotify on the folder, fcntl(2) F_NOTIFY); holders that
were killed make no sound, so it also looks once a second. Everybody holds a shared lock on the folder itself, which tells
systemd-tmpfiles(8) not to clean it.
"""

from __future__ import annotations

import _thread
import fcntl
import os
import time

from trainconf import files
from trainconf.agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

WAKE_SIGNAL = signal.SIGUSR2  # the ticket before ours has gone
FREED_SIGNAL = signal.SIGIO  # somebody let go; the kernel's default for F_NOTIFY
FALLBACK_SECONDS = 1.0
QUEUE = "queue"
DOOR = "door"


def prepare(directory: str) -> None:
    """Make the folder of leases usable by every user of the machine. Raises OSError."""
    for path in (directory, os.path.join(directory, QUEUE)):
        try:
            os.mkdir(path)
        except FileExistsError:
            continue
        os.chmod(path, 0o1777)
    _make_shared(os.path.join(directory, DOOR))


def place(directory: str, run_id: str) -> int | None:
    """The place of a run in the queue, 1 for the next one to be served; None when it does not wait."""
    ahead = 0
    for number, name in _tickets(directory):
        if not files.is_locked(os.path.join(directory, QUEUE, name)):
            continue
        ahead += 1
        if name == _ticket_name(number, run_id):
            return ahead
    return None


class Claim:
    """What one run wants of a machine: `slots` of plan.json, and `gpus` of plan.json.

    `advance` is called until it is true; between the calls the owner waits for WAKE_SIGNAL, FREED_SIGNAL or `deadline`, with
    both signals blocked. `waiting_for` says what is missing. `gpus` are the leased device ids. `release` gives everything back and
    leaves the queue, at any time.
    """

    def __init__(self, run_id: str, slots: Mapping[str, Any], gpus: Mapping[str, Any]) -> None:
        self.run_id = run_id
        self.directory = str(slots["dir"])
        self.gpus: list[str] = []
        self.waiting_for = ""
        self.deadline: float | None = None  # monotonic
        self._slots = [f"slot-{n}" for n in range(slots["count"])], int(slots["take"])
        self._devices = list(gpus["devices"]), int(gpus["take"])
        self._number = 0
        self._ticket = -1
        self._watched = ""
        self._folder = -1
        self._held: list[int] = []

    def advance(self) -> bool:
        """Take everything if it is our turn and all is free. Raises OSError when the folder cannot be used."""
        if self._ticket < 0:
            self._draw_ticket()
        before = self._ticket_before()
        if before:
            self._watch(before)
            self.deadline = None
            return False
        if not self._take_all():
            self._listen()  # and look once more: somebody may have let go in between
            if not self._take_all():
                self.deadline = time.monotonic() + FALLBACK_SECONDS
                return False
        self._leave_queue()
        return True

    def place(self) -> int | None:
        """Our place in the queue."""
        return place(self.directory, self.run_id)

    def release(self) -> None:
        """Give back what is held, leave the queue, and wake whoever is first in it. May be called any number of times."""
        held, self._held, self.gpus = self._held, [], []
        for fd in held:
            os.close(fd)
        self._leave_queue()
        if held:
            self._ring()
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def _draw_ticket(self) -> None:
        prepare(self.directory)
        self._folder = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._folder, fcntl.LOCK_SH)
        door = _open_shared(os.path.join(self.directory, DOOR))
        queue = os.path.join(self.directory, QUEUE)
        unlocked = os.path.join(queue, f".{self.run_id}.{os.getpid()}")  # not yet a ticket: one is locked from its first moment on
        try:
            fcntl.flock(door, fcntl.LOCK_EX)
            ticket = os.open(unlocked, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.fchmod(ticket, 0o644)
            fcntl.flock(ticket, fcntl.LOCK_EX)
            self._number = max((number for number, _ in _tickets(self.directory)), default=0) + 1
            os.rename(unlocked, os.path.join(queue, _ticket_name(self._number, self.run_id)))
            self._ticket = ticket
        finally:
            os.close(door)

    def _ticket_before(self) -> str:
        """The nearest living ticket before ours; dead ones are cleared away. Empty when it is our turn."""
        for number, name in reversed(list(_tickets(self.directory))):
            path = os.path.join(self.directory, QUEUE, name)
            if number >= self._number:
                continue
            if files.is_locked(path):
                return path
            _remove(path)
        return ""

    def _watch(self, ticket: str) -> None:
        """Have WAKE_SIGNAL sent to this process when the holder of `ticket` gives it up or dies. A thread waits in the kernel."""
        if ticket != self._watched:
            self._watched = ticket
            _thread.start_new_thread(_wake_after, (ticket,))

    def _listen(self) -> None:
        """Have FREED_SIGNAL sent to this process when somebody lets go."""
        try:
            fcntl.fcntl(self._folder, fcntl.F_NOTIFY, fcntl.DN_DELETE)
        except OSError:
            return  # a kernel or file system without dnotify: the look once a second remains

    def _ring(self) -> None:
        """Make and delete a file: that wakes who listens on the folder, whichever user it is."""
        bell = os.path.join(self.directory, f".bell.{os.getpid()}")
        try:
            os.close(os.open(bell, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
        except OSError:
            return  # a full disk: the look once a second remains
        _remove(bell)

    def _take_all(self) -> bool:
        slots, slot_count = self._slots
        devices, device_count = self._devices
        taken = list(self._lock_free(slots, slot_count))
        got = list(self._lock_free([_device_file(device) for device in devices], device_count))
        if len(taken) == slot_count and len(got) == device_count:
            self._held = [fd for _, fd in taken + got]
            self.gpus = [devices[index] for index, _ in got]
            self.waiting_for = ""
            return True
        for _, fd in taken + got:
            os.close(fd)
        self.waiting_for = "slot" if len(taken) < slot_count else "gpu"
        return False

    def _lock_free(self, names: list[str], wanted: int) -> Iterator[tuple[int, int]]:
        """Lock up to `wanted` of the files that are free: (index, descriptor) of each."""
        for index, name in enumerate(names):
            if wanted == 0:
                return
            fd = _open_shared(os.path.join(self.directory, name))
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                continue
            wanted -= 1
            yield index, fd

    def _leave_queue(self) -> None:
        if self._ticket >= 0:
            _remove(os.path.join(self.directory, QUEUE, _ticket_name(self._number, self.run_id)))
            os.close(self._ticket)  # this wakes whoever is behind us
            self._ticket = -1
        self.deadline = None


def _wake_after(ticket: str) -> None:
    files.wait_unlocked(ticket)
    os.kill(os.getpid(), WAKE_SIGNAL)


def _ticket_name(number: int, run_id: str) -> str:
    return f"{number:012d}-{run_id}"


def _tickets(directory: str) -> list[tuple[int, str]]:
    """All tickets, dead ones included, in the order of their numbers."""
    try:
        names = os.listdir(os.path.join(directory, QUEUE))
    except FileNotFoundError:
        return []
    return sorted((int(name.partition("-")[0]), name) for name in names if name[:1].isdigit())


def _device_file(device: str) -> str:
    """A file name for a device id, which may hold slashes (MIG-GPU-…/1/0)."""
    return "gpu-" + "".join(c if c.isalnum() or c in "-_." else f"%{ord(c):02x}" for c in device)


def _open_shared(path: str) -> int:
    """Open a lock file that all users share. A plain O_CREAT is refused in sticky folders (proc(5), protected_regular)."""
    while True:
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            _make_shared(path)


def _make_shared(path: str) -> None:
    """Put an empty file that everybody may open in place, in one step, unless it is there."""
    if os.path.exists(path):
        return
    temp = f"{path}.{os.getpid()}.tmp"
    fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        os.fchmod(fd, 0o666)
        os.link(temp, path)
    except FileExistsError:
        return
    finally:
        os.close(fd)
        os.unlink(temp)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except (FileNotFoundError, PermissionError):
        return  # gone already, or another user's in a sticky folder: a dead ticket only costs a look
