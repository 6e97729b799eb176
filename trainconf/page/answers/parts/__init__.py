"""What one run is made of: its config, code, software, events and files."""
