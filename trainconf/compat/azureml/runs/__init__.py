"""Runs and experiments by the names, shapes and words of the original."""
