"""Who hears, while something is prepared, what takes time and what is worth knowing. By default nobody."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Wait:
    """Work that a person waits for. It ends with the block, and is told inside how far it has come. This one shows nothing."""

    def __enter__(self) -> Wait:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """It has ended: as it should, or by an exception."""

    def at(self, done: int, total: int, unit: str = "") -> None:
        """So much is done of how much: numbers of bytes (`B`), or of what the unit says, such as `files`. May be called very often."""

    def now(self, text: str) -> None:
        """What goes on at this moment, such as an installer's line."""


class Reporter:
    """Hears everything and says nothing. The command line's prints."""

    def info(self, text: str = "") -> None:
        """A line for the person who waits."""

    def wait(self, what: str, *, is_told_often: bool = False) -> Wait:
        """Begin what may take longer than a second, such as `pulling python:3.12`.

        is_told_often: `at` will be called many times in a second, unless there is little to do.
        """
        return Wait()

    def redact(self, values: Iterable[str]) -> None:
        """Never show these values."""


class Lines(Reporter):
    """Hands every line to a function: for a log, which keeps all of them."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say

    def info(self, text: str = "") -> None:
        """A line."""
        self._say(text)

    def wait(self, what: str, *, is_told_often: bool = False) -> Wait:
        """A line, and one for each thing that goes on."""
        self._say(what)
        return _SaidWait(self._say)


class _SaidWait(Wait):
    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say

    def now(self, text: str) -> None:
        self._say(text)


SILENT = Reporter()
