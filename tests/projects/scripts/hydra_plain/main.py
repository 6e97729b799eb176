"""A script beside its conf/. It names no version_base, so Hydra changes the folder; its data lie below the folder of the command."""

import logging
import os
from pathlib import Path

import hydra
from omegaconf import DictConfig

log = logging.getLogger(__name__)


@hydra.main(config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float:
    scale = float(Path(cfg.data, "scale.txt").read_text())
    log.info("result %s %s in %s", cfg.kind.name, cfg.lr * scale, os.path.basename(os.getcwd()))
    return cfg.lr * scale


if __name__ == "__main__":
    main()
