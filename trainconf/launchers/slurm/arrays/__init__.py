"""Sweeps as arrays of jobs: sent in chunks, as Slurm has room."""
