"""What every job is given, wherever it runs: its argument list, variables, import path and ranks."""
