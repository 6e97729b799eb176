"""Parts of the standard library without their slow imports, for what runs at every submission.

sha256     for a few bytes: `hashlib` loads OpenSSL, which takes 2 ms. `sha256_digest` is for one of many pieces: it takes OpenSSL once
           they are together so long that its speed pays for loading it.
json, re   loaded when they are first used; `re.compile` compiles when the pattern is first used. `re` with `enum` takes 4 ms.
signal     its C part, with plain numbers: `signal` itself needs `enum`.
"""

from __future__ import annotations

__all__ = ["json", "re", "sha256", "sha256_digest", "signal"]

FEW_BYTES = 1_000_000  # the interpreter's own takes 2 ms more for these than OpenSSL, where the CPU has instructions for it
_digested = 0

TYPE_CHECKING = False
if TYPE_CHECKING:
    import json
    import re
    import signal
    from hashlib import sha256
else:
    import _signal as signal

    try:
        from _sha2 import sha256  # Python 3.12
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:  # not CPython, or one that was built without
            from hashlib import sha256

    class _Json:
        def __getattr__(self, name: str) -> object:
            import json

            return getattr(json, name)

    class _Re:
        compile = staticmethod(lambda pattern, flags=0: _Pattern(pattern, flags))

        def __getattr__(self, name: str) -> object:
            import re

            return getattr(re, name)

    class _Pattern:
        def __init__(self, pattern: str | bytes, flags: int) -> None:
            self._given = pattern, flags

        def __getattr__(self, name: str) -> object:
            import re

            value = self.__dict__[name] = getattr(re.compile(*self._given), name)
            return value

    json, re = _Json(), _Re()


def sha256_digest(data: bytes) -> bytes:
    """The SHA-256 of a piece of data."""
    global _digested
    _digested += len(data)
    if _digested <= FEW_BYTES:
        return sha256(data).digest()
    from hashlib import sha256 as fast_sha256

    return fast_sha256(data).digest()
