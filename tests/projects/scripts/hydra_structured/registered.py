"""Configs that only this code registers: the base of conf/config.yaml, and a group that has no file. And a resolver."""

from dataclasses import dataclass, field
from typing import Any, List

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf


@dataclass
class Kind:
    name: str = MISSING


@dataclass
class Small(Kind):
    name: str = "small"


@dataclass
class Large(Kind):
    name: str = "large"


@dataclass
class Base:
    defaults: List[Any] = field(default_factory=lambda: [{"kind": "small"}, "_self_"])
    kind: Kind = MISSING
    lr: float = 0.1
    loss: float = 0.0


store = ConfigStore.instance()
store.store(name="base_config", node=Base)
store.store(group="kind", name="small", node=Small)
store.store(group="kind", name="large", node=Large)
OmegaConf.register_new_resolver("times", lambda one, other: one * other)
