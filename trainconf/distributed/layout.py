"""From a DistributedSpec to the ranks of a run, and the variables each of them gets."""

from __future__ import annotations

from dataclasses import dataclass

from trainconf.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.spec import DistributedSpec


@dataclass(frozen=True)
class RankLayout:
    """One process: its place among all (`rank`), on its node (`local_rank`), and how many there are."""

    rank: int = 0
    local_rank: int = 0
    node_rank: int = 0
    world_size: int = 1
    local_world_size: int = 1

    @property
    def env(self) -> dict[str, str]:
        """The variables that tell the process its place, in the names torchrun gave them."""
        return {
            "RANK": str(self.rank),
            "LOCAL_RANK": str(self.local_rank),
            "NODE_RANK": str(self.node_rank),
            "WORLD_SIZE": str(self.world_size),
            "LOCAL_WORLD_SIZE": str(self.local_world_size),
        }


def layout(spec: DistributedSpec) -> list[RankLayout]:
    """The ranks of a run in order, length `node_count * processes_per_node`.

    Raises ConfigError for a kind that this version does not know.
    """
    if spec.kind != "none":
        raise ConfigError(f"distributed.kind={spec.kind} is not one this trainconf knows", ("allowed", "none"))
    if spec.processes_per_node != 1:
        raise ConfigError(
            f"distributed=none is one process on each node, not {spec.processes_per_node}", ("allowed", "processes_per_node 1")
        )
    return [RankLayout(rank=node, node_rank=node, world_size=spec.node_count) for node in range(spec.node_count)]
