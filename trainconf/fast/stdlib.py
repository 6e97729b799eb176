"""Parts of the standard library without their slow imports, for what runs at every submission.

json, re   loaded when they are first used; `re.compile` compiles when the pattern is first used. `re` with `enum` takes 4 ms.
signal     its C part, with plain numbers: `signal` itself needs `enum`.
"""

from __future__ import annotations

__all__ = ["json", "re", "signal"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import json
    import re
    import signal
else:
    import _signal as signal

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
