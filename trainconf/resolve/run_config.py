"""`RunConfig`: a composed config read by attribute, with the types of the schema. Loads no schema, for a warm run needs none."""

from __future__ import annotations

from types import SimpleNamespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.schema import Config, EnvironmentConfig
else:
    Config = object

# Mappings with settings of their own. The keys of all others, such as `params`, are the user's, and those stay mappings.
_SECTIONS = frozenset({
    "metric", "monitor", "submit", "snapshot", "env", "distributed", "sweep", "python", "docker", "build", "controller_job",
    "hydra_app",
})  # fmt: skip


class RunConfig(Config):
    """The config of one run: `config.submit.detach`, `config.env.docker.build.network`.

    tree: the same as plain values, for what is recorded or sent.
    """

    if TYPE_CHECKING:
        env: EnvironmentConfig
        compute: ComputeConfig

    def __init__(self, tree: dict[str, Any]) -> None:
        self.tree = tree

    def __getattr__(self, name: str) -> Any:
        if name not in self.tree:
            raise AttributeError(name)
        return ComputeConfig(**self.tree[name]) if name == "compute" else _typed(name, self.tree[name])


class ComputeConfig(SimpleNamespace):
    """What every floor may ask of `compute`, whatever the target is. A launcher reads its own settings from the mapping."""

    target: str
    cpus: int = 1
    gpus: int = 0
    gpus_per_node: int = 0
    build: str = "submit"

    @property
    def has_gpus(self) -> bool:
        """Whether the run is given GPUs."""
        return bool(self.gpus or self.gpus_per_node)


def _typed(name: str, value: Any) -> Any:
    if name not in _SECTIONS or not isinstance(value, dict):
        return value
    return SimpleNamespace(**{key: _typed(key, item) for key, item in value.items()})
