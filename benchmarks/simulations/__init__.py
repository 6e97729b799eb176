"""Benchmarks without a clock: exact under their seeds, on any machine."""
