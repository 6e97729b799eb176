"""What the processes of a run record besides single values."""
