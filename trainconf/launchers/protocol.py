"""What a launcher is: the base class, what it is given (`Job`), what it makes of it (`LaunchPlan`), and what it hands back.

A launcher imports nothing of Hydra; it gets facts and plain values.
"""

from __future__ import annotations

import os

from trainconf import files
from trainconf.errors import Mistake, StorageError
from trainconf.fast.records import Record
from trainconf.fast.records import replace as replace  # for launchers of other packages
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Protocol

    from trainconf.files import FileLock
    from trainconf.history.liveness import State
    from trainconf.spec import RunSpec

else:
    Protocol = object  # `typing` is 2 ms of every submission

PLAN_VERSION = 1


class Job(Record):
    """One run as it is given to a launcher."""

    spec: RunSpec
    paths: RunPaths  # the run's directory, which exists when `submit` is called
    experiment_name: str
    python: str  # the interpreter of a script; empty where the image has none
    image: str = ""  # the container image it runs in; empty for the machine itself
    env: Mapping[str, str] = {}  # variables of the environment's recipe
    secrets: Mapping[str, str] = {}  # those whose values must not be saved
    retries: int = 0  # further attempts after a failure
    retry_backoff_seconds: float = 1.0  # before the first of them; doubled each time
    stdout_metrics: Mapping[str, str] = {}  # regular expression by metric
    monitor_interval_seconds: float = 0.0  # between two samples of the machine; 0: none
    compute: Mapping[str, Any] = {}  # the composed group, as plain values
    distributed: Mapping[str, Any] = {}  # the same of this group

    @property
    def run_id(self) -> str:
        return self.paths.run_id


class RankPlan(Record):
    """One process: exactly what is executed, and the variables that only this rank has."""

    rank: int
    argv: list[str]
    env: dict[str, str]
    is_service: bool = False  # ends when all others have completed
    task: dict[str, Any] | None = None  # its part in a TensorFlow cluster: {"type", "index"}
    gpu_share: tuple[int, int] | None = None  # (which, of how many) parts of its node's GPUs it sees; None is all, (0, 0) none
    container: dict[str, Any] | None = None  # with a node's first rank: the engine's request for the container, before GPUs are leased


