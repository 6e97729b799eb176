"""Who waits for leases, and who holds them: read for people, without taking part."""

from __future__ import annotations

import os
import stat

from trainconf.agent.leases import shared_folder
from trainconf.agent.leases.claim import DIGITS, ticket_name, tickets
from trainconf.agent.leases.shared_folder import QUEUE, QUEUE_LOCK, user_name
from trainconf.fast.records import Record

LEASES = ("slot-", "gpu-")


class Holder(Record):
    """Who holds some of the lock files. `run_dir` is that of a run or of a sweep; empty where the holder is no agent, or not known.

    pid: 0 where something that is no lock file stands in a place. program: of a process that is no agent; empty for one that is gone.
    """

    names: list[str]
    pid: int
    user: str
    run_dir: str = ""
    program: str = ""

    def __str__(self) -> str:
        names = ", ".join(self.names)
        if not self.pid:
            return f"{names}: no lock, but something of {self.user}'s"
        what = os.path.basename(self.run_dir) or self.program
        return f"{names}: {what} (pid {self.pid} of {self.user})" if what else f"{names}: what is left of a run whose agent is gone"


class Waiter(Record):
    """A run that waits. `place` is 1 for the next one to be served; `since` is in seconds since the epoch."""

    place: int
    run_id: str
    user: str
    since: float


def waiters(directory: str) -> list[Waiter]:
    """Every run that waits, in the order in which they are served."""
    found: list[Waiter] = []
    for _, name in tickets(directory):
        path = os.path.join(directory, QUEUE, name)
        try:
            status = os.lstat(path)
        except OSError:
            continue  # it was served meanwhile
        if shared_folder.is_held(path):
            found.append(Waiter(len(found) + 1, name[DIGITS + 1 :], user_name(status.st_uid), status.st_mtime))
    return found


def place(directory: str, run_id: str) -> int | None:
    """The place of a run in the queue, 1 for the next one to be served; None when it does not wait."""
    ahead = 0
    for number, name in tickets(directory):
        if not shared_folder.is_held(os.path.join(directory, QUEUE, name)):
            continue
        ahead += 1
        if name == ticket_name(number, run_id):
            return ahead
    return None


def holders(directory: str) -> list[str]:
    """Who holds leases, or the lock on the way into the queue: the run or program, its pid and user. Empty if nobody can tell."""
    return [str(holder) for holder in holding(directory)]


def holding(directory: str) -> list[Holder]:
    """The same as records."""
    try:
        with open("/proc/locks", encoding="ascii") as stream:
            lines = [line.split() for line in stream if " FLOCK " in line and "->" not in line]
        names = sorted(name for name in os.listdir(directory) if name == QUEUE_LOCK or name.startswith(LEASES))
        stats = {name: os.lstat(os.path.join(directory, name)) for name in names}
    except OSError:
        return []
    inodes = {each.st_ino: name for name, each in stats.items()}
    foreign = [Holder([name], 0, user_name(each.st_uid)) for name, each in stats.items() if not stat.S_ISREG(each.st_mode)]
    found: dict[int, list[str]] = {}
    for line in lines:
        name = inodes.get(int(line[5].rpartition(":")[2]))
        if name is not None:
            found.setdefault(int(line[4]), []).append(name)
    return foreign + [_holder(pid, names) for pid, names in sorted(found.items(), key=lambda each: each[1])]


def _holder(pid: int, names: list[str]) -> Holder:
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            argv = [os.fsdecode(argument) for argument in stream.read().split(b"\0") if argument]
    except OSError:
        return Holder(names, pid, "")
    if not argv:
        return Holder(names, pid, user_name(uid))
    for place, argument in enumerate(argv[:-1]):
        if argument.endswith("agent/__main__.py"):  # the folder follows, and then maybe options
            return Holder(names, pid, user_name(uid), run_dir=argv[place + 1])
    return Holder(names, pid, user_name(uid), program=os.path.basename(argv[0]))
