"""The distributed group as facts: how many processes a run has, and on how many nodes."""

from __future__ import annotations

from trainconf.distributed.layout import MOST_PROCESSES, process_count
from trainconf.errors import Mistake
from trainconf.spec import DistributedSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.resolve.composed import Composed


def distributed(composed: Composed, mistakes: list[Mistake]) -> DistributedSpec:
    """The part of the spec that is the processes; counts that do not go together are added to `mistakes`, with their origin."""
    spec = _spec(composed, mistakes)
    count = process_count(spec)
    if count > MOST_PROCESSES:
        node = composed.config["distributed"]
        key = max((key for key in node if key.endswith(("_count", "_per_node")) and node[key]), key=lambda key: int(node[key]))
        mistakes.append(_mistake(
            composed, key, f"{count} processes are more than a run can have", ("allowed", f"up to {MOST_PROCESSES}"),
        ))  # fmt: skip
    return spec


def _spec(composed: Composed, mistakes: list[Mistake]) -> DistributedSpec:
    node = composed.typed.distributed
    kind, node_count = node.kind, node.node_count
    if kind == "none":
        return DistributedSpec(node_count=node_count)
    if kind == "tensorflow":
        workers = node.worker_count
        if node_count > workers:
            mistakes.append(_mistake(
                composed, "node_count", f"{node_count} nodes are too many for {workers} worker{'s' * (workers != 1)}",
                ("allowed", f"1 to {workers}" if workers > 1 else "1"), hint="raise distributed.worker_count, or ask for fewer nodes",
            ))  # fmt: skip
        return DistributedSpec(
            kind=kind, node_count=node_count, worker_count=workers, parameter_server_count=node.parameter_server_count,
            chief=node.chief, gpu_visibility=node.gpu_visibility,
        )
    return DistributedSpec(
        kind=kind, node_count=node_count, processes_per_node=_processes_per_node(composed, node, mistakes),
        communication_backend=_backend(composed) if kind == "pytorch" else "", gpu_visibility=node.gpu_visibility,
    )


def _processes_per_node(composed: Composed, node: Any, mistakes: list[Mistake]) -> int:
    """From the total or from the number per node, whichever is given; both must say the same."""
    node_count, total, per_node = node.node_count, node.process_count, node.process_count_per_node
    if total is not None and per_node is not None and total != per_node * node_count:
        nodes = f"{node_count} node{'s' * (node_count != 1)}"
        mistakes.append(_mistake(
            composed, "process_count", f"process_count={total} is not process_count_per_node={per_node} on {nodes}",
            ("allowed", f"process_count={per_node * node_count}, or one of the two alone"),
        ))  # fmt: skip
    elif total is not None and total % node_count:
        low = total - total % node_count
        mistakes.append(_mistake(
            composed, "process_count", f"process_count={total} cannot be divided by distributed.node_count={node_count}",
            ("allowed", f"{low} or {low + node_count}" if low else str(node_count)),
            hint="process_count is that of all nodes together; distributed.process_count_per_node is that of each",
        ))  # fmt: skip
    if per_node is not None:
        return int(per_node)
    return 1 if total is None else max(1, total // node_count)


def _backend(composed: Composed) -> str:
    config = composed.typed
    asked = str(config.distributed.communication_backend)
    if asked != "auto":
        return asked
    return "nccl" if config.compute.has_gpus else "gloo"


def _mistake(composed: Composed, key: str, what: str, *facts: tuple[str, str], hint: str = "") -> Mistake:
    return Mistake(what, ("from", composed.origin(f"distributed.{key}")), *facts, hint=hint)
