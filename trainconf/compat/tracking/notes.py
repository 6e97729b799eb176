"""What a script is told on standard error, once each; and what stands for a name of the original that has no meaning here."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Set, Tuple

_told: Set[str] = set()


def note(key: str, text: str) -> None:
    """Print one line on standard error, the first time this key is used. Never raises."""
    if key in _told:
        return
    _told.add(key)
    say(text)


def say(text: str) -> None:
    """Print one line on standard error. A script may have closed it, and its disk may be full: then nothing is said."""
    try:
        print("trainconf: " + text, file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return


class KeepsGoing:
    """`with KeepsGoing("the table 'x'"):` tells once what could not be written, and the training goes on.

    That is for the disk and for what a script's own objects raise when they are turned into files, such as a figure that cannot be drawn.
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        if isinstance(error, OSError):
            note("disk %s" % error.errno, "%s cannot be written, the script goes on without: %s" % (self.what, error))
            return True
        if isinstance(error, Exception):
            note(self.what, "%s cannot be kept, the script goes on without: %s: %s" % (self.what, type(error).__name__, error))
            return True
        return False


class Unanswered:
    """Stands for a function, class or object of the original that does nothing here.

    It can be called, entered, iterated, indexed and asked for more names, and is false. As a decorator it returns what it decorates.
    """

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Unanswered(self._name + "." + name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        is_decorator = len(args) == 1 and not kwargs and callable(args[0]) and hasattr(args[0], "__code__")
        return args[0] if is_decorator else self

    def __getitem__(self, key: Any) -> Any:
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        return None

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: Any) -> None:
        return None

    def __instancecheck__(self, instance: Any) -> bool:
        return False

    def __mro_entries__(self, bases: Any) -> Tuple[Any, ...]:
        return ()

    def __format__(self, form: str) -> str:
        return repr(self)

    def __int__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 0.0

    def __lt__(self, other: Any) -> bool:
        return False

    __gt__ = __le__ = __ge__ = __lt__

    def __repr__(self) -> str:
        return "<%s: answered with nothing by trainconf>" % self._name


def unanswered(name: str, hint: str = "") -> Unanswered:
    """The stand-in for a name, which is told once."""
    note(name, "%s does nothing here%s" % (name, ": " + hint if hint else "; the run is recorded without it"))
    return Unanswered(name)
