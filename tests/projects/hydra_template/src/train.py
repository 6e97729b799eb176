"""A Hydra app in the shape that many templates have. It knows nothing of trainconf."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

OmegaConf.register_new_resolver("double", lambda value: 2 * value)


@dataclass
class TrainerSchema:
    """The trainer's settings: what a file of the group does not name has its default here."""

    max_epochs: int = 3
    precision: str = "32"
    fail: bool = False


ConfigStore.instance().store(name="trainer_schema", group="trainer", node=TrainerSchema)
sys.path.insert(0, str(Path(__file__).parent))


@hydra.main(version_base="1.3", config_path="../configs", config_name="train.yaml")
def main(cfg: DictConfig) -> None:
    model = get_class(cfg.model._target_)(**{key: value for key, value in cfg.model.items() if key != "_target_"})
    if cfg.trainer.fail:
        sys.exit(7)
    loss = 1.0
    for _ in range(cfg.trainer.max_epochs):
        loss = model.step(loss, cfg.optimizer.lr)
        print(f"val_loss={loss}")
    found = {"loss": loss, "seed": cfg.seed, "cwd": str(Path.cwd()), "config": OmegaConf.to_container(cfg, resolve=True)}
    Path(cfg.paths.output_dir, "result.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
