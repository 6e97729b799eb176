"""What became of sweeps, read from their folders, and where their controllers are."""
