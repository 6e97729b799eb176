"""What a submission tells meanwhile: what takes time, and what is worth knowing."""

from __future__ import annotations

import sys

from trainconf.reporter import Reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Talk(Reporter):
    """Tells what takes time, and what is worth knowing, on standard error as it is now: a notebook replaces it."""

    def __init__(self) -> None:
        self._hidden: list[str] = []

    def info(self, text: str = "") -> None:
        """Print a line, without the values of secrets."""
        for value in self._hidden:
            text = text.replace(value, "***")
        if sys.stderr is not None:
            print(text, file=sys.stderr, flush=True)

    def redact(self, values: Iterable[str]) -> None:
        """Never show these values."""
        self._hidden += [value for value in values if value]
