"""Sweeps of plain words: read, and composed from the cache, without Hydra."""