class LaunchPlan(Record):
    """Exactly what will be done, as inert data: `to_dict()` is plan.json, and `plan_text.render` what `trainconf plan` prints."""

    target: str  # name of the launcher
    run_id: str
    run_dir: str
    cwd: str
    ranks: list[RankPlan]
    env: dict[str, str]  # of every rank
    secret_env: list[str]  # names of variables whose values only the agent's environment holds
    max_run_duration_seconds: float | None
    grace_seconds: float  # between SIGTERM and SIGKILL
    retries: int
    retry_backoff_seconds: float
    slots: dict[str, Any] | None  # `dir`, `count`, `take`; None where a scheduler gives what there is
    gpus: dict[str, Any]  # `devices`, `take`
    stdout_metrics: dict[str, str]
    rendezvous: dict[str, Any] | None = None  # `kind`, and the network `interface`; None for one process
    mpi: dict[str, Any] | None = None  # `launcher`, `pmi`, `mpirun`, `arguments`, and the `python` that is asked which MPI it loads
    engine: dict[str, Any] | None = None  # which container engine, and the run's `network`; None for processes of this machine
    batch: dict[str, Any] | None = None  # what a scheduler is sent: the `script`, and the `argv` it is the input of
    not_inherited: Sequence[str] = ()  # variables around the agent that no rank gets
    first_on_path: Sequence[str] = ()  # folders in front of each rank's PATH
    monitor_interval_seconds: float = 0.0  # between two samples of the machine; 0: none

    @classmethod
    def of(cls, target: str, job: Job, ranks: list[RankPlan], env: dict[str, str], **more: Any) -> LaunchPlan:
        """The plan of a job, where every target takes the same from it; `more` are the fields that are the target's own."""
        return cls(
            target=target, run_id=job.run_id, run_dir=job.paths.run_dir, cwd=job.paths.code, ranks=ranks, env=env,
            secret_env=sorted(job.secrets), max_run_duration_seconds=job.spec.compute.max_run_duration_seconds,
            grace_seconds=job.spec.compute.grace_seconds, retries=job.retries, retry_backoff_seconds=job.retry_backoff_seconds,
            stdout_metrics=dict(job.stdout_metrics), monitor_interval_seconds=job.monitor_interval_seconds,
            rendezvous=_rendezvous(job, ranks), mpi=_mpi(job), **more,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, as docs/architecture.md has them."""
        return {
            "version": PLAN_VERSION, **vars(self), "ranks": [dict(vars(rank)) for rank in self.ranks],
            "not_inherited": list(self.not_inherited), "first_on_path": list(self.first_on_path),
        }  # fmt: skip


def _rendezvous(job: Job, ranks: Sequence[RankPlan]) -> dict[str, Any] | None:
    kind = job.spec.distributed.kind
    return None if kind == "none" and len(ranks) == 1 else {"kind": kind, "interface": job.distributed.get("interface")}


def _mpi(job: Job) -> dict[str, Any] | None:
    if job.spec.distributed.kind != "mpi":
        return None
    asked = job.distributed
    return {
        "python": job.python, "launcher": asked.get("launcher", "auto"), "pmi": asked.get("pmi"), "mpirun": asked.get("mpirun"),
        "arguments": [str(word) for word in asked.get("mpirun_arguments") or []],
    }  # fmt: skip


class RunHandle(Record):
    """A submitted run, in this process or any other: its directory is enough to find everything again.

    `agent_pid` is known, and is our child, only in the process that submitted it.
    """

    paths: RunPaths
    agent_pid: int | None = None


class Launcher:
    """Turns a Job into a LaunchPlan and has it carried out. Every launcher inherits it, and `trainconf.testing` holds it to this.

    The run id and directory stay the same over all attempts. Whoever carries out the run writes its final event. A launcher never
    removes the run directory. `plan`, `submit`, `state`, `cancel` and `wait` must be there; the rest has a default.
    """

    name: str = ""  # the name of its entry point, the value of `compute.target`, and the `kind` of its jobs in events
    config: type[Any] | None = None  # dataclass of its settings, made with `trainconf.schema.setting`; None for a built-in one
    needs_image: bool = False  # its jobs run in container images, which are built before
    takes_image_file: bool = False  # its jobs may run in an image that is a file, as in env.docker.image=FILE

    def plan(self, job: Job) -> LaunchPlan:
        """What would be done. Pure apart from caches: it is also called for runs that are never submitted.

        Raises ConfigError when the target cannot carry the job out at all, every mistake at once. The value of a number in `params` is no
        reason for that: of trials that differ in such numbers alone, one is planned before a sweep starts.
        """
        raise NotImplementedError

    def again(self, plan: LaunchPlan, count: int) -> LaunchPlan:
        """The plan of a run that is resumed for the `count`th time, so that a scheduler tells its job from those before."""
        return plan

    def stage(self, plan: LaunchPlan) -> RunPaths:
        """Write plan.json for whoever carries out the run; the run's paths. Raises StorageError."""
        paths = RunPaths(plan.run_dir)
        try:
            os.makedirs(paths.logs, exist_ok=True)
            files.write_atomic(paths.plan, files.dumps(plan.to_dict()), durable=False)
        except OSError as error:
            raise StorageError.from_os_error(error, "the run cannot be prepared") from error
        return paths

    def get_ready(self, paths: RunPaths, lock: FileLock, secrets: Mapping[str, str]) -> None:
        """Begin with what may go on while the folder of the run, or of the sweep, is being filled. `submit` or `pool` comes next, or
        `give_up`. Raises LaunchError.
        """

    def give_up(self) -> None:
        """Take back what `get_ready` has begun, if it has: there will be no run. May be called twice."""

    def submit(self, plan: LaunchPlan, lock: FileLock, secrets: Mapping[str, str]) -> RunHandle:
        """Have it done. `secrets` are the values of `plan.secret_env`; `lock` passes to whoever carries it out.

        Called once per run, when its directory exists, its first event is written and `lock` is held. It writes plan.json and returns
        when the job no longer needs the submitter, who may then be killed. Raises LaunchError, StorageError: nothing of the job runs then.
        """
        raise NotImplementedError

    def state(self, handle: RunHandle) -> State:
        """The honest state. Any process may ask at any time; nothing changes by it."""
        raise NotImplementedError

    def cancel(self, handle: RunHandle, *, force: bool = False) -> None:
        """Ask for the end of a run, or of a sweep that a pool of this launcher has. `force` skips the grace.

        Anybody may call it, in any state, any number of times; in a final state it does nothing. It returns when the request is recorded
        and sent. Where nobody is left to carry it out, it ends what is left of the job itself and records Canceled.
        """
        raise NotImplementedError

    def wait(self, handle: RunHandle) -> State:
        """The state when the run is final or its agent is gone. Sleeps in the kernel where the target allows."""
        raise NotImplementedError

    def reconcile(self, runs: Sequence[tuple[RunPaths, State]]) -> list[State]:
        """The honest states, in order, of runs that are not final and whose agent cannot be seen from here.

        For launchers whose jobs wait and run elsewhere: it asks the scheduler once for all of them, and at most every few seconds,
        whoever calls. When a job is over it records what the job itself could not. Silence is never an end.
        """
        return [state for _, state in runs]

    def poll(self, paths: RunPaths, state: State) -> State:
        """As `reconcile`, for one who waits for a run or a sweep and calls again and again."""
        return self.reconcile([(paths, state)])[0]

    def has_job(self, paths: RunPaths) -> bool:
        """Whether the scheduler has, or had, a job of a run whose submitter was killed over it. True when nobody can tell now."""
        return True

    def can_hold(self, home: RunPaths) -> bool:
        """Whether trials of the sweep at `home` that were handed over and have not begun can be kept from it."""
        return False

    def hold(self, trials: Sequence[RunPaths], *, is_held: bool) -> None:
        """Keep trials of one sweep from beginning, all that wait, or let them begin. Those that have begun go on.

        May be called twice. Raises LaunchError when not all of them are kept, or let go.
        """

    def check_sweep(self, compute: Mapping[str, Any], node_count: int) -> list[Mistake]:
        """What keeps a sweep with these settings from being carried out; `node_count` is the largest among its trials."""
        return [Mistake(f"compute={self.name} cannot carry out a sweep yet", hint="submit the runs one by one")]

    def concurrent_runs(self, compute: Mapping[str, Any], limit: int) -> int:
        """Trials at a time, where the sweep's own limit is `limit`; 0 is no limit, and a scheduler decides."""
        return limit

    def pool(self, home: RunPaths, lock: FileLock, secrets: Mapping[str, str], compute: Mapping[str, Any], limit: int) -> Pool:
        """Where the trials of the sweep at `home` go; `lock`, held on `home.lock`, is the pool's from here on.

        Launchers that inherit the same `pool` can have trials in one sweep. Raises StorageError, LaunchError.
        """
        raise NotImplementedError

    def open_pool(self, home: RunPaths, secrets: Mapping[str, str]) -> Pool | None:
        """A pool for a sweep whose controller, and nobody else, adds trials one by one; None to have each submitted like any other run.

        Called again by a controller that takes the sweep over: what runs goes on. How many run at a time is the controller's to decide.
        Raises StorageError, LaunchError.
        """
        return None

    def controller_job(self, home: RunPaths) -> ControllerJob | None:
        """The controller of the sweep at `home` as a job of a scheduler; None where there are no jobs, or a job cannot send others."""
        return None


class QueuedController(Record):
    """What a scheduler says of a controller's job. `waits_for`: why it is still in the queue, in the scheduler's word."""

    job_id: str
    is_over: bool
    waits_for: str = ""


class ControllerJob(Protocol):
    """The controller of one sweep as a job: there is one at a time, whoever sends it."""

    def plan(self, command: Sequence[str], compute: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """What would be sent, as `batch` of a plan; `compute` are the trials' settings, `own` the job's. Raises ConfigError."""

    def send(self, batch: Mapping[str, Any]) -> str:
        """Send it unless there is one; the job's id, "" while nobody knows it. Raises ConfigError, LaunchError, StorageError."""

    def look(self) -> QueuedController | None:
        """The job that was sent last, one that is over where none was; None when nobody answers."""

    def cancel(self) -> None:
        """End the job, or take it out of the queue. Raises LaunchError."""


class Pool(Protocol):
    """Where the trials of a sweep go, as seen by the one process that makes them."""

    handle: RunHandle  # the sweep's
    is_unsent: bool  # nothing of it has been handed to anybody
    unsent_count: int  # trials that its scheduler would not take yet, which are sent later

    @property
    def trial_lock(self) -> str:
        """Path of the lock that is held while a trial is carried out; empty where each has its own."""

    def add(self, plans: Iterable[LaunchPlan]) -> None:
        """Trials whose directories exist once they are taken from `plans`, in the order in which they start."""

    def adopt(self, paths: RunPaths) -> None:
        """A trial that was handed over before this process fed the pool."""

    def takes_back(self, paths: RunPaths) -> bool:
        """Of a trial that nobody has begun, and whose agent is gone: whether it may be added once more. Raises StorageError."""

    def close(self, state: str = "Completed", reason: str = "") -> None:
        """There will be no more; the sweep ends in that state once all are over. May be called twice."""

    def cancel(self, *, force: bool = False) -> None:
        """End every trial, running or not."""

    def has_ended(self) -> bool:
        """Whether every trial is over or lost."""

    def wait(self) -> State:
        """Wait for that; the state of the sweep."""
