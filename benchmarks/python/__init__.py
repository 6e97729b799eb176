"""What runs cost from Python, beside the command line."""
