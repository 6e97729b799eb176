"""The variables of ranks in containers, for each attempt: the job's own, the rendezvous, and which GPUs each of them sees.

    several nodes          each container is called node-<number> on the run's own network, where every port is free
    one node               127.0.0.1; with the machine's own network (`compute.network=host`) ports are kept on it, as for local runs
"""

from __future__ import annotations

import os

from trainconf.agent.containers.node import end_apart
from trainconf.engine import job_shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainconf.agent.plan import Plan, RankPlan
    from trainconf.agent.rendezvous.local import Rendezvous
    from trainconf.paths import RunPaths

THIS_CONTAINER = "127.0.0.1"
FIRST_PORT = 29500  # torch's habit; no kernel gives it out by itself
GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"


class ContainerVariables:
    """Of the run of `plan`; keeps what ports it needs of this machine."""

    def __init__(self, paths: RunPaths, plan: Plan) -> None:
        self._paths = paths
        self._plan = plan
        self._places: dict[int, dict[str, str]] = {}
        self._rendezvous: Rendezvous | None = None
        if plan.rendezvous is not None and _is_on_host(plan):
            from trainconf.agent.rendezvous.local import Rendezvous

            self._rendezvous = Rendezvous(plan)

    def arrange(self) -> None:
        """Decide where the ranks of this attempt meet. Raises OSError: no port of this machine is free."""
        if self._rendezvous is not None:
            self._places = self._rendezvous.variables()
        elif self._plan.rendezvous is not None:
            self._places = _meet_in_containers(self._plan)

    def text(self, ranks: Sequence[RankPlan], attempt: int, gpu_count: int) -> bytes:
        """What the container of these ranks is sent; it sees `gpu_count` GPUs, counted from 0."""
        secrets = {name: os.environ[name] for name in self._plan.secret_env if name in os.environ}
        common = {**self._plan.env, **secrets, "TRAINCONF_ATTEMPT": str(attempt)}
        umask = (self._plan.engine and self._plan.engine.umask) or job_shell.UMASK
        own = {rank.rank: self._own(rank, common, gpu_count) for rank in ranks}
        if not end_apart(self._plan, ranks):
            return job_shell.variables_text({**common, **own[ranks[0].rank]}, umask)
        return job_shell.variables_text(common, umask, [(number, self._paths.log(number), env) for number, env in own.items()])

    def _own(self, rank: RankPlan, common: Mapping[str, str], gpu_count: int) -> dict[str, str]:
        """The variables of this rank only. Those of the rendezvous give way to the job's own."""
        place = {name: value for name, value in self._places.get(rank.rank, {}).items() if name not in common}
        own = {**place, **rank.env}
        if gpu_count and rank.gpu_share is not None:
            from trainconf.distributed.gpus import gpus_seen

            visible = common[GPU_VARIABLE].split(",") if common.get(GPU_VARIABLE) else list(map(str, range(gpu_count)))
            own[GPU_VARIABLE] = ",".join(gpus_seen(visible, rank.gpu_share))
        return own


def _is_on_host(plan: Plan) -> bool:
    container = plan.ranks[0].container
    return container is not None and bool(container["HostConfig"]["NetworkMode"] == "host")


def _meet_in_containers(plan: Plan) -> dict[int, dict[str, str]]:
    from trainconf.distributed import rendezvous

    assert plan.rendezvous is not None
    kind, nodes = plan.rendezvous.kind, plan.nodes()
    offered = [
        {
            "address": job_shell.NODE_HOST.format(node) if len(nodes) > 1 else THIS_CONTAINER,
            "ports": [FIRST_PORT + place for place in range(rendezvous.port_count(kind, node, len(ranks)))],
        }
        for node, ranks in nodes.items()
    ]
    return rendezvous.variables(kind, plan.ranks, offered)
