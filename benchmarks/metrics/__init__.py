"""What it costs to read metrics, and to measure a machine."""
