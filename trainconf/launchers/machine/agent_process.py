"""The process of an agent on this machine: start it, recognise it beyond doubt, send it signals."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from trainconf import files
from trainconf.errors import LaunchError
from trainconf.fast.stdlib import signal
from trainconf.history import events, liveness
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from trainconf.files import FileLock

GRACE_SECONDS = 10.0  # for what is left of a run that has lost its agent and its plan


class WaitingAgent:
    """An agent that gets ready while its run is being made. When we end without a word, so does it."""

    def __init__(self, paths: RunPaths, lock: FileLock, environ: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        """Start it. Raises LaunchError."""
        self.run_dir = paths.run_dir
        waits_on, self._go = os.pipe()
        try:
            os.makedirs(paths.logs, exist_ok=True)
            self._pid = _spawn(paths, lock, environ, secrets, waits_on)
        except BaseException:
            os.close(self._go)
            raise
        finally:
            os.close(waits_on)

    def begin(self) -> int | None:
        """Let it carry out the run; its pid. None when it has ended, and agent.log tells why."""
        try:
            os.write(self._go, b".")
        except BrokenPipeError:
            self.stop()
            return None
        os.close(self._go)
        return self._pid

    def stop(self) -> None:
        """End it: there will be no run."""
        os.close(self._go)
        os.waitpid(self._pid, 0)


def start_agent(paths: RunPaths, lock: FileLock, environ: Mapping[str, str], secrets: Mapping[str, str]) -> int:
    """Start the agent of a run or a sweep, in a session of its own; its pid. The lock is its from here on. Raises LaunchError."""
    try:
        return _spawn(paths, lock, environ, secrets)
    finally:
        lock.release()


def _spawn(
    paths: RunPaths, lock: FileLock, environ: Mapping[str, str], secrets: Mapping[str, str], waits_on: int | None = None
) -> int:  # fmt: skip
    """Start an agent that has the lock as we have it; its pid. Raises LaunchError."""
    from trainconf.agent.signals import GO_FD, LOCK_FD, SIGNALS
    from trainconf.distributed.inherited import without_place
    from trainconf.fast.spawn import own_command, spawn

    argv = [*own_command(), paths.run_dir, *(["--wait"] if waits_on is not None else [])]
    fds: list[int] = []
    try:
        fds.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        fds.append(files.open_regular(paths.agent_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
        # Blocked from birth: a signal that comes before the agent can take it must wait, not kill.
        env, given = {**without_place(environ), **secrets}, [fds[0], fds[1], fds[1], lock.fd]
        assert given[LOCK_FD] == lock.fd
        if waits_on is not None:
            given.append(waits_on)
            assert given[GO_FD] == waits_on
        return spawn(sys.executable, argv, env, given, blocked=SIGNALS)
    except OSError as error:
        raise LaunchError(f"the agent cannot be started: {error.strerror}", ("program", argv[0]), ("log", paths.agent_log)) from error
    finally:
        for fd in fds:
            os.close(fd)


def wake_agent(paths: RunPaths, who: Mapping[str, Any] | None) -> bool:
    """Send SIGUSR1 to the agent of a run, as `agent_of` names it; False when it does not live on this machine.

    A stopped agent gets SIGCONT, too: it could not obey otherwise.
    """
    if who is None or not _is_agent_of(who, paths):
        return False
    try:
        return send(who, signal.SIGUSR1, signal.SIGCONT)
    except PermissionError as error:
        raise LaunchError("the run's agent belongs to another user", ("pid", str(who["pid"]))) from error


class AgentWaker:
    """Wakes one agent, again and again: who it is, is made sure of once."""

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self._fd = -1  # whatever becomes of the number, this is the process that was made sure of
        self._before = agent_of(paths)
        self._is_lost = False

    def has_lost(self) -> bool:
        """Whether the agent has ended, one that has come since this was made."""
        try:
            if self._fd >= 0:
                signal.pidfd_send_signal(self._fd, 0)
                return False
        except ProcessLookupError:
            self.close()
            self._is_lost = True
        who = None if self._is_lost else agent_of(self._paths)
        self._is_lost |= who is not None and who != self._before and liveness.is_alive(who) is False
        return self._is_lost

    def wake(self) -> None:
        """As `wake_agent`; nothing where there is no agent."""
        if self._fd < 0:
            who = agent_of(self._paths)
            if wake_agent(self._paths, who) and who is not None:
                self._keep(who)
            return
        try:
            for number in (signal.SIGUSR1, signal.SIGCONT):
                signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            self.close()
            self._is_lost = True

    def _keep(self, who: Mapping[str, Any]) -> None:
        if not hasattr(signal, "pidfd_send_signal"):
            return
        with suppress(OSError, AttributeError):  # it has just ended, or a kernel before 5.3, or a Python built for one
            self._fd = os.pidfd_open(who["pid"])
        if self._fd >= 0 and not liveness.is_alive(dict(who)):
            self.close()

    def close(self) -> None:
        """Let go of it. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def send(who: Mapping[str, Any], *numbers: int) -> bool:
    """Send signals to the process with this identity; False when it is not alive on this machine. Raises PermissionError."""
    try:
        fd = os.pidfd_open(who["pid"])  # from here on the number cannot become another process'
    except ProcessLookupError:
        return False
    except (OSError, AttributeError):  # a kernel before 5.3, or a Python built for one
        fd = -1
    try:
        for number in numbers:
            if not liveness.is_alive(dict(who)):
                return False
            if fd >= 0 and hasattr(signal, "pidfd_send_signal"):
                signal.pidfd_send_signal(fd, number)
            else:
                os.kill(who["pid"], number)
    except ProcessLookupError:
        return False
    finally:
        if fd >= 0:
            os.close(fd)
    return True


