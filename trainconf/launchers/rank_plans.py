"""The ranks of a job: for each its program, its place, and what a process among many should know. Pure."""

from __future__ import annotations

from trainconf.launchers.base import Job, RankPlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainconf.distributed.layout import RankLayout


def rank_plans(job: Job, words: list[str], environ: Mapping[str, str]) -> list[RankPlan]:
    """In the order of their ranks; `words` is the program of each, `environ` what it inherits. Raises ConfigError as `layout` does."""
    from trainconf.distributed.layout import layout

    return [
        RankPlan(
            place.rank, words, variables(job, place, environ), place.is_service,
            {"type": place.task, "index": place.task_index} if place.task else None, place.gpu_share,
        )
        for place in layout(job.spec.distributed)
    ]  # fmt: skip


def variables(job: Job, place: RankLayout, environ: Mapping[str, str]) -> dict[str, str]:
    """What only this rank gets. What the job's own variables say stays; what it inherits, too, where nothing was asked for."""
    spec = job.spec.distributed
    asked, found = {}, {}
    if place.local_world_size > 1:
        found["OMP_NUM_THREADS"] = str(max(1, _cpus(job) // place.local_world_size))  # or each would start a thread on every CPU
    interface = job.distributed.get("interface")
    if spec.kind == "pytorch":
        asked["TRAINCONF_COMMUNICATION_BACKEND"] = spec.communication_backend
        if interface is not None:
            asked |= {"GLOO_SOCKET_IFNAME": interface, "NCCL_SOCKET_IFNAME": f"={interface}"}
        elif spec.node_count == 1:
            found["GLOO_SOCKET_IFNAME"] = "lo"  # or gloo looks up the machine's own name, which need not mean anything
    asked |= {name: value for name, value in found.items() if name not in environ}
    return place.env | {name: value for name, value in asked.items() if name not in job.env}


def _cpus(job: Job) -> int:
    """CPUs the job is given on each node."""
    return int(job.compute.get("cpus_per_task") or job.spec.compute.cpus)
