"""Ends what is left of a run on this machine when its agent is killed: a process that sleeps until then.

A scheduler that follows processes by descent, and not by control group, loses sight of a job's processes together with their parent.
"""

from __future__ import annotations

import os
import time

from trainconf.agent import tree
from trainconf.agent.signals import signal

LOOK_AGAIN_SECONDS = 0.05


def post(run_id: str, grace_s: float) -> int:
    """Start the guard, as patient as the agent; the descriptor that keeps it quiet: to be closed after `dismiss`, or by our death.

    Called before this process becomes a subreaper and has threads or children, for the guard shall be none of them.
    """
    quiet, alive = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0:
                os.close(alive)
                _stand(run_id, grace_s, quiet)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(quiet)
    return alive


def dismiss(alive: int) -> None:
    """All is ended as it should be."""
    os.write(alive, b".")
    os.close(alive)


def _stand(run_id: str, grace_s: float, quiet: int) -> None:
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    nowhere = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    if os.read(quiet, 1):
        return
    kill_at = time.monotonic() + grace_s
    told: set[int] = set()
    left = tree.members(run_id, (), with_orphans=False)
    while left:
        if time.monotonic() >= kill_at:
            tree.send(left, signal.SIGKILL)
        else:
            tree.send(left - told, signal.SIGTERM)
            told |= left
        time.sleep(LOOK_AGAIN_SECONDS)
        left = tree.members(run_id, (), with_orphans=False)
