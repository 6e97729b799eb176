"""What a run uses of its machine while it goes on, sampled beside it."""
