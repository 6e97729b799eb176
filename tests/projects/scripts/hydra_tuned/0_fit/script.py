"""A Hydra app of a folder of examples, tuned by a sweeper of another package. It knows nothing of trainconf."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

logger = logging.getLogger(__name__)
CONFIG = Path(__file__).resolve().parent / "config"


class Line:
    def __init__(self, slope: float, power: int) -> None:
        self.score = slope**power


class Tree:
    def __init__(self, depth: int, shape: dict[str, Any]) -> None:
        self.score = depth + shape["width"]


@hydra.main(config_path=str(CONFIG), config_name="main", version_base="1.3")
def main(cfg: DictConfig) -> float:
    model = hydra.utils.instantiate(cfg.model)
    logger.info("result %s %s", type(model).__name__, model.score)
    print(f"result {type(model).__name__} {model.score}")
    return float(model.score)


if __name__ == "__main__":
    main()
