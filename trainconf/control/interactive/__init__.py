"""Runs that a process is, without an agent: begun, canceled, and what any run has logged."""
