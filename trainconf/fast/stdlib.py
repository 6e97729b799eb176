"""Parts of the standard library without their slow imports, for what runs at every submission.

ast        its C part, loaded when it is first used: `ast` itself needs `enum` and `re`. `compile` with PyCF_ONLY_AST makes the trees.
decimal    loaded when it is first used: with `numbers` 1 ms.
json, re   loaded when they are first used; `re.compile` compiles when the pattern is first used. `re` with `enum` takes 4 ms.
signal     its C part, with plain numbers: `signal` itself needs `enum`.
socket     its C part, loaded when it is first used: `socket` itself needs `enum` and `selectors`.
open       `read_bytes` asks the kernel for less than half as much as `open` does for the same.
libc       by what `ctypes` is made of, which itself takes 4 ms.
"""

from __future__ import annotations

import os

__all__ = ["ast", "decimal", "json", "libc", "prctl", "re", "read_bytes", "signal", "socket"]

BLOCK_BYTES = 65536

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    import decimal
    import json
    import re
    import signal
    import socket
else:
    import _signal as signal

    class _Module:
        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> object:
            return getattr(__import__(self._name), name)

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

    ast, decimal, json, re, socket = _Module("_ast"), _Module("decimal"), _Module("json"), _Re(), _Module("_socket")


def read_bytes(path: str) -> bytes:
    """What is in a file that the system makes, such as one in /proc. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = b""
        while block := os.read(fd, BLOCK_BYTES):
            data += block
        return data
    finally:
        os.close(fd)


def prctl(option: int, value: int) -> bool:
    """Set an attribute of this process (prctl(2)); False where the system or this Python cannot."""
    return libc("prctl", option, value, 0, 0, 0) == 0


def libc(name: str, *arguments: int | bytes) -> int:
    """What a function of the C library returns; -1 where the system or this Python does not have it."""
    try:
        from _ctypes import call_function, dlopen, dlsym

        library = dlopen(None, 0)  # type: ignore[arg-type]  # dlopen(3): what this program has loaded already
        return int(call_function(dlsym(library, name), arguments))
    except (ImportError, OSError, TypeError):  # a Python whose inside is another
        return _by_ctypes(name, arguments)


def _by_ctypes(name: str, arguments: tuple[int | bytes, ...]) -> int:
    try:
        import ctypes

        return int(getattr(ctypes.CDLL(None), name)(*arguments))
    except (ImportError, OSError, AttributeError):
        return -1
