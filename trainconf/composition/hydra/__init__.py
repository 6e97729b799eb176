"""How Hydra and OmegaConf are used: its loader over files read fast, its settings, and what a composition reads."""
