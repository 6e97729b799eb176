"""Runs in containers of this machine's engine."""
