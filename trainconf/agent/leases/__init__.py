"""Leases of a machine's slots and GPUs."""
