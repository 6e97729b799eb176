"""Virtual environments."""
