"""Slots and GPUs of a machine, leased by file locks: first come first served, freed by the kernel when a holder dies.

No daemon keeps the books. A folder that all runs of a machine share holds

    slot-<n>, gpu-<id>       locked (flock) by whoever has that slot or device
    queue/<number>-<run_id>  a ticket, locked by whoever waits with it
    door                     locked for the moment in which a ticket is drawn

Only the first living ticket may take anything, and takes all it wants or nothing. Whoever finds no ticket at all, and holds the door
meanwhile, takes what is free without one. The others sleep in the kernel on the lock of the ticket before theirs. The first is woken
when a holder lets go (dnotify on the folder, fcntl(2) F_NOTIFY). Holders that were killed make no sound, so it also polls once a second.
Everybody holds a shared lock on the folder itself, which tells systemd-tmpfiles(8) not to clean it.
"""

from __future__ import annotations

import _thread
import fcntl
import os
import time

from trainconf.agent.leases import shared_folder
from trainconf.agent.leases.shared_folder import FOREIGN, QUEUE, QUEUE_LOCK
from trainconf.agent.signals import WAKE_SIGNAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainconf.agent.plan import Gpus, Slots

POLL_SECONDS = 1.0
LOCK_RETRY_SECONDS = 0.02
DIGITS = 12
LAST_NUMBER = 10**DIGITS - 1  # only somebody who plants tickets gets there; those with it are served in any order


