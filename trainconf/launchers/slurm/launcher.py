"""compute=slurm: a job of a Slurm cluster, whose batch script becomes our agent on the run's directory. Nothing stays behind here."""

from __future__ import annotations

import os
import shlex
import sys
import time
from contextlib import suppress

from trainconf import files
from trainconf.errors import LaunchError, Mistake, StorageError
from trainconf.history import events, left_processes, liveness
from trainconf.launchers.protocol import Job, Launcher, LaunchPlan, RunHandle
from trainconf.launchers.slurm import ours
from trainconf.launchers.slurm.commands import Controller, in_chunks
from trainconf.launchers.slurm.script import is_job_of
from trainconf.process import TIMED_OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from trainconf.files import FileLock
    from trainconf.history.liveness import State
    from trainconf.launchers.slurm.arrays.chunks import Sending
    from trainconf.launchers.slurm.arrays.sweep import JobPool
    from trainconf.launchers.slurm.queue_cache import QueueCache
    from trainconf.launchers.slurm.submission import Sent
    from trainconf.paths import RunPaths
    from trainconf.process import Processes

_NO_MISTAKE = ("nvalid job id", "already comp", "No error", "not running", "pending")
TRANSITION_S = (0.1, 0.2, 0.5, 1.0, 2.0)
ASKERS_SECONDS = 0.05  # for whoever asks whether a lock is held; its agent may have it, and is not waited for
FORCE_SECONDS = 5.0  # that an agent has to kill everything and say so, before Slurm does it


