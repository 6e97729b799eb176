"""Started as `python -m fit.train` from the folder that holds the package."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from .loss import loss_of


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(cfg: DictConfig) -> float:
    loss = loss_of(cfg.model.width, cfg.lr)
    print(f"result {cfg.model.width} {cfg.lr}")
    print(f"loss={loss}")
    return loss


if __name__ == "__main__":
    main()
