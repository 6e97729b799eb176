"""What the agent reads of plan.json. The launchers write it (`trainconf.launchers.protocol.LaunchPlan`), and its keys are these names.

Plans of other versions are read, too: an unknown key is passed over, and a key that came later has a default.
"""

from __future__ import annotations

from trainconf import files
from trainconf.fast.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from trainconf.fast.records import RecordT


def read(kind: type[RecordT], data: Mapping[str, Any]) -> RecordT:
    """The record of the keys that it knows. Raises TypeError when one without a default is missing."""
    return kind(**{name: data[name] for name in kind.field_types if name in data})


class RankPlan(Record):
    """One rank."""

    rank: int
    argv: Sequence[str] = ()
    env: Mapping[str, str] = {}  # its own variables
    container: dict[str, Any] | None = None  # the request that makes the container of its node; the first rank of a node has it
    is_service: bool = False  # it serves the others, and is ended when they have completed
    task: Mapping[str, Any] | None = None  # its part in a TensorFlow cluster
    gpu_share: tuple[int, int] | None = None  # which part of its node's GPUs, of how many

    @property
    def node(self) -> int:
        """The number of its node. The one process of a run on one node has no place."""
        return int(self.env.get("NODE_RANK", 0))


class Slots(Record):
    """The machine's slots, and how many of them the run takes."""

    dir: str
    count: int
    take: int


class Gpus(Record):
    """The machine's GPUs, and how many of them the run takes."""

    devices: Sequence[str] = ()
    take: int = 0


class RendezvousPlan(Record):
    """How the ranks find each other."""

    kind: str
    interface: str | None = None  # the network interface that the user wants


class MpiPlan(Record):
    """What the user wants of MPI."""

    launcher: str = "auto"
    pmi: str | None = None
    mpirun: str | None = None
    arguments: Sequence[str] = ()
    python: str | None = None  # the job's, which may know its MPI library


class EnginePlan(Record):
    """The container engine."""

    address: str
    api: str = ""
    patience_seconds: float = 0.0
    umask: str | None = None
    network: dict[str, Any] | None = None  # the request that makes the network of several nodes


JOB_ID_VARIABLES = {"slurm": "SLURM_JOB_ID"}  # a process of a job has it; by the kind of its scheduler


class Batch(Record):
    """The scheduler's job."""

    kind: str = "slurm"
    nodes: int = 1
    cpus_per_task: int | None = None
    lead_seconds: float | None = None  # how long before the end of its time the job gets SIGTERM
    requeue: str = "never"
    max_requeues: int = 0
    node_silence_seconds: float | None = None
    container: str | None = None  # what runs the image of each rank: apptainer, singularity or pyxis


class Plan(Record):
    """One run."""

    cwd: str
    ranks: Sequence[RankPlan]
    env: Mapping[str, str]  # of every rank
    slots: Slots | None  # None under a scheduler: nothing is leased
    grace_seconds: float
    run_dir: str = ""
    gpus: Gpus = Gpus()
    secret_env: Sequence[str] = ()  # variables whose values only the agent's environment has
    not_inherited: Sequence[str] = ()
    first_on_path: Sequence[str] = ()
    max_run_duration_seconds: float | None = None
    retries: int = 0
    retry_backoff_seconds: float = 1.0
    stdout_metrics: Mapping[str, str] = {}
    monitor_interval_seconds: float = 0.0
    rendezvous: RendezvousPlan | None = None
    mpi: MpiPlan | None = None
    engine: EnginePlan | None = None
    batch: Batch | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Plan:
        """The plan in the content of plan.json. Raises TypeError and ValueError for what is none."""
        parts: dict[str, Any] = {name: read(kind, data[name]) for name, kind in _PARTS.items() if data.get(name) is not None}
        return read(cls, {**data, **parts, "ranks": [read(RankPlan, rank) for rank in data.get("ranks", ())]})

    @classmethod
    def load(cls, path: str) -> Plan:
        """Raises OSError, TypeError and ValueError."""
        data = files.read_json(path)
        if not isinstance(data, dict):
            raise ValueError(f"{path!r} holds no plan")
        return cls.of(data)

    @property
    def has_nodes(self) -> bool:
        """Whether the ranks are on several nodes."""
        return any(rank.node for rank in self.ranks)

    def nodes(self) -> dict[int, list[RankPlan]]:
        """The ranks by the number of their node."""
        found: dict[int, list[RankPlan]] = {}
        for rank in self.ranks:
            found.setdefault(rank.node, []).append(rank)
        return dict(sorted(found.items()))


_PARTS: dict[str, type[Record]] = {
    "slots": Slots, "gpus": Gpus, "rendezvous": RendezvousPlan, "mpi": MpiPlan, "engine": EnginePlan, "batch": Batch,
}  # fmt: skip
