"""Ends what is left of a run on this machine when its agent is killed: a process that sleeps until then.

A scheduler that follows processes by descent, and not by control group, loses sight of a job's processes together with their parent. Where
it is known to follow them by group, nobody stands guard: two forks of an interpreter are a tenth of a short task's time.
"""

from __future__ import annotations

import os
import time

from trainconf.agent import tree
from trainconf.agent.log import say
from trainconf.agent.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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
    """All is ended as it should be. Whoever stood guard may have been killed."""
    try:
        os.write(alive, b".")
    except BrokenPipeError:
        say("the guard of this agent was killed before it")
    finally:
        os.close(alive)


def stay_behind(grace_s: float) -> tuple[int, int]:
    """Go on as a process of a session of its own, while the one that was started stays and does nothing but end with it.

    For an agent whose parent, or what that is told by, kills it at will. Two descriptors: the first comes to its end when the one that
    stayed is gone; `dismiss` of the second ends that, and else, when this one was killed, it ends all its descendants politely first.
    """
    quiet, alive = os.pipe()
    there, here = os.pipe()
    tree.become_subreaper()
    if os.fork() == 0:
        os.close(quiet)
        os.close(here)
        os.setsid()
        return there, alive
    try:
        os.close(alive)
        os.close(there)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)  # mpirun passes on what it is sent itself
        if os.read(quiet, 1):
            os._exit(0)
        _end_all(_descendants, grace_s)
    finally:
        os._exit(1)


def _descendants() -> set[int]:
    """Living ones; a subreaper's own."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return tree.members(None, (), with_orphans=True)
        except ChildProcessError:
            return set()


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
    _end_all(lambda: tree.members(run_id, (), with_orphans=False), grace_s)


def _end_all(living: Callable[[], set[int]], grace_s: float) -> None:
    """SIGTERM once to each process there is, SIGKILL after the grace, until none is left."""
    kill_at = time.monotonic() + grace_s
    told: set[int] = set()
    left = living()
    while left:
        if time.monotonic() >= kill_at:
            tree.send(left, signal.SIGKILL)
        else:
            tree.send(left - told, signal.SIGTERM)
            told |= left
        time.sleep(LOOK_AGAIN_SECONDS)
        left = living()