def _is_agent_of(who: Mapping[str, Any], paths: RunPaths) -> bool:
    """Whether a process is the run's agent: it has the lock open, or was started for the folder of the run or its sweep.

    Anybody could have written another process into the events.
    """
    pid, lock = who.get("pid"), liveness.lock_of(paths)
    if not isinstance(pid, int):
        return False
    with suppress(OSError):
        mark = os.stat(lock)
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{pid}/fd/{fd}"), mark):
                    return True
    from trainconf.fast.spawn import AGENT

    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as stream:
        argv = os.fsdecode(stream.read()).split("\0")
        folders = {os.path.realpath(folder) for folder in (paths.run_dir, os.path.dirname(lock))}
        return any(word.endswith(AGENT) for word in argv) and any(os.path.realpath(word) in folders for word in argv if word)
    return False


def without_folder(runs: str) -> dict[str, list[dict[str, Any]]]:
    """The agents on this machine whose run's folder somebody has removed from `runs`: their identities, by the id of the run."""
    from trainconf.fast.spawn import AGENT

    found: dict[str, list[dict[str, Any]]] = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as stream:
            argv = os.fsdecode(stream.read()).split("\0")
            place = next((place for place, word in enumerate(argv[:-1]) if word.endswith(AGENT)), -1)
            run_dir = argv[place + 1] if place >= 0 else ""
            folder = os.path.dirname(os.path.dirname(run_dir))
            if run_dir and os.path.realpath(folder) == os.path.realpath(runs) and not os.path.isdir(run_dir):
                found.setdefault(os.path.basename(run_dir), []).append(liveness.identity(int(pid)))
    return found


def agent_of(paths: RunPaths) -> dict[str, Any] | None:
    """The identity of the latest agent, from the run's events, or from its sweep's for a trial that has not started."""
    home = RunPaths(os.path.dirname(liveness.lock_of(paths)))
    for source in (paths, home) if home.run_dir != paths.run_dir else (paths,):
        found = liveness.agent_in(events.read(source))
        if found is not None:
            return found
    return None


def grace_of(paths: RunPaths) -> float:
    """Seconds between SIGTERM and SIGKILL, by the run's plan."""
    try:
        return float(files.read_json(paths.plan)["grace_seconds"])
    except (OSError, ValueError, TypeError, KeyError):
        return GRACE_SECONDS
