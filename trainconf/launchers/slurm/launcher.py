"""compute=slurm: a job of a Slurm cluster, whose batch script becomes our agent on the run's directory. No process stays behind here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from trainconf import files
from trainconf.errors import Mistake, StorageError
from trainconf.history import events, liveness
from trainconf.launchers.protocol import Job, Launcher, LaunchPlan, RunHandle
from trainconf.launchers.slurm import clusters
from trainconf.launchers.slurm.clusters import Clusters
from trainconf.paths import RunPaths
from trainconf.process import Processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.files import FileLock
    from trainconf.history.liveness import State
    from trainconf.launchers.protocol import ControllerJob
    from trainconf.launchers.slurm.arrays.chunks import ChunkSubmitter
    from trainconf.launchers.slurm.arrays.pool_jobs import PoolJobs
    from trainconf.launchers.slurm.arrays.sweep import JobPool

SEND_ON_PAUSE_S = 30.0  # between two processes that send the rest of a sweep, for a reader that looks again and again


class SlurmLauncher(Launcher):
    """The launcher of Slurm clusters; see `trainconf.launchers.protocol.Launcher` for what it promises.

    Its methods import what they need: `ls` loads this module only to reconcile.
    """

    name = "slurm"
    takes_image_file = True

    def __init__(self, environ: Mapping[str, str] | None = None, processes: Processes | None = None) -> None:
        self.clusters = Clusters(environ, processes)
        self._checked: tuple[Any, ...] | None = None
        self._runtime = ""  # what makes containers of the job's image; empty for processes
        self._job_environ: dict[str, str] | None = None
        self._send_on_at: dict[str, float] = {}  # by the folder of a sweep, monotonic
        self._submitters: dict[str, ChunkSubmitter] = {}  # by the folder of a sweep that is waited for

    def plan(self, job: Job) -> LaunchPlan:
        """What is sent, and what the agent does with it. Raises ConfigError: no client here, options sbatch does not have."""
        from trainconf.fast.spawn import own_command
        from trainconf.launchers.job import argv, checks, env
        from trainconf.launchers.job.ranks import rank_plans
        from trainconf.launchers.slurm.commands import clean
        from trainconf.launchers.slurm.script import batch_of

        facts = job.compute, job.distributed, job.spec.environment.image, job.spec.code.inputs
        if facts != self._checked:  # the trials of a sweep mostly agree on it
            self._runtime = self._check(job)
            self._checked = facts
        program = argv.argv(job.spec, job.python)
        checks.check(job, program)
        if self._job_environ is None:  # every node sees the workspace; nobody knows of HOME and caches
            environ = clean(self.clusters.environ)
            self._job_environ = {name: value for name, value in environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
        if self._runtime:
            from trainconf.launchers.slurm import containers

            program = containers.command(job, self._runtime, program)
        ranks = rank_plans(job, program, self._job_environ)
        agent = own_command(python=os.path.expanduser(job.compute.get("python") or ""))
        batch = batch_of(job, agent, self.clusters.conf)
        variables = env.variables(job, self._job_environ)
        if self._runtime or job.spec.distributed.node_count > 1:
            variables["TRAINCONF_METRICS"] = job.paths.metrics_folder
        if self._runtime:
            ranks = [containers.with_log(rank, job, self._runtime) for rank in ranks]
            variables = containers.variables(variables, job, self._runtime)
            batch["container"] = self._runtime
        return LaunchPlan.of(
            self.name, job, ranks, variables, slots=None, gpus={"devices": [], "take": 0}, batch=batch,
            not_inherited=env.not_inherited(job), first_on_path=env.first_on_path(job, self._job_environ),
        )

    def _check(self, job: Job) -> str:
        """What makes containers of the job's image; empty for processes. Raises ConfigError."""
        from trainconf.launchers.slurm import options

        controller = self.clusters.controller()
        options.check(job.compute, controller)
        if job.spec.distributed.kind == "mpi":
            from trainconf.launchers.job import checks

            checks.check_mpi_in_slurm(job, controller.call)
        if job.spec.environment.kind != "image":
            return ""
        from trainconf.launchers.slurm import containers

        return containers.check(job, controller)

    def again(self, plan: LaunchPlan, count: int) -> LaunchPlan:
        """With a comment of its own: Slurm may still know an earlier job of the run."""
        from trainconf.fast.records import replace
        from trainconf.launchers.slurm.script import named

        assert plan.batch is not None
        return replace(plan, batch=named(plan.batch, plan.run_id, [plan.run_dir], f"resumed {count}"))

    def submit(self, plan: LaunchPlan, lock: FileLock, secrets: Mapping[str, str]) -> RunHandle:
        """Write plan.json, send the script, record the job's number.

        The job may begin before sbatch answers, however long that takes. So the run's lock is released before, for its agent to take.
        Meanwhile a lock on plan.json says that the run is being sent.
        """
        from trainconf.launchers.slurm import submission

        assert plan.batch is not None
        paths = self.stage(plan)
        being_sent = files.FileLock(paths.plan)
        try:
            being_sent.acquire()
        except OSError as error:
            raise StorageError.from_os_error(error, "the run cannot be prepared") from error
        lock.release()
        clusters.note(clusters.CLUSTER, self.clusters.conf)
        try:
            controller = self.clusters.controller()
            sent = submission.send(controller, plan.batch, secrets)
            submission.record_sent(controller, paths, sent, {"kind": self.name, **plan.batch["cluster"]})
        finally:
            being_sent.release()
        return RunHandle(paths)

    def state(self, handle: RunHandle) -> State:
        state = liveness.state_of(handle.paths)
        return state if state.scheduler is None else self.reconcile([(handle.paths, state)])[0]

    def reconcile(self, runs: Sequence[tuple[RunPaths, State]]) -> list[State]:
        """The honest states of runs that their own files leave open: one question for all of a workspace and cluster."""
        from trainconf.launchers.slurm.reconcile import reconcile

        states = reconcile(self.clusters, runs)
        self._send_on(paths for paths, state in runs if state.scheduler and state.scheduler.get("job_id") == "")
        return states

    def poll(self, paths: RunPaths, state: State) -> State:
        """As `reconcile`; this process also sends the trials of a sweep that Slurm would not take before."""
        submit_chunks = self._submitter_of(paths)
        if submit_chunks is not None:
            submit_chunks()
        return super().poll(paths, state)

    def _submitter_of(self, home: RunPaths) -> ChunkSubmitter | None:
        """Sends the rest of a sweep; None when all is sent, and for the sweep of another user, whose script this user must not send."""
        from trainconf.launchers.slurm.arrays.chunks import ChunkSubmitter

        if not clusters.is_noted(clusters.SWEEP, home.run_dir):
            return None
        return self._submitters.setdefault(home.run_dir, ChunkSubmitter(home, self.clusters.controller))

    def _send_on(self, unsent: Iterable[RunPaths]) -> None:
        """Start a process that sends the trials that Slurm would not take before; rarely."""
        from trainconf.launchers.slurm.reconcile import home_of

        for run_dir in {home_of(paths).run_dir for paths in unsent}:
            if time.monotonic() >= self._send_on_at.get(run_dir, 0.0):
                from trainconf.launchers.slurm.arrays.chunks import send_on

                self._send_on_at[run_dir] = time.monotonic() + SEND_ON_PAUSE_S
                with suppress(OSError):  # another user's folder, or a full disk: the next reader may
                    send_on(RunPaths(run_dir))

    def has_job(self, paths: RunPaths) -> bool:
        """Slurm is asked for the job by its name and comment. A trial that was given to a job has that one, unless it is over."""
        from trainconf.launchers.slurm.reconcile import batch_of, given_to, pool_job_of, takes_no_more

        if files.is_locked(paths.plan):
            return True  # it is being sent
        pool_job = pool_job_of(paths)
        if pool_job is not None:
            return not takes_no_more(pool_job) and paths.run_dir in [run.run_dir for run in given_to(pool_job)]
        batch = batch_of(paths)
        return not batch or self.clusters.controller().find(batch["job_name"], batch["comment"]) != []

    def can_hold(self, home: RunPaths) -> bool:
        """Jobs and tasks that wait can be; not trials in one job, whose agent has them."""
        scheduler = liveness.scheduler_of(home)
        return not scheduler or "arrays" in scheduler

    def hold(self, trials: Sequence[RunPaths], *, is_held: bool) -> None:
        """Of an array all tasks that wait are held: Slurm keeps them as one job then."""
        from trainconf.launchers.slurm.arrays.holding import hold

        hold(self.clusters, trials, is_held=is_held)

    def check_sweep(self, compute: Mapping[str, Any], node_count: int) -> list[Mistake]:
        """Trials that are packed into one job share its CPUs, and nothing else."""
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

        kind = PackedPool if compute["pack"] > 1 else ArrayPool
        return kind(self.clusters, home, lock, secrets, self.concurrent_runs(compute, limit))

    def open_pool(self, home: RunPaths, secrets: Mapping[str, str]) -> PoolJobs | None:
        """Where `compute.pack` of the sweep's record has several trials in one job."""
        from trainconf.history.record import read_mapping
        from trainconf.launchers.slurm.arrays.pool_jobs import PoolJobs

        pack = read_mapping(home.sweep).get("pack")
        return PoolJobs(self, self.clusters, home, secrets, pack) if type(pack) is int and pack > 1 else None

    def controller_job(self, home: RunPaths) -> ControllerJob:
        from trainconf.launchers.slurm.arrays.controller import SlurmController

        return SlurmController(self.clusters, home)

    def wait(self, handle: RunHandle) -> State:
        """Wait for its last event. Slurm is asked now and then, in case nobody is left to write it."""
        from trainconf.history import follow
        from trainconf.launchers.states import StatePoller

        return follow.wait(handle.paths, look=StatePoller(self))

    def cancel(self, handle: RunHandle, *, force: bool = False) -> None:
        """Record the request and tell the agent, or take a waiting job out of the queue. Raises StorageError, LaunchError."""
        from trainconf.launchers.slurm.arrays.sweep import cancel_sweep
        from trainconf.launchers.slurm.cancel import cancel_job, end_left_here

        paths = handle.paths
        if os.path.exists(paths.sweep):
            cancel_sweep(self.clusters, paths, force=force)
            return
        try:
            if events.request_cancel(paths, force=force) is None:
                return
        except OSError as error:
            raise StorageError.from_os_error(error, "the cancellation cannot be recorded") from error
        cancel_job(self.clusters, paths, force=force)
        end_left_here(paths, force=force)