class Claim:
    """What one run wants of a machine.

    `advance` is called until it is true. Between the calls the owner waits for WAKE_SIGNAL, FREED_SIGNAL or `deadline`, with
    both signals blocked. `waiting_for` says what is missing. `gpus` are the leased device ids. `release` gives everything back and
    leaves the queue, at any time.
    """

    def __init__(self, run_id: str, slots: Slots, gpus: Gpus) -> None:
        self.run_id = run_id
        self.directory = slots.dir
        self.gpus: list[str] = []
        self.waiting_for = ""
        self.deadline: float | None = None  # monotonic
        self._slots = [f"slot-{n}" for n in range(slots.count)], slots.take
        self._devices = list(gpus.devices), gpus.take
        self._number = 0
        self._ticket = -1
        self._watched = ""
        self._folder = -1  # what is listened on
        self.held: list[int] = []  # descriptors of what is leased

    def advance(self) -> bool:
        """Take everything if it is our turn and all is free. Raises OSError when the folder cannot be used."""
        if self._ticket < 0:
            has_all = self._get_in_line()
            if has_all is None:
                self.waiting_for, self.deadline = "slot", time.monotonic() + LOCK_RETRY_SECONDS
            if has_all is not False:
                return bool(has_all)
        before = self._ticket_before()
        if before:
            self._watch(before)
            self.deadline = None
            return False
        if not self._take_all():
            self._wake_when_freed()  # and try once more: somebody may have let go in between
            if not self._take_all():
                self.deadline = time.monotonic() + POLL_SECONDS
                return False
        self._leave_queue()
        return True

    def release(self) -> None:
        """Give back what is held, leave the queue, and wake whoever is first in it. May be called any number of times."""
        held, self.held, self.gpus = self.held, [], []
        for fd in held:
            fcntl.flock(fd, fcntl.LOCK_UN)  # whoever else has the descriptor: the watchdog, or a process of the job
            os.close(fd)
        self._leave_queue()
        if held and tickets(self.directory):  # whoever gets in line later finds what is free by itself
            self._wake_first()
        if self._folder >= 0:
            os.close(self._folder)  # whoever has let go is told nothing more
            self._folder = -1

    def _get_in_line(self) -> bool | None:
        """Take everything if nobody waits and all is free: True. Else draw a ticket: False. None while somebody keeps us from either."""
        shared_folder.open_once(self.directory)
        queue_lock = shared_folder.open_shared(os.path.join(self.directory, QUEUE_LOCK))
        try:
            if not shared_folder.try_lock(queue_lock, fcntl.LOCK_EX):
                return None
            waiting = tickets(self.directory)
            if not waiting and self._take_all():
                self._leave_queue()
                return True
            self._number = min(max((number for number, _ in waiting), default=0) + 1, LAST_NUMBER)
            folder = os.path.join(self.directory, QUEUE)
            # Not yet a ticket: one is locked from its first moment on.
            unlocked = os.path.join(folder, f".{self.run_id}.{shared_folder.random_suffix()}")
            ticket = os.open(unlocked, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            os.fchmod(ticket, 0o644)
            fcntl.flock(ticket, fcntl.LOCK_EX)
            os.rename(unlocked, os.path.join(folder, ticket_name(self._number, self.run_id)))
            self._ticket = ticket
        finally:
            os.close(queue_lock)
        return False

    def _ticket_before(self) -> str:
        """The nearest living ticket before ours; dead ones are cleared away. Empty when it is our turn."""
        for number, name in reversed(tickets(self.directory)):
            path = os.path.join(self.directory, QUEUE, name)
            if number >= self._number:
                continue
            if shared_folder.is_held(path):
                return path
            shared_folder.remove(path)
        return ""

    def _watch(self, ticket: str) -> None:
        """Have WAKE_SIGNAL sent to this process when the holder of `ticket` gives it up or dies. A thread waits in the kernel."""
        if ticket != self._watched:
            self._watched = ticket
            _thread.start_new_thread(_wake_after, (ticket,))

    def _wake_when_freed(self) -> None:
        """Have FREED_SIGNAL sent to this process when somebody lets go."""
        if self._folder < 0:
            self._folder = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.fcntl(self._folder, fcntl.F_NOTIFY, fcntl.DN_DELETE)
        except OSError:
            return  # a kernel or file system without dnotify: polling once a second remains

    def _wake_first(self) -> None:
        """Make and delete a file: that wakes who listens on the folder, whichever user it is."""
        bell = os.path.join(self.directory, f".bell.{shared_folder.random_suffix()}")
        try:
            os.close(os.open(bell, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))
        except OSError:
            return  # a full disk: polling once a second remains
        shared_folder.remove(bell)

    def _take_all(self) -> bool:
        slots, slot_count = self._slots
        devices, device_count = self._devices
        taken = list(self._lock_free(slots, slot_count))
        got = list(self._lock_free([device_file(device) for device in devices], device_count))
        if len(taken) == slot_count and len(got) == device_count:
            self.held = [fd for _, fd in taken + got]
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
            try:
                fd = shared_folder.open_shared(os.path.join(self.directory, name))
            except OSError as error:
                if error.errno not in FOREIGN:
                    raise
                continue  # somebody else has put something there: to us it is taken
            if not shared_folder.try_lock(fd, fcntl.LOCK_EX):
                os.close(fd)
                continue
            wanted -= 1
            yield index, fd

    def _leave_queue(self) -> None:
        if self._ticket >= 0:
            shared_folder.remove(os.path.join(self.directory, QUEUE, ticket_name(self._number, self.run_id)))
            os.close(self._ticket)  # this wakes whoever is behind us
            self._ticket = -1
        self.deadline = None


def ticket_name(number: int, run_id: str) -> str:
    return f"{number:0{DIGITS}d}-{run_id}"


def tickets(directory: str) -> list[tuple[int, str]]:
    """All tickets, dead ones included, in the order of their numbers."""
    try:
        names = os.listdir(os.path.join(directory, QUEUE))
    except FileNotFoundError:
        return []
    return sorted((int(name[:DIGITS]), name) for name in names if name.isascii() and name[:DIGITS].isdigit() and name[DIGITS:][:1] == "-")


def device_file(device: str) -> str:
    """The lock file of a device, whose id may hold slashes (MIG-GPU-…/1/0)."""
    return "gpu-" + "".join(c if c.isalnum() or c in "-_." else f"%{ord(c):02x}" for c in device)


def _wake_after(ticket: str) -> None:
    try:
        fd = shared_folder.open_plain(ticket)
        fcntl.flock(fd, fcntl.LOCK_SH)
        os.close(fd)
    except OSError:
        time.sleep(LOCK_RETRY_SECONDS)  # it has gone, or become something that nobody can wait for
    os.kill(os.getpid(), WAKE_SIGNAL)
