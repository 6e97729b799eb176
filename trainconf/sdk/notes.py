"""What a program should know and what is no mistake: told by the logger `trainconf`, which writes to stderr unless told otherwise."""

from __future__ import annotations

import logging

from trainconf.sdk.place import caller

_LOGGER = logging.getLogger("trainconf")


def note(text: str) -> None:
    """Say it, with the line of the program that it is about."""
    _LOGGER.warning("note: %s (%s)", text, caller())
