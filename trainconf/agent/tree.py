"""Which processes belong to a run, and ending them all: descendants, orphans, and whoever carries the run's id.

A rank may fork, daemonise, start sessions. Three marks find them again: descent from a rank (orphans come back to the agent,
which is a child subreaper), the session of a rank, and TRAINCONF_RUN_ID in the environment they were started with.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

PR_SET_CHILD_SUBREAPER = 36  # prctl(2), Linux 3.4
_DEAD = (b"Z", b"X", b"x")


def become_subreaper() -> bool:
    """Have orphaned descendants come back to this process; False where the system or this Python cannot."""
    words = (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        from _ctypes import call_function, dlopen, dlsym  # what `ctypes` is made of; the whole is 4 ms of every agent

        libc = dlopen(None, 0)  # type: ignore[arg-type]  # dlopen(3): what this program has loaded already
        return bool(call_function(dlsym(libc, "prctl"), words) == 0)
    except (ImportError, OSError, TypeError):
        return _become_subreaper_by_ctypes(words)


def _become_subreaper_by_ctypes(words: tuple[int, ...]) -> bool:
    """The public way, for a Python whose inside is another."""
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(*words) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def children() -> set[int] | None:
    """The pids of this process' children, zombies included; None where the kernel does not list them (proc(5), Linux 4.2)."""
    pid = os.getpid()
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as stream:
            return set(map(int, stream.read().split()))
    except OSError:
        return None


def carriers(run_id: str) -> set[int]:
    """Living processes that were started with TRAINCONF_RUN_ID=<run_id>, this one excepted; any parent, any session."""
    mark = b"\0TRAINCONF_RUN_ID=" + os.fsencode(run_id) + b"\0"
    return {pid for pid in _pids() if _carries(pid, mark)}


def members(run_id: str | None, ranks: Collection[int], *, with_orphans: bool) -> set[int]:
    """Every living process of a run, this one excepted; of those that only carry its id none, if that is None.

    `ranks` are the pids of its ranks, ended ones included. `with_orphans` counts every child of this process, which is right
    when it has one run only. A zombie counts while it is this process' to reap: its exit code and usage are not collected yet.
    """
    me = os.getpid()
    living: dict[int, tuple[int, int]] = {}  # pid: (parent, session)
    for pid in _pids():
        found = _read_stat(pid)
        if found is not None and (found[0] not in _DEAD or int(found[1]) == me):
            living[pid] = int(found[1]), int(found[3])
    mark = None if run_id is None else b"\0TRAINCONF_RUN_ID=" + os.fsencode(run_id) + b"\0"
    # A pid that was given anew to a stranger is not a rank's any more: then its holder is not our child.
    sessions = {rank for rank in ranks if rank not in living or living[rank][0] == me}
    mine = {
        pid for pid, (parent, session) in living.items()
        if (session in sessions and pid != me) or (with_orphans and parent == me) or (mark is not None and _carries(pid, mark))
    }  # fmt: skip
    grown = True
    while grown:
        heirs = {pid for pid, (parent, _) in living.items() if parent in mine and pid not in mine and pid != me}
        mine |= heirs
        grown = bool(heirs)
    return mine


def send(pids: Collection[int], number: int) -> None:
    """Send a signal to each; one that is gone, or has become another user's, is passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def session_of(pid: int) -> int:
    """The session of a process, zombies included; 0 when it is gone."""
    found = _read_stat(pid)
    return int(found[3]) if found else 0


def _pids() -> list[int]:
    me = os.getpid()
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid != me]


def _read_stat(pid: int) -> list[bytes] | None:
    """The fields of /proc/PID/stat from the state on (proc(5): field 3 is at 0 here), or None."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as stream:
            text = stream.read()
    except OSError:
        return None
    return text[text.rindex(b")") + 2 :].split()


def _carries(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as stream:
            return mark in b"\0" + stream.read()
    except OSError:
        return False
