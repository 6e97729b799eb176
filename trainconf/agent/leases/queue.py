"""Who waits for leases, and who holds them: read for people, without taking part."""

from __future__ import annotations

import os
import stat

from trainconf.agent.leases import shared_folder
from trainconf.agent.leases.claim import ticket_name, tickets
from trainconf.agent.leases.shared_folder import QUEUE, QUEUE_LOCK, user_name


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
    try:
        with open("/proc/locks", encoding="ascii") as stream:
            lines = [line.split() for line in stream if " FLOCK " in line and "->" not in line]
        names = sorted(name for name in os.listdir(directory) if name == QUEUE_LOCK or name.startswith(("slot-", "gpu-")))
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
    holding = [f"{', '.join(names)}: {_who(pid)}" for pid, names in sorted(found.items(), key=lambda each: each[1])]
    return [f"{name}: no lock, but something of {user}'s" for name, user in foreign.items()] + holding


def _who(pid: int) -> str:
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            argv = [os.fsdecode(argument) for argument in stream.read().split(b"\0") if argument]
    except OSError:
        argv = []
    if not argv:
        return "what is left of a run whose agent is gone"
    is_agent = any(argument.endswith("agent/__main__.py") for argument in argv)
    words = [argument for argument in argv if argument[:1] != "-"]
    what = os.path.basename(words[-1]) if is_agent and words else os.path.basename(argv[0])
    return f"{what} (pid {pid} of {user_name(uid)})"
