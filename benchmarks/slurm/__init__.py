"""What runs on Slurm cost beside `sbatch`."""
