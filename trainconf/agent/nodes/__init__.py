"""Ranks on several nodes of a Slurm job."""
