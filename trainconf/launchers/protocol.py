"""What a launcher is: the protocol, what it is given (`Job`), what it makes of it (`LaunchPlan`), and what it hands back.

A launcher imports nothing of Hydra; it gets facts and plain values.
"""

from __future__ import annotations

from trainconf.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Protocol

    from trainconf.files import FileLock
    from trainconf.history.liveness import State
    from trainconf.paths import RunPaths
    from trainconf.spec import RunSpec

else:
    Protocol = object  # `typing` is 2 ms of every submission

PLAN_VERSION = 1


class Job(Record):
    """One run as it is given to a launcher.

    `python` is the interpreter the script runs in, `image` the container image it lies in; empty for the machine itself. `env` are the
    environment's own variables, `secrets` those whose values must not be saved; both by variable name. `compute` is the composed compute
    config as plain values, `distributed` that of the distributed group.
    """

    spec: RunSpec
    paths: RunPaths
    experiment_name: str
    python: str
    image: str = ""
    env: Mapping[str, str] = {}
    secrets: Mapping[str, str] = {}
    retries: int = 0
    retry_backoff_seconds: float = 1.0
    stdout_metrics: Mapping[str, str] = {}
    compute: Mapping[str, Any] = {}
    distributed: Mapping[str, Any] = {}

    @property
    def run_id(self) -> str:
        return self.paths.run_id


class RankPlan(Record):
    """One process: exactly what is executed, and the variables that only this rank has.

    A service ends when all others have completed. `task` is its part in a TensorFlow cluster: {"type", "index"}. `gpu_share` is (which,
    of how many) parts of its node's GPUs it sees; None is all, (0, 0) none. `container` is the body of the engine's request that makes the
    container of its node, with the node's first rank, as far as it is known before GPUs are leased.
    """

    rank: int
    argv: list[str]
    env: dict[str, str]
    is_service: bool = False
    task: dict[str, Any] | None = None
    gpu_share: tuple[int, int] | None = None
    container: dict[str, Any] | None = None


class LaunchPlan(Record):
    """Exactly what will be done, as inert data: `to_dict()` is plan.json, and `render()` is what `trainconf plan` prints.

    `secret_env` names variables whose values are only ever in the environment of the agent. `engine` says which container engine is
    spoken to, and the network that is made for the run; None when the ranks are processes of this machine. `slots` is None where
    a scheduler gives what there is; `batch` is what it is sent: the script, and the `argv` it is the input of. `rendezvous` says how the
    ranks find each other: `kind`, and the network `interface` they meet on; None for one process that need not. `mpi` is how those of MPI
    are started: `launcher`, `pmi`, `mpirun`, `arguments`, and the `python` that is asked which MPI it loads. `not_inherited` names
    variables around the agent that no rank gets, `first_on_path` the folders in front of each rank's PATH.
    """

    target: str
    run_id: str
    run_dir: str
    cwd: str
    ranks: list[RankPlan]
    env: dict[str, str]
    secret_env: list[str]
    max_run_duration_seconds: float | None
    grace_seconds: float
    retries: int
    retry_backoff_seconds: float
    slots: dict[str, Any] | None
    gpus: dict[str, Any]
    stdout_metrics: dict[str, str]
    rendezvous: dict[str, Any] | None = None
    mpi: dict[str, Any] | None = None
    engine: dict[str, Any] | None = None
    batch: dict[str, Any] | None = None
    not_inherited: Sequence[str] = ()
    first_on_path: Sequence[str] = ()

    @classmethod
    def of(cls, target: str, job: Job, ranks: list[RankPlan], env: dict[str, str], **more: Any) -> LaunchPlan:
        """The plan of a job, where every target takes the same from it; `more` are the fields that are the target's own."""
        return cls(
            target=target, run_id=job.run_id, run_dir=job.paths.run_dir, cwd=job.paths.code, ranks=ranks, env=env,
            secret_env=sorted(job.secrets), max_run_duration_seconds=job.spec.compute.max_run_duration_seconds,
            grace_seconds=job.spec.compute.grace_seconds, retries=job.retries, retry_backoff_seconds=job.retry_backoff_seconds,
            stdout_metrics=dict(job.stdout_metrics), rendezvous=_rendezvous(job, ranks), mpi=_mpi(job), **more,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values, as docs/architecture.md has them."""
        return {"version": PLAN_VERSION, **vars(self), "ranks": [dict(vars(rank)) for rank in self.ranks]}

    def render(self) -> str:
        """The plan for people."""
        from trainconf.launchers.plan_text import render

        return render(self.to_dict())


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


class Launcher(Protocol):
    """Turns a Job into a LaunchPlan and has it carried out. Five methods; `tests/contract/launcher_contract.py` holds it to this:

    - `plan` is pure apart from caches: it may be called any number of times, also for a run that never is submitted. Raises
      ConfigError when the target cannot carry the job out at all, every mistake at once.
    - `submit` is called once per run, when its directory exists, its first event is written and `lock` is held. It writes plan.json
      and returns when the job no longer needs the submitter, who may then be killed. Raises LaunchError or StorageError, and nothing of
      the job runs then.
    - `state` is the honest state; it may be asked from any process at any time, and changes nothing.
    - `cancel` may be called by anybody, in any state, any number of times. In a final state (Completed, Failed, Canceled) it does
      nothing. It returns when the request is recorded and told; `force` skips the grace. When nobody is left to carry it out,
      it ends what is left of the job itself and records Canceled.
    - `wait` returns the state when the run is final or its agent is gone; it sleeps in the kernel where the target allows.

    The run id and directory stay the same over all attempts. Whoever carries out the run writes its final event; the run directory
    is never removed by a launcher.
    """

    name: str

    def plan(self, job: Job) -> LaunchPlan:
        """What would be done for this job."""

    def submit(self, plan: LaunchPlan, lock: FileLock, secrets: Mapping[str, str]) -> RunHandle:
        """Have it done. `secrets` are the values of `plan.secret_env`. The lock passes to whoever carries it out."""

    def state(self, handle: RunHandle) -> State:
        """The honest state."""

    def cancel(self, handle: RunHandle, *, force: bool = False) -> None:
        """Ask for its end."""

    def wait(self, handle: RunHandle) -> State:
        """Wait for its end."""


class Pool(Protocol):
    """Where the trials of a sweep go, as seen by the one process that makes them. `handle` is the sweep's, `trial_lock` the lock that minds
    each trial: empty where every one has its own. `is_unsent`: nothing of it has been handed to anybody; `unsent_count`: so many trials
    its scheduler would not take yet, which are sent later, when there is room."""

    handle: RunHandle
    is_unsent: bool
    unsent_count: int

    @property
    def trial_lock(self) -> str: ...

    def add(self, plans: Iterable[LaunchPlan]) -> None:
        """Trials whose directories exist; they start in this order."""

    def close(self) -> None:
        """There will be no more. May be called twice."""

    def cancel(self, *, force: bool = False) -> None:
        """End every trial, running or not."""

    def has_ended(self) -> bool:
        """Whether every trial is over or lost."""

    def wait(self) -> State:
        """Wait for that; the state of the sweep."""


class Scheduled(Launcher, Protocol):
    """A launcher whose jobs wait and run elsewhere: what a run's files cannot tell, its scheduler is asked.

    - `settle` is given runs that are not final and whose agent cannot be seen from here. It asks once for all of them, and at most
      every few seconds, whoever asks. When a job is over it records what the job itself could not. Silence is never an end.
    """

    def settle(self, runs: Sequence[tuple[RunPaths, State]]) -> list[State]:
        """The honest states, in order, of runs whose recorded ones these are."""
