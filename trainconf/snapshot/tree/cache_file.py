"""Files that keep computed values between commands. A file that is torn, of another format or missing is not used; it only saves work."""

from __future__ import annotations

import marshal
import sys

from trainconf import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEAD_BYTES = 96


def save(path: str, format_: str, value: Any) -> None:
    """Replace the file at `path`. It need not survive a power cut. Raises OSError."""
    from binascii import crc32

    data = marshal.dumps(value)
    head = marshal.dumps((format_, sys.implementation.cache_tag, len(data), crc32(data)))
    files.write_atomic(path, head.ljust(HEAD_BYTES, b"\0") + data, durable=False)


def load(path: str, format_: str) -> Any:
    """The value that was saved, or None."""
    from binascii import crc32

    try:
        with open(path, "rb", buffering=0) as stream:
            head, data = stream.read(HEAD_BYTES), stream.read()
        if marshal.loads(head) != (format_, sys.implementation.cache_tag, len(data), crc32(data)):
            return None
        return marshal.loads(data)
    except (OSError, ValueError, EOFError, TypeError):
        return None
