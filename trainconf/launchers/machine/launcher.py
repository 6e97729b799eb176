"""What the targets of this machine share: slots and GPUs by lease, and an agent that outlives whoever submitted the run.

The agent is a process of its own session; what it carries out, processes or containers, the plan says.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

from trainconf import files
from trainconf.agent import job_folders, leases
from trainconf.errors import ConfigError, LaunchError, Mistake, StorageError
from trainconf.history import events, liveness
from trainconf.launchers.protocol import Job, LaunchPlan, RankPlan, RunHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from trainconf.files import FileLock
    from trainconf.history.liveness import State
    from trainconf.launchers.machine.gpus import DeviceLister
    from trainconf.paths import RunPaths

AGENT = os.fsencode(os.path.join("agent", "__main__.py"))
GUARD_SECONDS = 10.0  # besides the grace, for the guard of an agent that was killed
GRACE_SECONDS = 10.0  # for what is left of a run that has lost its agent and its plan


class AgentLauncher:
    """All of `trainconf.launchers.protocol.Launcher` but `plan`; by itself it minds sweeps, whose trials are others' to mind."""

    name = "agent"

    def __init__(self, devices: DeviceLister | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._devices = devices

    def submit(self, plan: LaunchPlan, lock: FileLock, secrets: Mapping[str, str]) -> RunHandle:
        """Write plan.json and start an agent, which inherits the lock."""
        from trainconf.paths import RunPaths

        paths = RunPaths(plan.run_dir)
        self.stage(plan)
        return RunHandle(paths, start_agent(paths, lock, self._environ, secrets))

    def stage(self, plan: LaunchPlan) -> None:
        """Write plan.json, for an agent that is started later or runs already. Raises StorageError."""
        from trainconf.paths import RunPaths

        paths = RunPaths(plan.run_dir)
        try:
            os.makedirs(paths.logs, exist_ok=True)
            files.write_atomic(paths.plan, files.dumps(plan.to_dict()), durable=False)
            if plan.slots is not None:
                leases.prepare(plan.slots["dir"])
        except OSError as error:
            raise StorageError.from_os_error(error, "the run cannot be prepared") from error

    def state(self, handle: RunHandle) -> State:
        return liveness.state_of(handle.paths)

    def wait(self, handle: RunHandle) -> State:
        """Wait until the lock comes free, and for the agent if it is our child. A trial shares its sweep's lock: its events are watched."""
        paths = handle.paths
        if handle.agent_pid is not None:
            with suppress(ChildProcessError):  # another process' child, or somebody has waited for it
                os.waitpid(handle.agent_pid, 0)
        lock = liveness.lock_of(paths)
        if lock == paths.lock:
            files.wait_unlocked(lock)
            return self.state(handle)
        pause = 0.01
        while True:
            state = self.state(handle)
            if state.is_final or state.status == "NotResponding":
                return state
            time.sleep(pause)
            pause = min(0.25, pause * 1.5)

    def cancel(self, handle: RunHandle, *, force: bool = False) -> None:
        """Record the request and tell the agent; without one, end what is left and record Canceled. Raises StorageError."""
        paths = handle.paths
        latest = events.last(paths)
        if latest is not None and latest["state"] in events.TERMINAL:
            return
        attempt = 1 if latest is None else int(latest["attempt"])
        try:
            # Recorded first: an agent that starts just now publishes its identity first and then looks for requests.
            events.request_cancel(paths, force=force)
            if not tell_agent(paths):
                self._end_without_agent(paths, attempt, force=force)
        except OSError as error:
            raise StorageError.from_os_error(error, "the cancellation cannot be recorded") from error

    def _end_without_agent(self, paths: RunPaths, attempt: int, *, force: bool) -> None:
        """The agent is gone: end what is left of the run. The lock keeps a second canceller out.

        The guard of an agent that was killed holds it while it ends what is left; before there is an agent, whoever holds it starts one.
        """
        lock = files.FileLock(liveness.lock_of(paths))
        give_up_at = time.monotonic() + (grace_of(paths) + GUARD_SECONDS if _agent_of(paths) is not None else 0.0)
        while not lock.acquire(blocking=False):
            if time.monotonic() >= give_up_at:
                return
            time.sleep(0.02)
        try:
            latest = events.last(paths)
            if latest is not None and latest["state"] in events.TERMINAL:
                return
            ended = self._end_leftovers(paths, 0.0 if force else grace_of(paths))
            left = f"; {ended}" if ended else ""
            reason = f"cancellation was requested; its agent was gone{left}"
            events.append(paths, "Canceled", attempt, exit_code=None, reason=reason, **job_folders.put_away_later(paths))
        finally:
            lock.release()

    def _end_leftovers(self, paths: RunPaths, grace_seconds: float) -> str:
        """End what is left of a run that has lost its agent; what that was, in words. Raises OSError, TrainconfError."""
        return ""

    def _plan(self, job: Job, words: list[str], ranks: list[RankPlan], env: dict[str, str], **more: Any) -> LaunchPlan:
        """The plan of a run whose ranks are known; `words` is the program of each, `more` the target's own. Raises ConfigError."""
        slots, gpus = self._leases(job)
        refuse_nul(words)
        refuse_broken_patterns(job.stdout_metrics)
        return LaunchPlan.of(self.name, job, ranks, env, slots=slots, gpus=gpus, **more)

    def _leases(self, job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
        """`slots` and `gpus` of the plan. Raises ConfigError for more than there are."""
        compute, wanted = job.compute, job.spec.compute
        count = compute.get("slots") or len(os.sched_getaffinity(0))
        devices: list[str] = []
        if wanted.gpus:
            given = compute.get("gpu_devices")
            devices = list(dict.fromkeys(self._lister().devices() if given is None else map(str, given)))
        mistakes = []
        if wanted.cpus > count:
            mistakes.append(
                Mistake(
                    f"compute.cpus={wanted.cpus}, but this machine has {count} slot{'s' * (count != 1)} for all runs together",
                    ("allowed", f"1 to {count}"), hint="ask for fewer, or set compute.slots if that count is wrong",
                )
            )  # fmt: skip
        if wanted.gpus > len(devices):
            mistakes.append(
                Mistake(
                    f"compute.gpus={wanted.gpus}, but {len(devices) or 'no'} GPU{'s' * (len(devices) != 1)} can be leased here",
                    ("found", ", ".join(devices) or "none"),
                    ("from", self._device_source(compute)),
                    hint="name them with compute.gpu_devices, or ask for fewer",
                )
            )
        lease_dir = os.path.expanduser(compute.get("lease_dir") or leases.default_dir())
        if not os.path.isabs(lease_dir):
            mistakes.append(
                Mistake(
                    f"compute.lease_dir={lease_dir} would be another folder for every folder a run is submitted from",
                    ("allowed", "an absolute path, or one that begins with ~"),
                )
            )
        if mistakes:
            raise ConfigError(mistakes)
        return {"dir": lease_dir, "count": count, "take": wanted.cpus}, {"devices": devices, "take": wanted.gpus}

    def _lister(self) -> DeviceLister:
        if self._devices is None:
            from trainconf.launchers.machine.gpus import NvidiaDevices
            from trainconf.process import processes

            self._devices = NvidiaDevices(self._environ, processes)
        return self._devices

    def _device_source(self, compute: Mapping[str, Any]) -> str:
        if compute.get("gpu_devices") is not None:
            return "compute.gpu_devices"
        visible = self._environ.get("CUDA_VISIBLE_DEVICES")
        return "the NVIDIA driver" if visible is None else f"CUDA_VISIBLE_DEVICES={visible}"


def refuse_nul(words: list[str]) -> None:
    """Raises ConfigError for what no process can be given."""
    wrong = [word for word in words if "\0" in word]
    if wrong:
        raise ConfigError(
            Mistake(f"the argument {word!r} holds a NUL character, which no process can be given",
                    hint="use argument_style=none and read the file TRAINCONF_PARAMS")
            for word in wrong
        )  # fmt: skip


def refuse_broken_patterns(patterns: Mapping[str, str]) -> None:
    """Raises ConfigError for what is no regular expression."""
    import re

    mistakes = []
    for name, pattern in patterns.items():
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            mistakes.append(Mistake(f"stdout_metrics.{name} is not a regular expression: {error}", ("pattern", pattern)))
    if mistakes:
        raise ConfigError(mistakes)


def start_agent(paths: RunPaths, lock: FileLock, environ: Mapping[str, str], secrets: Mapping[str, str]) -> int:
    """Start the agent of a run or a sweep, in a session of its own; its pid. The lock is its from here on. Raises LaunchError."""
    from trainconf.agent.processes.spawn import spawn
    from trainconf.agent.signals import LOCK_FD, SIGNALS
    from trainconf.distributed.inherited import without_place

    argv = [*agent_command(sys.executable), paths.run_dir]
    fds: list[int] = []
    try:
        fds.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        fds.append(os.open(paths.agent_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644))
        # Blocked from birth: a signal that comes before the agent can take it must wait, not kill.
        env, given = {**without_place(environ), **secrets}, (fds[0], fds[1], fds[1], lock.fd)
        assert given[LOCK_FD] == lock.fd
        return spawn(sys.executable, argv, env, given, blocked=SIGNALS)
    except OSError as error:
        raise LaunchError(f"the agent cannot be started: {error.strerror}", ("program", argv[0]), ("log", paths.agent_log)) from error
    finally:
        for fd in fds:
            os.close(fd)
        lock.release()


def tell_agent(paths: RunPaths) -> bool:
    """Send SIGUSR1 to the agent that the run's events name, or its sweep's; False when there is none alive on this machine.

    One that somebody has stopped goes on, for it could not obey.
    """
    who = _agent_of(paths)
    if who is None or not _is_agent_of(who, paths):
        return False
    try:
        return send(who, signal.SIGUSR1, signal.SIGCONT)
    except PermissionError as error:
        raise LaunchError("the run's agent belongs to another user", ("pid", str(who["pid"]))) from error


def send(who: Mapping[str, Any], *numbers: int) -> bool:
    """Send signals to the very process of an identity; False when it does not live on this machine. Raises PermissionError."""
    try:
        fd = os.pidfd_open(who["pid"])  # from here on the number cannot become another process'
    except ProcessLookupError:
        return False
    except (OSError, AttributeError):  # a kernel before 5.3, or a Python built for one: looked at just before
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
    """Whether a process is what events say it is: it has the run's lock open, or was started for the run's folder or its sweep's.

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
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as stream:
        words = stream.read().split(b"\0")
        folders = {os.fsencode(os.path.realpath(folder)) for folder in (paths.run_dir, os.path.dirname(lock))}
        return any(word.endswith(AGENT) for word in words) and any(os.path.realpath(word) in folders for word in words if word)
    return False


def _agent_of(paths: RunPaths) -> dict[str, Any] | None:
    """The identity of the latest agent: the run's own events name it, or, for a trial that has not started, its sweep's."""
    from trainconf.paths import RunPaths

    home = RunPaths(os.path.dirname(liveness.lock_of(paths)))
    for source in (paths, home) if home.run_dir != paths.run_dir else (paths,):
        for event in reversed(events.read(source)):
            if isinstance(event.get("agent"), dict):
                found: dict[str, Any] = event["agent"]
                return found
    return None


def grace_of(paths: RunPaths) -> float:
    """Seconds between SIGTERM and SIGKILL, by the run's plan."""
    try:
        return float(files.read_json(paths.plan)["grace_seconds"])
    except (OSError, ValueError, TypeError, KeyError):
        return GRACE_SECONDS


def agent_command(python: str) -> list[str]:
    """What an agent is started with, but for its folder."""
    import trainconf.agent

    script = os.path.join(os.path.dirname(os.path.abspath(trainconf.agent.__file__)), "__main__.py")
    # -I -S: no user site, no PYTHON* variables, no site-packages; the file system's encoding must be ours all the same
    return [python, "-I", "-S", f"-Xutf8={sys.flags.utf8_mode}", script]
