"""The watchdog of an agent: its parent, which sleeps until the agent ends, and ends what a killed agent has left behind.

Both are child subreapers. A process that loses its parent becomes a child of the agent while the agent lives, and of the watchdog
afterwards, whatever its environment, session or working directory are. So the watchdog finds every process of the job. It also holds the
agent's locks: the run's own from the beginning, and the leases, which the agent sends. They are free only when nothing of the job is left.

A scheduler that follows processes by control group ends them by itself. There is no watchdog then.
"""

from __future__ import annotations

import os
import sys
import time

from trainconf.agent import job_folders
from trainconf.agent.log import say
from trainconf.agent.outcome import signal_name
from trainconf.agent.processes import tree
from trainconf.fast.stdlib import prctl, signal, socket
from trainconf.history import events
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from trainconf.agent.plan import Plan

POLL_SECONDS = 0.05
DEFAULT_GRACE_SECONDS = 10.0
# What is sent to the watchdog is meant for the agent: a scheduler knows no other process of it.
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1)
HOLD, LET_GO = b"+", b"-"
MESSAGE_BYTES = 65536
FDS_A_MESSAGE = 200  # the kernel takes 253 (SCM_MAX_FD, unix(7))


class Watchdog:
    """The watchdog, as its agent knows it; without a channel there is none."""

    def __init__(self, channel: socket.socket | None = None, pid: int = 0) -> None:
        self._channel = channel
        self._pid = pid

    @property
    def is_gone(self) -> bool:
        """Whether there was one, and it has been killed."""
        return self._pid != 0 and os.getppid() != self._pid

    def hold(self, run_dir: str, fds: Sequence[int] = ()) -> None:
        """A run begins that is to be ended with this process; its locks are to be held until `let_go`."""
        for first in range(0, max(1, len(fds)), FDS_A_MESSAGE):
            self._send(HOLD, run_dir, fds[first : first + FDS_A_MESSAGE])

    def let_go(self, run_dir: str) -> None:
        """The run has ended."""
        self._send(LET_GO, run_dir, ())
        if self._pid and not self.is_gone:
            tree.send([self._pid], signal.SIGCONT)  # one that somebody has stopped would keep what it holds

    def _send(self, what: bytes, run_dir: str, fds: Sequence[int]) -> None:
        if self._channel is None:
            return
        rights = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds)
        try:
            self._channel.sendmsg([what + os.fsencode(run_dir)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if fds else [])
        except OSError as error:
            self._channel = None
            say(f"the watchdog of this agent is gone ({error.strerror}): were the agent killed, too, its job would run on")


def start_watchdog(grace_s: float = DEFAULT_GRACE_SECONDS, *, ends_with_watchdog: bool = False) -> Watchdog:
    """Go on as a child, in a session of its own, of this process, which becomes the watchdog and never returns.

    Called before this process has threads or children. The watchdog ends processes with the grace of the runs that go on, or `grace_s` when
    it is told of none. With `ends_with_watchdog` the agent gets SIGTERM when the watchdog is killed.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    tree.become_subreaper()
    parent = os.getpid()
    agent = os.fork()
    if agent:
        ours.close()
        _be_watchdog(agent, theirs, grace_s)
    theirs.close()
    os.setsid()
    if ends_with_watchdog:
        prctl(tree.PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
    return Watchdog(ours, parent)


def _be_watchdog(agent: int, channel: socket.socket, grace_s: float) -> NoReturn:
    status = 1 << 8
    try:
        nothing = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1):  # whoever has the other end waits for the end of the agent's
            os.dup2(nothing, fd)
        os.close(nothing)
        status = _watch(agent, channel, grace_s)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        code = os.waitstatus_to_exitcode(status)
        if code < 0:  # as the agent did, for whoever waits for us
            signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
            os.kill(os.getpid(), -code)
        os._exit(code)


def _watch(agent: int, channel: socket.socket, grace_s: float) -> int:
    """Hold what is sent until the agent has ended and nothing of its runs is left; the agent's wait status."""
    living = [agent]
    for number in PASSED_ON:
        signal.signal(number, lambda number, _: tree.send(living, number))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    held = _hold_what_is_sent(channel)
    os.waitid(os.P_PID, agent, os.WEXITED | os.WNOWAIT)
    living.clear()  # before the number can become another process'
    _, status = os.waitpid(agent, 0)
    if not held and not _descendants():
        return status
    code = os.waitstatus_to_exitcode(status)
    say(f"the agent was ended ({signal_name(-code) if code < 0 else f'code {code}'}); ending what is left of its runs")
    runs = [RunPaths(run_dir) for run_dir in held]
    plans = [_plan(paths) for paths in runs]
    graces = [grace_s if plan is None else plan.grace_seconds for plan in plans]
    count = _end_all(_descendants, max(graces, default=grace_s), lambda: any(map(_is_forced, runs)))
    for paths, plan, grace in zip(runs, plans, graces, strict=True):
        _note_end(paths, count + _end_containers(plan, 0.0 if _is_forced(paths) else grace))
    return status


def _hold_what_is_sent(channel: socket.socket) -> dict[str, list[int]]:
    """The runs that go on when the channel ends, and the descriptors of their locks."""
    held: dict[str, list[int]] = {}
    while True:
        data, rights, _, _ = channel.recvmsg(MESSAGE_BYTES, socket.CMSG_SPACE(4 * FDS_A_MESSAGE))
        if not data:
            return held
        run_dir = os.fsdecode(data[1:])
        if data[:1] == HOLD:
            fds = [int.from_bytes(each[at : at + 4], sys.byteorder) for _, _, each in rights for at in range(0, len(each), 4)]
            held.setdefault(run_dir, []).extend(fds)
        else:
            for fd in held.pop(run_dir, []):
                os.close(fd)


def _plan(paths: RunPaths) -> Plan | None:
    from trainconf.agent.plan import Plan

    try:
        return Plan.load(paths.plan)
    except (OSError, ValueError, TypeError):
        return None


def _is_forced(paths: RunPaths) -> bool:
    """Whether somebody asks for the run's end at once."""
    return bool((events.cancel_request(paths) or {}).get("force"))


def _end_containers(plan: Plan | None, grace_s: float) -> int:
    """End the containers of a run that still live; how many. One that has ended is kept: it alone knows the exit code."""
    if plan is None or plan.engine is None:
        return 0
    from trainconf.engine import leftovers
    from trainconf.engine.client import Engine, EngineError

    try:
        return leftovers.end_living(Engine(plan.engine.address), plan.run_dir, grace_s)
    except EngineError as error:
        say(f"containers that are left cannot be ended: {error}")
        return 0


def _note_end(paths: RunPaths, count: int) -> None:
    """Tell in the run's history what was looked at, and that it is true: nothing is left. One whose end was asked for has it."""
    history = [event for event in events.read(paths) if event["state"] != events.REQUESTED]
    if not history or any(event["state"] in events.TERMINAL for event in history):
        return
    state, attempt = history[-1]["state"], history[-1]["attempt"]
    reason = "its agent was ended and no process of the job is left" + (": its watchdog ended what there was" if count else "")
    try:
        if events.is_cancel_requested(paths):
            facts = {"exit_code": None, **job_folders.put_away_later(paths, "Canceled")}
            events.append(paths, "Canceled", attempt, reason=f"{events.why_canceled(paths)}; {reason}", **facts)
        else:
            events.append(paths, state, attempt, reason=reason, is_lost=True)
    except OSError as error:
        say(f"{paths.run_id}: this cannot be noted ({error.strerror}): {reason}")


def dismiss_shell(alive: int) -> None:
    """All is ended as it should be. Whoever stayed behind may have been killed."""
    try:
        os.write(alive, b".")
    except BrokenPipeError:
        say("the watchdog of this agent was killed before it")
    finally:
        os.close(alive)


def leave_shell_behind(grace_s: float) -> tuple[int, int]:
    """Go on as a process of a session of its own, while the one that was started stays and does nothing but end with it.

    For an agent whose parent kills it at will. Returns two descriptors. The first one comes to its end when the process that stayed is
    gone; `dismiss_shell` of the second one ends that process. When this one was killed, that process ends all its descendants gracefully.
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
                return tree.processes_of_run(None, (), with_orphans=True)
        except ChildProcessError:
            return set()


def _end_all(living: Callable[[], set[int]], grace_s: float, is_forced: Callable[[], bool] = lambda: False) -> int:
    """SIGTERM once to each process there is, SIGKILL after the grace, until none is left; how many there were."""
    kill_at = time.monotonic() + grace_s
    signaled: set[int] = set()
    left = living()
    while left:
        if time.monotonic() >= kill_at or is_forced():
            tree.send(left, signal.SIGKILL)
        else:
            tree.send(left - signaled, signal.SIGTERM)
        signaled |= left
        time.sleep(POLL_SECONDS)
        left = living()
    return len(signaled)
