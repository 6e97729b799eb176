"""Which processes belong to a run: descendants, orphans, and whatever carries the run's marks.

A rank may fork, daemonise, start sessions. Three things find them again: descent from a rank (orphans come back to the agent,
which is a child subreaper), the session of a rank, and the marks that `trainconf.history.left_processes` knows.
"""

from __future__ import annotations

import os

from trainconf.fast.stdlib import prctl, read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

own: set[int] = set()  # processes that the agent has started for itself, and that belong to no run

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36  # prctl(2), Linux 3.4


def become_subreaper() -> bool:
    """Have orphaned descendants come back to this process; False where the system or this Python cannot."""
    return prctl(PR_SET_CHILD_SUBREAPER, 1)


def children() -> set[int] | None:
    """The pids of this process' children, zombies included; None where the kernel does not list them (proc(5), Linux 4.2)."""
    pid = os.getpid()
    try:
        return set(map(int, read_bytes(f"/proc/{pid}/task/{pid}/children").split())) - own
    except OSError:
        return None


def was_own(pid: int) -> bool:
    """Whether a child that has ended was the agent's own, which is then forgotten."""
    is_own = pid in own
    own.discard(pid)
    return is_own


def processes_with_run_id(run_id: str) -> set[int]:
    """Living processes that were started with TRAINCONF_RUN_ID=<run_id>, this one excepted; any parent, any session."""
    from trainconf.history import left_processes

    me = os.getpid()
    return {pid for pid, each in left_processes.scan().items() if each.run_id == os.fsencode(run_id) and pid != me}


def processes_of_run(run_dir: str | None, ranks: Collection[int], *, with_orphans: bool) -> set[int]:
    """Every living process of a run, this one excepted; of those that only carry its marks none, if that is None.

    `ranks` are the pids of its ranks, ended ones included. `with_orphans` counts every child of this process, which is right
    when it has one run only. A zombie counts while it is this process' to reap: its exit code and usage are not collected yet.
    """
    from trainconf.history import left_processes

    me = os.getpid()
    living = left_processes.scan()
    # A pid that was given anew to a stranger is not a rank's any more: then its holder is not our child.
    sessions = {rank for rank in ranks if rank not in living or living[rank].parent == me}
    mine = {
        pid for pid, each in living.items()
        if (each.session in sessions and pid != me) or (with_orphans and each.parent == me and pid not in own)
    }  # fmt: skip
    if run_dir is not None:
        mine |= left_processes.of_run(living, run_dir)
    return left_processes.with_descendants(living, mine)


def send(pids: Collection[int], number: int) -> None:
    """Send a signal to each; one that is gone, or has become another user's, is passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def session_of(pid: int) -> int:
    """The session of a process, zombies included; 0 when it is gone."""
    from trainconf.history import left_processes

    found = left_processes.read_stat(pid)
    return int(found[3]) if found else 0
