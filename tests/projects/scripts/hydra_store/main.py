"""An app without a file of configs: they are dataclasses of this script, as are the classes that they name. It knows nothing of trainconf."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, List

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import MISSING


class Model:
    def __init__(self, name: str) -> None:
        self.name = name
        self.loss = 0.0

    def __float__(self) -> float:
        return self.loss


class Small(Model):
    """Named by its config alone."""


class Large(Model):
    """Named by its config alone."""


@dataclass
class SmallConfig:
    _target_: str = "__main__.Small"
    name: str = "small"


@dataclass
class LargeConfig:
    _target_: str = "__main__.Large"
    name: str = "large"


@dataclass
class Config:
    defaults: List[Any] = field(default_factory=lambda: [{"kind": "small"}, "_self_"])
    kind: Any = MISSING
    lr: float = 0.1


store = ConfigStore.instance()
store.store(name="config", node=Config)
store.store(group="kind", name="small", node=SmallConfig)
store.store(group="kind", name="large", node=LargeConfig)


@hydra.main(version_base=None, config_name="config")
def main(cfg: Config) -> Model:
    model = hydra.utils.instantiate(cfg.kind)
    assert isinstance(model, Model), type(model)
    model.loss = cfg.lr
    print("result", model.name, model.loss, "in", Path(HydraConfig.get().runtime.output_dir).name)
    return model


if __name__ == "__main__":
    main()
