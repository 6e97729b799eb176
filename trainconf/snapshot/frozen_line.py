"""The first line that makes a file a frozen run, whatever it is called."""

from __future__ import annotations

FROZEN_LINE = b"# trainconf frozen run"
BOM = b"\xef\xbb\xbf"
START_BYTES = len(BOM) + len(FROZEN_LINE) + 2  # of a file, to be asked about


def is_frozen(start: bytes) -> bool:
    """Whether a file that starts so is a frozen run: its first line says so, whatever an editor or git made of the line's end."""
    line = start.removeprefix(BOM)
    return line.startswith(FROZEN_LINE) and line[len(FROZEN_LINE) :][:1] in (b"", b"\n", b"\r")
