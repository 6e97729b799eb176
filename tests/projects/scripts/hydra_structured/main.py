"""An app whose configs are dataclasses; Hydra does not change the folder."""

import os

import hydra
from hydra.core.hydra_config import HydraConfig

from registered import Base


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg: Base) -> float:
    print("result", cfg.kind.name, cfg.loss, "in", os.path.basename(HydraConfig.get().runtime.output_dir))
    return cfg.loss


if __name__ == "__main__":
    main()
