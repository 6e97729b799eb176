"""A folder that every user of a machine may use, and the lock files in it.

Other users may put anything into it, so nothing in it is followed, waited for or believed. A name that is no plain file is passed over.
In a sticky folder of root's or one's own, others cannot remove what is not theirs.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

# The same for every user and every session, or slots would be counted twice; TMPDIR is often one's own.
SHARED_DIR = "/tmp/trainconf-leases"
QUEUE = "queue"
QUEUE_LOCK = "door"  # all versions must use the same name
FOREIGN = (errno.EPERM, errno.EACCES, errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENODEV)
_opened: dict[str, int] = {}  # folders that this process has claims in


def default_dir() -> str:
    """The folder that all users of this machine share; one's own where it is another user's, who could take away what is leased in it."""
    try:
        _refuse_untrusted(SHARED_DIR, of_anybody=False)
    except FileNotFoundError:
        return SHARED_DIR
    except OSError:
        return f"{SHARED_DIR}-{os.getuid()}"
    return SHARED_DIR


def open_once(directory: str) -> None:
    """Make a folder of leases usable, and keep it open, which marks it as used, for all claims of this process. Raises OSError."""
    fd = _opened.pop(directory, -1)
    try:
        is_there = fd >= 0 and os.path.samestat(os.fstat(fd), os.stat(directory))
    except FileNotFoundError:
        is_there = False  # it was removed
    if not is_there:
        if fd >= 0:
            os.close(fd)
        prepare(directory)
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try_lock(fd, fcntl.LOCK_SH)
    _opened[directory] = fd


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
    make_shared(os.path.join(directory, QUEUE_LOCK))


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


def user_name(uid: int) -> str:
    """The name of a user; the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def open_shared(path: str) -> int:
    """Open a lock file that all users share. A plain O_CREAT is refused in sticky folders (proc(5), protected_regular).

    Raises OSError, with a number of FOREIGN for what is no lock file or cannot be opened by us.
    """
    while True:
        try:
            return open_plain(path)
        except FileNotFoundError:
            make_shared(path)


def open_plain(path: str) -> int:
    """Open a file that may be anything, and anybody's. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EPERM, "is no plain file", path)


def make_shared(path: str) -> None:
    """Put an empty file that everybody may open in place, in one step, unless it is there."""
    if os.path.lexists(path):
        return
    temp = f"{path}.{random_suffix()}.tmp"
    fd = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o666)
        os.link(temp, path)
    except FileExistsError:
        return
    finally:
        os.close(fd)
        os.unlink(temp)


def random_suffix() -> str:
    """Part of a name that nobody can have planted before."""
    return f"{os.getpid()}.{os.urandom(8).hex()}"


def try_lock(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: str) -> bool:
    """Whether a ticket is one, and somebody has it."""
    try:
        fd = open_plain(path)
    except OSError:
        return False
    try:
        return not try_lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # gone already, or another user's in a sticky folder: a dead ticket only costs a look
