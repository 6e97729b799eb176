"""Hydra apps of anybody's, run by trainconf."""
