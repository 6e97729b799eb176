"""A line on standard error that says how far something has come, where a person watches and it takes longer than a moment."""

from __future__ import annotations

import sys
import time

from trainconf.cli.screen.printer import printer

FIRST_S = 0.5  # what takes less is not told
EVERY_S = 0.1


class Progress:
    """Called with how many are done of how many. On a terminal one line that changes; elsewhere one line when it begins to take long."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._told_at = 0.0
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._began < FIRST_S or (self._told_at and (not self._is_terminal or now - self._told_at < EVERY_S)):
            return
        self._told_at = now
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{self._what}: {done} of {total}")
            sys.stderr.flush()
        else:
            printer.info(f"{self._what}: {done} of {total} so far")

    def end(self) -> None:
        """Take the line away."""
        if self._told_at and self._is_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self._told_at = 0.0
