"""A Hydra app with groups in groups, and a group that is chosen twice, for two packages. It knows nothing of trainconf."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> None:
    model = cfg.model
    print(f"result {model.encoder.block} {model.decoder.kind} from {cfg.source.host} to {cfg.target.sink.host}")
    print(f"loss={cfg.lr * model.encoder.width}")


if __name__ == "__main__":
    main()
