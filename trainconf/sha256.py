"""SHA-256 for a few bytes: `hashlib` loads OpenSSL, which is 2 ms. For the content of files OpenSSL is faster."""

from __future__ import annotations

__all__ = ["sha256"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256  # Python 3.12
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:  # not CPython, or one that was built without
            from hashlib import sha256
