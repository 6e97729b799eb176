"""Ranks that mpirun or srun starts for MPI."""
