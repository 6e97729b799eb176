"""What a user may write: one dataclass per config group. Defaults live here and nowhere else.

Each field's metadata says in one line what it is (`doc`), its unit, and its range (`minimum`, `choices`); messages,
`trainconf config` and the checks are made from it. Importing this module loads no Hydra; `register` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trainconf import plugins
from trainconf.schema.compute import DockerCompute, LocalCompute, SlurmCompute
from trainconf.schema.distributed import MpiDistributed, NoDistributed, PyTorchDistributed, TensorFlowDistributed
from trainconf.schema.environment import EnvironmentConfig
from trainconf.schema.fields import default, setting
from trainconf.schema.sweep import GridSweep
from trainconf.schema.top import Config, SnapshotConfig, SubmitConfig

__all__ = [
    "GROUPS", "Config", "DockerCompute", "EnvironmentConfig", "GridSweep", "Group",
    "LocalCompute", "MpiDistributed", "NoDistributed", "PyTorchDistributed", "SlurmCompute", "SnapshotConfig",
    "SubmitConfig", "TensorFlowDistributed", "default", "setting",
]


@dataclass(frozen=True)
class Group:
    """A config group whose choices fill one node of the config: `compute` the node `compute`, `sweep/policy` the node `sweep.policy`."""

    kind_key: str  # the key of that node that names its schema; empty where all choices have one schema
    schemas: Mapping[str, Any]  # dataclass by kind; a choice takes it by `/schema/<group>/<kind>@_here_`
    example: str  # a shipped choice, for messages
    find: Callable[[str], Any | None] = lambda kind: None  # the schema of a kind that another package offers


class Later(Mapping[str, Any]):
    """Dataclasses by kind; those that are only named are in `schema.search`, which is imported when one is asked for."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known

    def __getitem__(self, kind: str) -> Any:
        known = self._known[kind]
        if not isinstance(known, str):
            return known
        from trainconf.schema import search

        return getattr(search, known)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


# The one table of them. A nested group has a slash in its name, and the schema of the node above has a field for it.
GROUPS: dict[str, Group] = {
    "compute": Group("target", {"local": LocalCompute, "docker": DockerCompute, "slurm": SlurmCompute}, "local", plugins.settings_of),
    "env": Group("", {"recipe": EnvironmentConfig}, "minimal"),
    "distributed": Group("kind", {
        "none": NoDistributed, "pytorch": PyTorchDistributed, "mpi": MpiDistributed, "tensorflow": TensorFlowDistributed,
    }, "pytorch"),
    "sweep": Group("kind", Later({"grid": GridSweep, "random": "RandomSweep", "bayes": "BayesSweep"}), "grid"),
    "sweep/policy": Group("kind", Later({
        "none": "NoPolicy", "bandit": "BanditPolicy", "median": "MedianPolicy", "truncation": "TruncationPolicy", "asha": "AshaPolicy",
    }), "median"),
}

RETIRED = ("snapshot.materialize",)  # settings of earlier versions, which their records and frozen files still hold


def without_retired(config: dict[str, Any]) -> dict[str, Any]:
    """A recorded config without the settings that are none any longer."""
    for key in RETIRED:
        part, _, name = key.partition(".")
        if isinstance(config.get(part), dict):
            config = {**config, part: {inner: value for inner, value in config[part].items() if inner != name}}
    return config


def node_key(group: str) -> str:
    """The dotted key of the node that a group fills."""
    return group.replace("/", ".")


def group_of(key: str) -> str:
    """The group whose node a dotted key is, or lies in; empty for a key of no group."""
    return max((group for group in GROUPS if f"{key}.".startswith(f"{node_key(group)}.")), key=len, default="")


def group_nodes(config: Mapping[str, Any]) -> dict[str, Any]:
    """The node of each group in a plain config, by group; of a nested group only where one was chosen. Raises KeyError."""
    found: dict[str, Any] = {}
    for group in GROUPS:
        parent, _, name = group.rpartition("/")
        above = found.get(parent) if parent else config
        if not parent or (isinstance(above, Mapping) and above.get(name) is not None):
            found[group] = above[name]  # type: ignore[index]
    return found


def group_schema(group: str, node: Any) -> Any | None:
    """The dataclass behind the node of a group, by the kind it names; None when there is no such kind.

    Raises ConfigError for one that another package offers, and that cannot be loaded.
    """
    known = GROUPS[group]
    if not known.kind_key:
        return next(iter(known.schemas.values()))
    kind = node.get(known.kind_key) if isinstance(node, Mapping) else None
    if not isinstance(kind, str):
        return None
    return known.schemas.get(kind) or known.find(kind)


def node_types(config: Mapping[str, Any]) -> dict[str, Any]:
    """The dataclass behind the node of each group of a plain config, by the node's dotted key."""
    return {node_key(group): group_schema(group, node) for group, node in group_nodes(config).items()}


def register() -> None:
    """Put every schema of ours into Hydra's ConfigStore; may be called any number of times."""
    register_at("schema/config")
    for group, known in GROUPS.items():
        for kind in known.schemas:
            register_at(f"schema/{group}/{kind}")


def register_at(path: str) -> bool:
    """Put the schema at `schema/<group>/<kind>` into Hydra's ConfigStore, a millisecond each; whether there is one.

    Raises ConfigError for one that cannot be loaded.
    """
    group, _, kind = path.removesuffix(".yaml").rpartition("/")
    known = GROUPS.get(group.removeprefix("schema/"))
    own = Config if path.removesuffix(".yaml") == "schema/config" else known.schemas.get(kind) if known is not None else None
    node = own or (known.find(kind) if known is not None else None)
    if node is None or not group.startswith("schema"):
        return False
    from hydra.core.config_store import ConfigStore
    from hydra.core.object_type import ObjectType
    from omegaconf.errors import OmegaConfBaseException

    store = ConfigStore.instance()
    try:
        if own is None or store.get_type(f"{group}/{kind}.yaml") == ObjectType.NOT_FOUND:  # hydra-core 1.4 warns about a second time
            store.store(group=group, name=kind, node=node, package="_global_" if node is Config else None, provider="trainconf")
    except OmegaConfBaseException as error:
        raise plugins.broken(kind, f"its config has a field that no config can hold: {str(error).splitlines()[0]}") from error
    return True
