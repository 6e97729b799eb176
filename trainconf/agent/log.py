"""The agent's log for people: lines on its standard error, which is logs/agent.log."""

from __future__ import annotations

import os
import sys

from trainconf.history import events


def say(text: str) -> None:
    """Write one line with the time. A log that cannot be written must not end a run, so a refusal is passed over."""
    line = f"{events.now()} {text}\n".encode(sys.getfilesystemencoding(), "backslashreplace")
    try:
        os.write(2, line)
    except OSError:
        return
