"""Slots and GPUs of a machine, leased by file locks: first come first served, freed by the kernel when a holder dies.

No daemon keeps the books. A folder that all runs of a machine share holds

    slot-<n>, gpu-<id>       locked (flock) by whoever has that slot or device
    queue/<number>-<run_id>  a ticket, locked by whoever waits with it; numbers rise in the order of arrival
    door                     locked for the moment in which a ticket is drawn

Other users may put anything into a folder that is shared, so nothing in it is followed, waited for or believed: a name that is not one of
these, or is no plain file, is passed over. What they cannot do, in a sticky folder of root's or one's own, is remove what is not theirs.

Only the first living ticket may take anything, and takes all it wants or nothing. The others sleep in the kernel on the lock
of the ticket before theirs. The first is woken when a holder lets go (dnotify on the folder, fcntl(2) F_NOTIFY); holders that
were killed make no sound, so it also looks once a second. Everybody holds a shared lock on the folder itself, which tells
systemd-tmpfiles(8) not to clean it.
"""

from __future__ import annotations

import _thread
import errno
import fcntl
import os
import stat
import time

from trainconf.agent.signals import WAKE_SIGNAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainconf.agent.plan import Gpus, Slots

FALLBACK_SECONDS = 1.0
DOOR_SECONDS = 0.02
# The same for every user and every session, or slots would be counted twice; TMPDIR is often one's own.
SHARED_DIR = "/tmp/trainconf-leases"
QUEUE = "queue"
DOOR = "door"
DIGITS = 12
LAST_NUMBER = 10**DIGITS - 1  # only somebody who plants tickets gets there; those with it are served in any order
FOREIGN = (errno.EPERM, errno.EACCES, errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENODEV)


def default_dir() -> str:
    """The folder that all users of this machine share; one's own where it is another user's, who could take away what is leased in it."""
    try:
        _refuse_untrusted(SHARED_DIR, of_anybody=False)
    except FileNotFoundError:
        return SHARED_DIR
    except OSError:
        return f"{SHARED_DIR}-{os.getuid()}"
    return SHARED_DIR


def prepare(directory: str) -> None:
    """Make the folder of leases usable by every user of the machine. Raises OSError, also for one that cannot be trusted."""
    for path in (directory, os.path.join(directory, QUEUE)):
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            _refuse_untrusted(path, of_anybody=path != directory)
            continue
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        os.fchmod(fd, 0o1777)
        os.close(fd)
    _make_shared(os.path.join(directory, DOOR))


def _refuse_untrusted(path: str, *, of_anybody: bool) -> None:
    """Raises PermissionError for a folder whose owner could replace what others have in it, or where everybody could.

    `of_anybody`: a folder within a trusted one is its first user's, who can take others' places in the queue away, but not their slots.
    """
    link, found = os.lstat(path), os.stat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, f"is no folder, but something of {user_name(link.st_uid)}'s", path)
    if of_anybody and stat.S_ISLNK(link.st_mode) and link.st_uid not in (0, os.getuid()):
        raise PermissionError(errno.EPERM, f"is a link of {user_name(link.st_uid)}'s", path)
    for each in (link, found):
        if not of_anybody and each.st_uid not in (0, os.getuid()):
            raise PermissionError(errno.EPERM, f"belongs to {user_name(each.st_uid)}, and neither to you nor to root", path)
    if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
        raise PermissionError(errno.EPERM, "can be written by others and is not sticky (chmod +t)", path)


def place(directory: str, run_id: str) -> int | None:
    """The place of a run in the queue, 1 for the next one to be served; None when it does not wait."""
    ahead = 0
    for number, name in _tickets(directory):
        if not _is_held(os.path.join(directory, QUEUE, name)):
            continue
        ahead += 1
        if name == _ticket_name(number, run_id):
            return ahead
    return None


def holders(directory: str) -> list[str]:
    """Who holds leases, or the lock on the way into the queue: the run or program, its pid and user. Empty if nobody can tell."""
    try:
        with open("/proc/locks", encoding="ascii") as stream:
            lines = [line.split() for line in stream if " FLOCK " in line and "->" not in line]
        names = sorted(name for name in os.listdir(directory) if name == DOOR or name.startswith(("slot-", "gpu-")))
        stats = {name: os.lstat(os.path.join(directory, name)) for name in names}
    except OSError:
        return []
    inodes = {each.st_ino: name for name, each in stats.items()}
    foreign = {name: user_name(each.st_uid) for name, each in stats.items() if not stat.S_ISREG(each.st_mode)}
    found: dict[int, list[str]] = {}
    for line in lines:
        name = inodes.get(int(line[5].rpartition(":")[2]))
        if name is not None:
            found.setdefault(int(line[4]), []).append(name)
    told = [f"{', '.join(names)}: {_who(pid)}" for pid, names in sorted(found.items(), key=lambda each: each[1])]
    return [f"{name}: no lock, but something of {user}'s" for name, user in foreign.items()] + told


def _who(pid: int) -> str:
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            words = [os.fsdecode(word) for word in stream.read().split(b"\0") if word]
    except OSError:
        words = []
    if not words:
        return "what is left of a run whose agent is gone"
    is_agent = any(word.endswith("agent/__main__.py") for word in words)
    what = os.path.basename(words[-1]) if is_agent else os.path.basename(words[0])
    return f"{what} (pid {pid} of {user_name(uid)})"


