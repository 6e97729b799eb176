"""Runs on this machine: processes under an agent, and sweeps in a pool."""
