"""What an editor waits for."""
