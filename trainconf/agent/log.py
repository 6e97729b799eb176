"""The agent's log for people: lines on its standard error, which is logs/agent.log."""

from __future__ import annotations

import os
import sys

from trainconf.history import events

TIME_LENGTH = len("2026-11-23T05:32:07.123456Z")


def said(line: str) -> str | None:
    """What was said with a line that `say` has written; None of any other."""
    is_ours = line[4:5] == "-" and line[10:11] == "T" and line[TIME_LENGTH - 1 : TIME_LENGTH + 1] == "Z " and line[:4].isdigit()
    return line[TIME_LENGTH + 1 :] if is_ours else None


def say(text: str) -> None:
    """Write one line with the time. A log that cannot be written must not end a run, so a refusal is passed over."""
    line = f"{events.now()} {text}\n".encode(sys.getfilesystemencoding(), "backslashreplace")
    try:
        os.write(2, line)
    except OSError:
        return
