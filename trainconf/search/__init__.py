"""Search as pure functions: what a space holds, which point comes next, which trial is best, which one stops early.

Nothing here starts a run, reads a file or looks at a clock. Equal arguments give equal results on every machine.
"""
