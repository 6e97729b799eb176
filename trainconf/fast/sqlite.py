"""`sqlite3` without the types it converts: its C part, for `datetime` and the module around it take 2 ms of every listing."""

from __future__ import annotations

__all__ = ["sqlite3"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
else:
    try:
        import _sqlite3 as sqlite3
    except ImportError:
        import sqlite3
