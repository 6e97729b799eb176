"""Who hears, while something is prepared, what takes time and what is worth knowing. By default nobody."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Reporter:
    """Hears everything and says nothing. The command line's prints."""

    def info(self, text: str = "") -> None:
        """A line for the person who waits."""

    def redact(self, values: Iterable[str]) -> None:
        """Never show these values."""


SILENT = Reporter()
