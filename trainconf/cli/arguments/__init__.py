"""What is typed: arguments, overrides, Hydra's flags, help."""
