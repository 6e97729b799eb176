"""SHA-256 without OpenSSL, which `hashlib` loads in 2 ms.

`sha256` is for a few bytes. `sha256_digest` is for one of many pieces: it takes OpenSSL once they are together so long that its speed pays
for loading it.
"""

from __future__ import annotations

__all__ = ["sha256", "sha256_digest"]

FEW_BYTES = 1_000_000  # the interpreter's own takes 2 ms more for these than OpenSSL, where the CPU has instructions for it
_digested = 0

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


def sha256_digest(data: bytes) -> bytes:
    """The SHA-256 of a piece of data."""
    global _digested
    _digested += len(data)
    if _digested <= FEW_BYTES:
        return sha256(data).digest()
    from hashlib import sha256 as fast_sha256

    return fast_sha256(data).digest()
