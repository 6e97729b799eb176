"""Parts of the standard library without their slow imports, for what runs at every submission.

ast        its C part, loaded when it is first used: `ast` itself needs `enum` and `re`. `compile` with PyCF_ONLY_AST makes the trees.
json, re   loaded when they are first used; `re.compile` compiles when the pattern is first used. `re` with `enum` takes 4 ms.
signal     its C part, with plain numbers: `signal` itself needs `enum`.
socket     its C part, loaded when it is first used: `socket` itself needs `enum` and `selectors`.
prctl      by what `ctypes` is made of, which itself takes 4 ms.
"""

from __future__ import annotations

__all__ = ["ast", "json", "prctl", "re", "signal", "socket"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
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

    ast, json, re, socket = _Module("_ast"), _Module("json"), _Re(), _Module("_socket")


def prctl(option: int, value: int) -> bool:
    """Set an attribute of this process (prctl(2)); False where the system or this Python cannot."""
    arguments = (option, value, 0, 0, 0)
    try:
        from _ctypes import call_function, dlopen, dlsym

        libc = dlopen(None, 0)  # type: ignore[arg-type]  # dlopen(3): what this program has loaded already
        return bool(call_function(dlsym(libc, "prctl"), arguments) == 0)
    except (ImportError, OSError, TypeError):  # a Python whose inside is another
        return _prctl_by_ctypes(arguments)


def _prctl_by_ctypes(arguments: tuple[int, ...]) -> bool:
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(*arguments) == 0)
    except (ImportError, OSError, AttributeError):
        return False
