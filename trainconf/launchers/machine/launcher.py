"""What the targets of this machine share: slots and GPUs by lease, and an agent that outlives whoever submitted the run.

The agent is a process in a session of its own. The plan says what it carries out: processes or containers.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from trainconf import files, launchers
from trainconf.agent import job_folders
from trainconf.agent.leases import shared_folder
from trainconf.errors import ConfigError, LaunchError, Mistake, StorageError
from trainconf.history import events, liveness
from trainconf.launchers.job import checks
from trainconf.launchers.machine.agent_process import WaitingAgent, agent_of, grace_of, start_agent, wake_agent
from trainconf.launchers.machine.sweep import TrialPool
from trainconf.launchers.protocol import Job, Launcher, LaunchPlan, RankPlan, RunHandle
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from trainconf.files import FileLock
    from trainconf.history.liveness import State
    from trainconf.launchers.machine.gpus import DeviceLister

WATCHDOG_SECONDS = 10.0  # besides the grace, for the watchdog of an agent that was killed


class AgentLauncher(Launcher):
    """All of a launcher but `plan`."""

    def __init__(self, devices: DeviceLister | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._devices = devices
        self._waiting: WaitingAgent | None = None

    def get_ready(self, paths: RunPaths, lock: FileLock, secrets: Mapping[str, str]) -> None:
        """Start the agent: its interpreter takes as long as what is left to do here."""
        self._waiting = WaitingAgent(paths, lock, self._environ, secrets)

    def give_up(self) -> None:
        """End the agent that `get_ready` has started."""
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.stop()

    def submit(self, plan: LaunchPlan, lock: FileLock, secrets: Mapping[str, str]) -> RunHandle:
        """Write plan.json and let the agent begin; or start one, which inherits the lock."""
        paths = self.stage(plan)
        return RunHandle(paths, self._begin(paths, lock, secrets))

    def _begin(self, paths: RunPaths, lock: FileLock, secrets: Mapping[str, str]) -> int:
        """Let the agent that waits begin, or start one, which inherits the lock; its pid."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None and (pid := waiting.begin()) is not None:
            lock.release()
            return pid
        return start_agent(paths, lock, self._environ, secrets)

    def stage(self, plan: LaunchPlan) -> RunPaths:
        """Write plan.json, and make the folder of the leases."""
        paths = super().stage(plan)
        try:
            if plan.slots is not None:
                shared_folder.prepare(plan.slots["dir"])
        except OSError as error:
            raise StorageError.from_os_error(error, "the run cannot be prepared") from error
        return paths

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
        home = handle.paths
        self._cancel(home, force=force)
        if os.path.exists(home.sweep) and not files.is_locked(home.lock):  # its agent is gone: each trial is ended here
            from trainconf.history.find import trials_of

            for paths in trials_of(home):
                launchers.of_run(paths).cancel(RunHandle(paths), force=force)

    def check_sweep(self, compute: Mapping[str, Any], node_count: int) -> list[Mistake]:
        return []

    def concurrent_runs(self, compute: Mapping[str, Any], limit: int) -> int:
        return limit or max(1, _slots(compute) // int(compute.get("cpus", 1)))

    def pool(self, home: RunPaths, lock: FileLock, secrets: Mapping[str, str], compute: Mapping[str, Any], limit: int) -> TrialPool:
        """One agent carries out all trials; `sweep.json` has the limit."""
        return TrialPool.start(self, home, lambda: self._begin(home, lock, secrets))

    def open_pool(self, home: RunPaths, secrets: Mapping[str, str]) -> TrialPool:
        """One agent carries out what it is given; a further controller feeds it, or starts another one when it has ended."""
        return TrialPool.open(self, home, self._environ, secrets)

    def can_hold(self, home: RunPaths) -> bool:
        return True

    def hold(self, trials: Sequence[RunPaths], *, is_held: bool) -> None:
        """Their agent takes no further one, and gives those back that wait for a slot."""
        home = RunPaths(os.path.dirname(liveness.lock_of(trials[0])))
        try:
            if is_held:
                os.close(files.open_regular(home.held, os.O_WRONLY | os.O_CREAT))
            else:
                with suppress(FileNotFoundError):
                    os.unlink(home.held)
        except OSError as error:
            raise StorageError.from_os_error(error, "the sweep's folder cannot be written") from error
        if not wake_agent(home, agent_of(home)) and not is_held:
            again = f"trainconf rerun --where 'sweep == \"{home.run_id}\" and status == NotResponding'"
            raise LaunchError("the agent that its trials wait for is gone", ("sweep", home.run_id), hint=again)

    def _cancel(self, paths: RunPaths, *, force: bool) -> None:
        try:
            # Recorded first: an agent that starts just now publishes its identity first and then looks for requests.
            attempt = events.request_cancel(paths, force=force)
            if attempt is None:
                return
            agent = agent_of(paths)
            if not wake_agent(paths, agent):
                self._end_without_agent(paths, attempt, had_agent=agent is not None, force=force)
        except OSError as error:
            raise StorageError.from_os_error(error, "the cancellation cannot be recorded") from error

    def _end_without_agent(self, paths: RunPaths, attempt: int, *, had_agent: bool, force: bool) -> None:
        """The agent is gone: end what is left of the run. The lock keeps a second canceller out.

        The watchdog of a killed agent holds it while it ends what is left. Before there is an agent, whoever starts one holds it.
        """
        lock = files.FileLock(liveness.lock_of(paths))
        give_up_at = time.monotonic() + (grace_of(paths) + WATCHDOG_SECONDS if had_agent else 0.0)
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
            reason = f"{events.why_canceled(paths)}; its agent was gone{left}"
            events.append(paths, "Canceled", attempt, exit_code=None, reason=reason, **job_folders.put_away_later(paths, "Canceled"))
        finally:
            lock.release()

    def _end_leftovers(self, paths: RunPaths, grace_seconds: float) -> str:
        """End what is left of a run that has lost its agent; a description of that. Raises OSError, TrainconfError."""
        return ""

    def _plan(self, job: Job, argv: list[str], ranks: list[RankPlan], env: dict[str, str], **more: Any) -> LaunchPlan:
        """The plan of a run whose ranks are known; `argv` is that of each, `more` the target's own fields. Raises ConfigError."""
        slots, gpus = self._leases(job)
        checks.check(job, argv)
        return LaunchPlan.of(self.name, job, ranks, env, slots=slots, gpus=gpus, **more)

    def _leases(self, job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
        """`slots` and `gpus` of the plan. Raises ConfigError for more than there are."""
        compute, wanted = job.compute, job.spec.compute
        count = _slots(compute)
        devices: list[str] = []
        if wanted.gpus:
            given = compute.get("gpu_devices")
            devices = list(dict.fromkeys(self._lister().devices() if given is None else map(str, given)))
        mistakes = []
        if wanted.cpus > count:
            mistakes.append(Mistake(
                f"compute.cpus={wanted.cpus}, but this machine has {count} slot{'s' * (count != 1)} for all runs together",
                ("allowed", f"1 to {count}"), hint="ask for fewer, or set compute.slots if that count is wrong",
            ))
        if wanted.gpus > len(devices):
            mistakes.append(Mistake(
                f"compute.gpus={wanted.gpus}, but {len(devices) or 'no'} GPU{'s' * (len(devices) != 1)} can be leased here",
                ("found", ", ".join(devices) or "none"), ("from", self._device_source(compute)),
                hint="name them with compute.gpu_devices, or ask for fewer",
            ))
        lease_dir = os.path.expanduser(compute.get("lease_dir") or shared_folder.default_dir())
        if not os.path.isabs(lease_dir):
            mistakes.append(Mistake(
                f"compute.lease_dir={lease_dir} would be another folder for every folder a run is submitted from",
                ("allowed", "an absolute path, or one that begins with ~"),
            ))
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


def _slots(compute: Mapping[str, Any]) -> int:
    """Slots of this machine for all runs together."""
    return int(compute.get("slots") or len(os.sched_getaffinity(0)))
