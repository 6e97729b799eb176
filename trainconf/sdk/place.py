"""The line of a user's program that called us: what origins and messages name."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
UNKNOWN = "a program"


def caller(through: str | None = None) -> str:
    """The place in the program that called into trainconf: `submit.py:12`, or `cell 3:2` in a notebook.

    The path is relative to the current directory where the file lies below it. Frames of trainconf itself are passed over, and those
    of the package in the folder `through`.
    """
    passed = (_PACKAGE, "<frozen ") if through is None else (_PACKAGE, "<frozen ", os.path.join(through, ""))
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_passed(frame.f_code.co_filename, passed):
        frame = frame.f_back
    return UNKNOWN if frame is None else f"{_name(frame)}:{frame.f_lineno}"


def _is_passed(file: str, passed: tuple[str, ...]) -> bool:
    """Whether a frame is of trainconf, or of an import, a decorator or a `with` statement that it went through."""
    return file.startswith(passed) or file.endswith((os.sep + "contextlib.py", os.sep + "functools.py"))


def _name(frame: FrameType) -> str:
    file = frame.f_code.co_filename
    if "ipykernel_" in file or file.startswith("<ipython-input-"):
        shell = frame.f_globals.get("get_ipython")
        count = getattr(shell() if callable(shell) else None, "execution_count", None)
        return "cell" if count is None else f"cell {count}"
    if file.startswith("<"):
        return file
    path = os.path.abspath(file)
    try:
        here = os.getcwd()
    except OSError:  # it was removed
        return path
    return os.path.relpath(path, here) if path.startswith(os.path.join(here, "")) else path
