"""Whether there are colours, and lines that are drawn again: decided here alone, from the channel and the variables that people set."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

_OFF = ("", "0", "false", "no")
_FORCING = ("FORCE_COLOR", "CLICOLOR_FORCE")


def shows_colours(stream: IO[str] | None) -> bool:
    """NO_COLOR forbids them (no-color.org), then FORCE_COLOR or CLICOLOR_FORCE asks for them, in a pipe and in CI as well.

    Else a terminal has them, unless it is dumb or CLICOLOR=0 forbids them (bixense.com/clicolors). FORCE_COLOR=0 forbids them, too.
    """
    if stream is None or os.environ.get("NO_COLOR"):
        return False
    if any(_is_on(name) for name in _FORCING):
        return True
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR") == "0":
        return False
    return _has_cursor(stream)


def redraws(stream: IO[str] | None) -> bool:
    """Whether lines on it can be drawn again: on a terminal, unless that is dumb or a log of CI, which keeps every line."""
    return stream is not None and not _is_on("CI") and _has_cursor(stream)


def _has_cursor(stream: IO[str]) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").lower() not in _OFF
