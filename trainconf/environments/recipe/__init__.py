"""Reads recipes: configs and files that say what an environment holds."""
