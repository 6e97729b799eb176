"""What is told once in a process: that a call of the original does nothing here, or something else."""

from __future__ import annotations

import sys

_TOLD: set[str] = set()


def once(text: str) -> None:
    """Print a line on standard error, the first time it is said."""
    if text not in _TOLD:
        _TOLD.add(text)
        print("trainconf: " + text, file=sys.stderr, flush=True)