class SlurmLauncher(Launcher):
    """The launcher of Slurm clusters; see `trainconf.launchers.protocol.Launcher` for what it promises."""

    name = "slurm"
    takes_image_file = True

    def __init__(self, environ: Mapping[str, str] | None = None, processes: Processes | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._processes = processes
        self._checked: tuple[Any, ...] | None = None
        self._runtime = ""  # what makes containers of the job's image; empty for processes
        self._job_environ: dict[str, str] | None = None
        self._answers: dict[tuple[str, str], QueueCache] = {}
        self._send_on_at: dict[str, float] = {}  # by the folder of a sweep, monotonic
        self._senders: dict[str, Sending] = {}  # by the folder of a sweep that is waited for

    def plan(self, job: Job) -> LaunchPlan:
        """What is sent, and what the agent does with it. Raises ConfigError: no client here, options sbatch does not have."""
        from trainconf.launchers.job import argv as command
        from trainconf.launchers.job import env as job_env
        from trainconf.launchers.job.ranks import rank_plans
        from trainconf.launchers.machine.agent_process import agent_command
        from trainconf.launchers.machine.launcher import refuse_broken_patterns, refuse_nul
        from trainconf.launchers.slurm import options as slurm_options
        from trainconf.launchers.slurm import script as slurm_script
        from trainconf.launchers.slurm.commands import clean

        facts = job.compute, job.distributed, job.spec.environment.image, job.spec.code.inputs
        if facts != self._checked:  # the trials of a sweep mostly agree on it
            slurm_options.check(job.compute, self.controller())
            if job.spec.distributed.kind == "mpi":
                from trainconf.launchers import mpi_checks

                mpi_checks.check_slurm(job, self.controller().call)
            self._runtime = self._container_runtime(job)
            self._checked = facts
        words = command.argv(job.spec, job.python)
        refuse_nul(words)
        refuse_broken_patterns(job.stdout_metrics)
        # Every node sees the workspace; of HOME and caches nobody knows.
        if self._job_environ is None:
            self._job_environ = {name: value for name, value in clean(self._environ).items() if name not in ("HOME", "XDG_CACHE_HOME")}
        agent = agent_command(os.path.expanduser(job.compute.get("python") or sys.executable))
        if self._runtime:
            from trainconf.launchers.slurm import containers as slurm_containers

            words = slurm_containers.command(job, self._runtime, words)
        ranks = rank_plans(job, words, self._job_environ)
        batch = slurm_script.batch_of(job, agent, self._environ.get("SLURM_CONF", ""))
        env = job_env.variables(job, self._job_environ)
        if self._runtime or job.spec.distributed.node_count > 1:
            env["TRAINCONF_METRICS"] = job.paths.metrics_folder
        if self._runtime:
            ranks = [slurm_containers.with_log(rank, job, self._runtime) for rank in ranks]
            env = slurm_containers.variables(env, job, self._runtime)
            batch["container"] = self._runtime
        return LaunchPlan.of(
            self.name, job, ranks, env, slots=None, gpus={"devices": [], "take": 0}, batch=batch,
            not_inherited=job_env.not_inherited(job), first_on_path=job_env.first_on_path(job, self._job_environ),
        )  # fmt: skip

    def _container_runtime(self, job: Job) -> str:
        """Raises ConfigError."""
        if job.spec.environment.kind != "image":
            return ""
        from trainconf.launchers.slurm import containers as slurm_containers

        return slurm_containers.check(job, self.controller())

    def submit(self, plan: LaunchPlan, lock: FileLock, secrets: Mapping[str, str]) -> RunHandle:
        """Write plan.json, send the script, record the job's number.

        The job may begin before sbatch answers, however long that takes: the run's lock is let go before, for its agent to take. Meanwhile
        a lock on plan.json says that the run is being sent.
        """
        from trainconf.launchers.slurm import submission as slurm_submission
        assert plan.batch is not None
        paths = self.stage(plan)
        sending = files.FileLock(paths.plan)
        try:
            sending.acquire()
        except OSError as error:
            raise StorageError.from_os_error(error, "the run cannot be prepared") from error
        lock.release()
        ours.note(ours.CLUSTER, self._environ.get("SLURM_CONF", ""))
        try:
            sent = slurm_submission.send(self.controller(), plan.batch, secrets)
            self.record_sent(paths, sent, {"kind": self.name, **plan.batch["cluster"]})
        finally:
            sending.release()
        return RunHandle(paths)

    def record_sent(self, paths: RunPaths, sent: Sent, scheduler: Mapping[str, Any]) -> None:
        """Record which job a run, or a sweep in one job, has become. Raises StorageError; the job is canceled then."""
        facts: dict[str, Any] = {"waiting_for": "scheduler", "scheduler": {**scheduler, "job_id": sent.job_id, "cluster": sent.cluster}}
        if sent.job_id is None:
            facts["reason"] = "Slurm has not answered; whether it has the job shows when it does"
        try:
            _record_unless_begun(paths, facts)
        except OSError as error:
            if sent.job_id:
                self.controller().call("scancel", sent.job_id)
            raise StorageError.from_os_error(error, "the job's number cannot be recorded, so it was canceled") from error
        request = events.cancel_request(paths) if sent.job_id else None
        if request is not None and sent.job_id:  # asked for while it was being sent
            self.tell_jobs(self.controller(), paths.run_id, [sent.job_id], force=bool(request.get("force")))

    def state(self, handle: RunHandle) -> State:
        state = liveness.state_of(handle.paths)
        return state if state.scheduler is None else self.reconcile([(handle.paths, state)])[0]

    def reconcile(self, runs: Sequence[tuple[RunPaths, State]]) -> list[State]:
        """The honest states of runs that their own files leave open: one question for all of a workspace and cluster."""
        return self._settle(runs, at_once=False)

    def poll(self, paths: RunPaths, state: State) -> State:
        """As `reconcile`; of a sweep, this process sends meanwhile what Slurm would not take before."""
        sender = self._sender_of(paths)
        if sender is not None:
            sender()
        return super().poll(paths, state)

    def _sender_of(self, home: RunPaths) -> Sending | None:
        """What sends the rest of a sweep; None when all is sent, and for somebody else's: no script of theirs goes in this user's name."""
        from trainconf.launchers.slurm.arrays.chunks import Sending

        if not ours.is_noted(ours.SWEEP, home.run_dir):
            return None
        return self._senders.setdefault(home.run_dir, Sending(home, self.controller))

    def check_sweep(self, compute: Mapping[str, Any], node_count: int) -> list[Mistake]:
        """Trials that are packed into one job have its CPUs alone."""
        if compute.get("pack", 1) <= 1 or not (compute.get("gpus_per_node") or node_count > 1):
            return []
        what = "GPUs" if compute.get("gpus_per_node") else "several nodes"
        return [Mistake(f"compute.pack={compute['pack']}: trials with {what} cannot share a job", ("allowed", "1"),
                        hint="packing is for short trials on CPUs")]

    def concurrent_runs(self, compute: Mapping[str, Any], limit: int) -> int:
        pack = int(compute.get("pack", 1))
        return pack if pack > 1 else limit

    def pool(self, home: RunPaths, lock: FileLock, secrets: Mapping[str, str], compute: Mapping[str, Any], limit: int) -> JobPool:
        from trainconf.launchers.slurm.arrays.sweep import ArrayPool, PackedPool

        if compute["pack"] > 1:
            return PackedPool(self, home, lock, secrets, self.controller(), compute["pack"])
        return ArrayPool(self, home, lock, secrets, self.controller(), limit)

    def wait(self, handle: RunHandle) -> State:
        """Wait for its last event; Slurm is asked now and then, in case nobody is left to write it."""
        from trainconf.history import follow
        from trainconf.launchers.scheduled import Looking

        return follow.wait(handle.paths, look=Looking(self))

    def cancel(self, handle: RunHandle, *, force: bool = False) -> None:
        """Record the request and tell the agent, or take a waiting job out of the queue. Raises StorageError, LaunchError."""
        paths = handle.paths
        if os.path.exists(paths.sweep):
            from trainconf.launchers.slurm.arrays import sweep as slurm_sweep

            slurm_sweep.cancel(self, paths, force=force)
            return
        latest = events.last(paths)
        if latest is not None and latest["state"] in events.TERMINAL:
            return
        try:
            events.request_cancel(paths, force=force)
        except OSError as error:
            raise StorageError.from_os_error(error, "the cancellation cannot be recorded") from error
        self._tell_job(paths, force=force)
        self.end_left_here(paths, force=force)

    def end_left_here(self, paths: RunPaths, *, force: bool) -> None:
        """End what is left on this machine of a run that nobody minds any more: its agent and its guard were killed together."""
        if files.is_locked(liveness.lock_of(paths)) or not left_processes.left_of(paths.run_dir):
            return
        from trainconf.launchers.machine.agent_process import grace_of
        from trainconf.launchers.machine.local import end_processes

        events.request_cancel(paths, force=force)  # of a sweep in one job only the sweep has the request by now
        end_processes(paths.run_dir, 0.0 if force else grace_of(paths))

    def _tell_job(self, paths: RunPaths, *, force: bool) -> None:
        from trainconf.launchers.slurm import reconcile as slurm_settling
        from trainconf.launchers.slurm.arrays import sweep as slurm_sweep

        job = liveness.scheduler_of(paths)
        if job.get("job_id", "") == "":  # a run, or a trial, that was not sent
            slurm_sweep.end_unless_held(paths, "cancellation was requested before it was sent")
            return
        if not job["job_id"] and slurm_settling.is_being_sent(paths):  # whoever sends it looks for requests then
            return
        controller = self.controller(job.get("conf") or "")
        job_id = str(job["job_id"] or "")
        if not job_id:
            found = controller.find(*_names(paths))
            if found is None:
                raise LaunchError("Slurm does not answer by now; the run is canceled when it does", ("run", paths.run_id))
            if not found:
                slurm_sweep.end_unless_held(paths, "cancellation was requested, and Slurm never got its job")
                return
            job_id = found[0]
        own = self._own(controller, paths.run_id, [job_id])
        if "_" not in job_id and os.path.exists(slurm_settling.home_of(paths).sweep):  # the others in that job shall go on
            if own and not _is_waiting(controller, job_id):  # else its agent looks for requests when it begins
                self._scancel(controller, "--batch", "--signal=USR1", job_id)
            return
        self._tell_own(controller, own)
        if "_" in job_id:
            slurm_sweep.record_taken_out(controller, [(paths, job_id)])
        state = liveness.state_of(paths)
        if state.scheduler is not None:
            self._settle([(paths, state)], at_once=True)
        if force and own:
            self._force(controller, paths, job_id)

    def tell_jobs(self, controller: Controller, run_id: str, job_ids: Sequence[str], *, force: bool = False) -> None:
        """Waiting jobs go at once; of those that run only the agents are told, which do the rest; with `force` Slurm ends them."""
        self._tell_own(controller, self._own(controller, run_id, job_ids), force=force)

    def _tell_own(self, controller: Controller, job_ids: Sequence[str], *, force: bool = False) -> None:
        # Slurm 22.05 takes all waiting tasks of an array away when it is asked for one of them by its state
        tasks, jobs = [job_id for job_id in job_ids if "_" in job_id], [job_id for job_id in job_ids if "_" not in job_id]
        for some in in_chunks(jobs):
            self._scancel(controller, "--state=PENDING", *some)
            self._scancel(controller, "--batch", "--signal=USR1", *some)
        for task in tasks:
            self._scancel(controller, *(() if _is_waiting(controller, task) else ("--batch", "--signal=USR1")), task)
        for some in in_chunks(job_ids) if force else ():
            self._scancel(controller, *some)

    def _force(self, controller: Controller, paths: RunPaths, job_id: str) -> None:
        """An agent that does not answer is not waited for."""
        from trainconf.history import follow

        if not follow.has_ended(follow.wait(paths, time.monotonic() + FORCE_SECONDS)):
            self._scancel(controller, job_id)

    def _own(self, controller: Controller, run_id: str, job_ids: Sequence[str]) -> list[str]:
        """Those of these jobs that Slurm still has, and that are of this run: a run's folder can claim any number. Raises LaunchError."""
        found: set[str] = set()
        for some in in_chunks(sorted({job_id.partition("_")[0] for job_id in job_ids})):
            done = controller.call("squeue", "--noheader", "--all", "--states=all", f"--jobs={','.join(some)}", "--format=%F|%k")
            if not done.ok and "nvalid job id" not in done.last_lines():
                raise _not_told(done.last_lines(2))
            told = (line.partition("|") for line in done.text().splitlines())
            found |= {job_id for job_id, _, comment in told if is_job_of(comment, run_id)}
        return [job_id for job_id in job_ids if job_id.partition("_")[0] in found]

    def _scancel(self, controller: Controller, *words: str) -> None:
        """Raises LaunchError when Slurm cannot be told. What has just ended, or has not begun, is no mistake."""
        for pause_s in (*TRANSITION_S, 0.0):
            done = controller.call("scancel", *words)
            said = done.last_lines(2)
            if done.ok or any(word in said for word in _NO_MISTAKE):
                return
            if said or done.returncode == TIMED_OUT:
                break
            time.sleep(pause_s)  # it fails without a word while the controller is changing the job's state
        raise _not_told(said)

    def _settle(self, runs: Sequence[tuple[RunPaths, State]], *, at_once: bool) -> list[State]:
        from trainconf.launchers.slurm import reconcile as slurm_settling

        found: dict[int, State] = {}
        by_cluster: dict[tuple[str, str], list[int]] = {}
        for index, (paths, state) in enumerate(runs):
            if os.path.exists(paths.sweep):
                from trainconf.launchers.slurm.arrays import sweep as slurm_sweep

                found[index] = slurm_sweep.settle(self, paths)
                continue
            conf = (state.scheduler or {}).get("conf") or self._environ.get("SLURM_CONF", "")
            if not self._is_known(conf):
                what = f"as recorded; this shell knows another cluster: if the run is yours, export SLURM_CONF={shlex.quote(conf)}"
                found[index] = liveness.State(state.status, what, state.event, state.scheduler)
                continue
            by_cluster.setdefault((paths.workspace.root, conf), []).append(index)
        for key, indices in by_cluster.items():
            some = [runs[index] for index in indices]
            found |= zip(indices, slurm_settling.reconcile(self._answers_of(*key), some, at_once=at_once), strict=True)
        self._send_on(paths for paths, state in runs if state.scheduler and state.scheduler.get("job_id") == "")
        return [found[index] for index in range(len(runs))]

    def _send_on(self, unsent: Iterable[RunPaths]) -> None:
        """Have the trials sent that Slurm would not take before; rarely, for one who looks again and again."""
        from trainconf.launchers.slurm.reconcile import home_of

        for run_dir in {home_of(paths).run_dir for paths in unsent}:
            if time.monotonic() >= self._send_on_at.get(run_dir, 0.0):
                from trainconf.launchers.slurm.arrays import chunks as slurm_parts
                from trainconf.paths import RunPaths

                self._send_on_at[run_dir] = time.monotonic() + slurm_parts.RETRY_PAUSE_S
                with suppress(OSError):  # somebody else's folder, or a full disk: the next one who looks may
                    slurm_parts.send_on(RunPaths(run_dir))

    def _answers_of(self, root: str, conf: str) -> QueueCache:
        from trainconf.launchers.slurm.queue_cache import QueueCache
        from trainconf.paths import WorkspacePaths

        if (root, conf) not in self._answers:
            self._answers[root, conf] = QueueCache(self.controller(conf), WorkspacePaths(root))
        return self._answers[root, conf]

    def controller(self, conf: str = "") -> Controller:
        """The door to a cluster. Raises LaunchError for one that only a run's folder names: Slurm's commands load what its file says."""
        if not self._is_known(conf):
            raise LaunchError("this shell knows another cluster than the run", ("SLURM_CONF of the run", conf),
                              hint=f"if the run is yours: export SLURM_CONF={shlex.quote(conf)}")  # fmt: skip
        return Controller(self._environ, self._processes, conf)

    def _is_known(self, conf: str) -> bool:
        return conf in ("", self._environ.get("SLURM_CONF")) or ours.is_noted(ours.CLUSTER, conf)


def _not_told(said: str) -> LaunchError:
    """Of a request to cancel, which stands in the run's own folder."""
    return LaunchError("the request is recorded, but Slurm could not be told", ("Slurm says", said or "nothing"),
                       hint="`trainconf cancel` again when it answers")  # fmt: skip


def _is_waiting(controller: Controller, job_id: str) -> bool:
    return bool(controller.call("squeue", "--noheader", f"--jobs={job_id}", "--states=PENDING", "--format=%i").text().strip())


def _record_unless_begun(paths: RunPaths, facts: dict[str, Any]) -> None:
    """Record that a run waits in a queue, unless its agent has said more by then, or has the run and is about to. Raises OSError."""
    lock = files.FileLock(paths.lock)
    if not _has_begun(paths) and lock.acquire(blocking=False, patience_s=ASKERS_SECONDS):
        try:
            if not _has_begun(paths):
                events.append(paths, "Queued", **facts)
        finally:
            lock.release()


def _has_begun(paths: RunPaths) -> bool:
    return any("agent" in event or event["state"] in events.TERMINAL for event in events.read(paths))


def _names(paths: RunPaths) -> tuple[str, str]:
    """Job name and comment of a run's job. Raises LaunchError when its plan cannot tell."""
    from trainconf.launchers.slurm.reconcile import batch_of

    try:
        batch = batch_of(paths)
        return str(batch["job_name"]), str(batch["comment"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LaunchError("the run's plan does not tell which job it is", ("from", paths.plan)) from error

