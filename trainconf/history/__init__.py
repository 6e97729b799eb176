"""What is known about runs: their events, their honest state, their records, and an index over them.

Standard library only, and light: `trainconf ls` starts as fast as a shell tool. Nothing here starts or ends a run.
"""