def user_name(uid: int) -> str:
    """The name of a user; the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


class Claim:
    """What one run wants of a machine: `slots` of plan.json, and `gpus` of plan.json.

    `advance` is called until it is true; between the calls the owner waits for WAKE_SIGNAL, FREED_SIGNAL or `deadline`, with
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
        self._folder = -1
        self.held: list[int] = []  # descriptors of what is leased

    def advance(self) -> bool:
        """Take everything if it is our turn and all is free. Raises OSError when the folder cannot be used."""
        if self._ticket < 0 and not self._draw_ticket():
            self.waiting_for, self.deadline = "slot", time.monotonic() + DOOR_SECONDS
            return False
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
        held, self.held, self.gpus = self.held, [], []
        for fd in held:
            fcntl.flock(fd, fcntl.LOCK_UN)  # whoever else has the descriptor: the watchdog, or a process of the job
            os.close(fd)
        self._leave_queue()
        if held:
            self._ring()
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def _draw_ticket(self) -> bool:
        """Get in line; False while somebody else does, or keeps us from it."""
        if self._folder < 0:
            prepare(self.directory)
            self._folder = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            _try_lock(self._folder, fcntl.LOCK_SH)
        door = _open_shared(os.path.join(self.directory, DOOR))
        try:
            if not _try_lock(door, fcntl.LOCK_EX):
                return False
            self._number = min(max((number for number, _ in _tickets(self.directory)), default=0) + 1, LAST_NUMBER)
            queue = os.path.join(self.directory, QUEUE)
            unlocked = os.path.join(queue, f".{self.run_id}.{_random()}")  # not yet a ticket: one is locked from its first moment on
            ticket = os.open(unlocked, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            os.fchmod(ticket, 0o644)
            fcntl.flock(ticket, fcntl.LOCK_EX)
            os.rename(unlocked, os.path.join(queue, _ticket_name(self._number, self.run_id)))
            self._ticket = ticket
        finally:
            os.close(door)
        return True

    def _ticket_before(self) -> str:
        """The nearest living ticket before ours; dead ones are cleared away. Empty when it is our turn."""
        for number, name in reversed(_tickets(self.directory)):
            path = os.path.join(self.directory, QUEUE, name)
            if number >= self._number:
                continue
            if _is_held(path):
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
        bell = os.path.join(self.directory, f".bell.{_random()}")
        try:
            os.close(os.open(bell, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))
        except OSError:
            return  # a full disk: the look once a second remains
        _remove(bell)

    def _take_all(self) -> bool:
        slots, slot_count = self._slots
        devices, device_count = self._devices
        taken = list(self._lock_free(slots, slot_count))
        got = list(self._lock_free([_device_file(device) for device in devices], device_count))
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
                fd = _open_shared(os.path.join(self.directory, name))
            except OSError as error:
                if error.errno not in FOREIGN:
                    raise
                continue  # somebody else has put something there: to us it is taken
            if not _try_lock(fd, fcntl.LOCK_EX):
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
    try:
        fd = _open_plain(ticket)
        fcntl.flock(fd, fcntl.LOCK_SH)
        os.close(fd)
    except OSError:
        time.sleep(DOOR_SECONDS)  # it has gone, or become something that nobody can wait for
    os.kill(os.getpid(), WAKE_SIGNAL)


def _ticket_name(number: int, run_id: str) -> str:
    return f"{number:0{DIGITS}d}-{run_id}"


def _tickets(directory: str) -> list[tuple[int, str]]:
    """All tickets, dead ones included, in the order of their numbers."""
    try:
        names = os.listdir(os.path.join(directory, QUEUE))
    except FileNotFoundError:
        return []
    return sorted((int(name[:DIGITS]), name) for name in names if name.isascii() and name[:DIGITS].isdigit() and name[DIGITS:][:1] == "-")


def _device_file(device: str) -> str:
    """A file name for a device id, which may hold slashes (MIG-GPU-…/1/0)."""
    return "gpu-" + "".join(c if c.isalnum() or c in "-_." else f"%{ord(c):02x}" for c in device)


def _open_shared(path: str) -> int:
    """Open a lock file that all users share. A plain O_CREAT is refused in sticky folders (proc(5), protected_regular).

    Raises OSError, with a number of FOREIGN for what is no lock file or cannot be opened by us.
    """
    while True:
        try:
            return _open_plain(path)
        except FileNotFoundError:
            _make_shared(path)


def _open_plain(path: str) -> int:
    """Open a file that may be anything, and anybody's. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EPERM, "is no plain file", path)


def _make_shared(path: str) -> None:
    """Put an empty file that everybody may open in place, in one step, unless it is there."""
    if os.path.lexists(path):
        return
    temp = f"{path}.{_random()}.tmp"
    fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o666)
        os.link(temp, path)
    except FileExistsError:
        return
    finally:
        os.close(fd)
        os.unlink(temp)


def _random() -> str:
    """Part of a name that nobody can have planted before."""
    return f"{os.getpid()}.{os.urandom(8).hex()}"


def _try_lock(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_held(path: str) -> bool:
    """Whether a ticket is one, and somebody has it."""
    try:
        fd = _open_plain(path)
    except OSError:
        return False
    try:
        return not _try_lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # gone already, or another user's in a sticky folder: a dead ticket only costs a look
