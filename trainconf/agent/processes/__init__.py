"""Ranks that are processes of this machine, and what ends them."""
