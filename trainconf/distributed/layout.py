"""Turns a DistributedSpec into the ranks of a run, and into the variables that tell each rank its place."""

from __future__ import annotations

from trainconf.errors import ConfigError
from trainconf.fast.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainconf.spec import DistributedSpec

KINDS = ("none", "pytorch", "mpi", "tensorflow")
MOST_PROCESSES = 65_536  # each is a line of the plan, and has a log of its own


class RankLayout(Record):
    """One process: its place among all (`rank`), on its node (`local_rank`), and how many there are.

    `task` and `task_index` are its part in a TensorFlow cluster. A service serves the others and ends when they have completed.
    `gpu_share` is (which, of how many) parts of its node's GPUs the process sees; None is all of them, (0, 0) none.
    """

    rank: int = 0
    local_rank: int = 0
    node_rank: int = 0
    world_size: int = 1
    local_world_size: int = 1
    task: str = ""
    task_index: int = 0
    is_service: bool = False
    gpu_share: tuple[int, int] | None = None



def variables(spec: DistributedSpec, place: RankLayout) -> dict[str, str]:
    """The variables that tell a process its place, by torchrun's names.

    Many libraries read RANK, LOCAL_RANK or WORLD_SIZE as "a launcher started me", so a process that is no rank gets none of them. On one of
    several nodes it gets the number of its node, and starts there what it wants.
    """
    if spec.kind != "none":
        return {
            "RANK": str(place.rank),
            "LOCAL_RANK": str(place.local_rank),
            "NODE_RANK": str(place.node_rank),
            "WORLD_SIZE": str(place.world_size),
            "LOCAL_WORLD_SIZE": str(place.local_world_size),
        }
    return {} if spec.node_count == 1 else {"NODE_RANK": str(place.node_rank), "TRAINCONF_NODE_COUNT": str(spec.node_count)}


def process_count(spec: DistributedSpec) -> int:
    """How many processes the run has on all nodes together."""
    if spec.kind == "tensorflow":
        return spec.chief + spec.worker_count + spec.parameter_server_count
    return spec.node_count * spec.processes_per_node


def layout(spec: DistributedSpec) -> list[RankLayout]:
    """The ranks of a run in order: `node_count * processes_per_node` of them, node by node, or one for each TensorFlow task.

    Among tasks the chief is first, if there is one; then come the workers, node by node; then the parameter servers, dealt out to the nodes
    in turn. Raises ConfigError for a kind that this version does not know, and for counts that do not go together.
    """
    if spec.kind not in KINDS:
        raise ConfigError(f"distributed.kind={spec.kind} is not one this trainconf knows", ("allowed", ", ".join(KINDS)))
    if process_count(spec) > MOST_PROCESSES:
        raise ConfigError(f"{process_count(spec)} processes are more than a run can have", ("allowed", f"up to {MOST_PROCESSES}"))
    if spec.kind == "tensorflow":
        return _placed(spec, list(_tasks(spec)))
    if spec.kind == "none" and spec.processes_per_node != 1:
        raise ConfigError(
            f"distributed=none is one process on each node, not {spec.processes_per_node}", ("allowed", "processes_per_node 1")
        )
    return _placed(spec, [(node, "", 0) for node in range(spec.node_count) for _ in range(spec.processes_per_node)])


def _tasks(spec: DistributedSpec) -> Iterator[tuple[int, str, int]]:
    """Node, type and index of each task of a TensorFlow cluster, in the order of their ranks."""
    if not 1 <= spec.node_count <= spec.worker_count:
        raise ConfigError(f"{spec.worker_count} workers cannot be on {spec.node_count} nodes", ("allowed", "at least one on each"))
    if spec.chief:
        yield 0, "chief", 0
    yield from ((index * spec.node_count // spec.worker_count, "worker", index) for index in range(spec.worker_count))
    yield from ((index % spec.node_count, "ps", index) for index in range(spec.parameter_server_count))


def _placed(spec: DistributedSpec, processes: list[tuple[int, str, int]]) -> list[RankLayout]:
    """Ranks in the given order; on each node counted from 0, and the node's GPUs shared among those that compute."""
    sizes, sharers = [0] * spec.node_count, [0] * spec.node_count
    for node, task, _ in processes:
        sizes[node] += 1
        sharers[node] += task != "ps"
    seen, shares = [0] * spec.node_count, [0] * spec.node_count
    found = []
    for rank, (node, task, index) in enumerate(processes):
        share = None
        if spec.gpu_visibility == "process":
            share = (0, 0) if task == "ps" else (shares[node], sharers[node])
        found.append(RankLayout(
            rank, seen[node], node, len(processes), sizes[node], task, index, _is_service(spec, task), share,
        ))
        seen[node] += 1
        shares[node] += task != "ps"
    return found


def _is_service(spec: DistributedSpec, task: str) -> bool:
    """Parameter servers never end by themselves; nor do the workers of a cluster with a chief, which gives them their work."""
    return task == "ps" or (spec.chief and task == "worker")
