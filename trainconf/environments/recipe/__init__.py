"""What an environment shall hold, read from configs and files."""
