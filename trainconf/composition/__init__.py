"""All that imports Hydra and OmegaConf: configs composed, explained and cached."""
