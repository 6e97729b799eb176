"""What can be done with sweeps: submitted, steered, watched, taken over, run again."""
