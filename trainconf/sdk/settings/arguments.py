"""Checks the arguments of a call from a user's program, and tells all mistakes at once, with the line of the call."""

from __future__ import annotations

import os
from difflib import get_close_matches

from trainconf.errors import Mistake, UserError
from trainconf.sdk.place import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

SHOWN = 60  # characters of a wrong value


class Arguments:
    """The arguments of one call, checked one by one; `check` raises UserError with every mistake.

    call: how the call is named in messages, such as `ScriptRunConfig`. place: where it stands, as `submit.py:12`.
    """

    def __init__(self, call: str, place: str = "") -> None:
        self.call = call
        self.place = place or caller()
        self.mistakes: list[Mistake] = []

    def wrong(self, what: str, *facts: tuple[str, str], hint: str = "") -> None:
        """Note a mistake."""
        self.mistakes.append(Mistake(what, ("from", self.place), *facts, hint=hint))

    def refuse(self, name: str, value: Any, allowed: str, hint: str = "") -> None:
        """Note that an argument has a value that it cannot have."""
        self.wrong(f"{self.call}: {name} cannot be {described(value)}", ("allowed", allowed), hint=hint)

    def text(self, name: str, value: Any, allowed: str = "a text", *, optional: bool = True) -> str | None:
        """A text that is not empty."""
        if value is None and optional:
            return None
        if not isinstance(value, str) or not value or "\0" in value:
            self.refuse(name, value, allowed)
            return None
        return value

    def path(self, name: str, value: Any, *, optional: bool = True) -> str | None:
        """A path, as text or as `pathlib.Path`."""
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        return self.text(name, value, "a path: a text or a pathlib.Path", optional=optional)

    def whole(self, name: str, value: Any, *, minimum: int = 0, optional: bool = False) -> int | None:
        """A whole number."""
        if value is None and optional:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            self.refuse(name, value, f"a whole number from {minimum} on")
            return None
        return value

    def seconds(self, name: str, value: Any) -> float | None:
        """A number of seconds above 0, or None."""
        if value is not None and (not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < float("inf")):
            self.refuse(name, value, "a number of seconds above 0, or None")
            return None
        return value

    def flag(self, name: str, value: Any) -> bool:
        """True or False."""
        if not isinstance(value, bool):
            self.refuse(name, value, "True or False")
        return bool(value)

    def choice(self, name: str, value: Any, known: Collection[str]) -> str | None:
        """One of some texts, in any case; as it is written there."""
        found = next((one for one in known if isinstance(value, str) and one.lower() == value.lower()), None)
        if found is None:
            self.refuse(name, value, ", ".join(known), hint=nearest(value, known))
        return found

    def texts(self, name: str, value: Any) -> dict[str, str]:
        """Texts by name. Numbers and truth values become text; None becomes the empty text."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.refuse(name, value, "a dict of texts")
            return {}
        found = {}
        for key, item in value.items():
            if not isinstance(key, str) or not key:
                self.refuse(f"a key of {name}", key, "a text")
            elif item is None or isinstance(item, (str, int, float)):
                found[key] = "" if item is None else str(item)
            else:
                self.refuse(f"{name}[{key!r}]", item, "a text")
        return found

    def check(self) -> None:
        """Raise UserError with all mistakes, if there are any."""
        if self.mistakes:
            raise UserError(self.mistakes)


def absolute(path: str) -> str:
    """A path from the current folder on. Raises UserError when that was removed."""
    try:
        return os.path.abspath(path)
    except OSError as error:
        hint = "go to a folder that is there: cd, or os.chdir(...)"
        raise UserError("the current folder was removed", ("from", caller()), hint=hint) from error


def described(value: Any) -> str:
    """A wrong value as a message shows it: the value, cut, and its type where the value does not tell."""
    text = repr(value)
    text = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
    return text if value is None or isinstance(value, (str, bool, int, float, list, dict, tuple)) else f"{text} ({type(value).__name__})"


def nearest(value: Any, known: Collection[str]) -> str:
    """A hint with the known name that is nearest to what was given; empty without one."""
    near = get_close_matches(value, list(known), n=1) if isinstance(value, str) else []
    return f"did you mean {near[0]!r}?" if near else ""


def unknown_attribute(what: str, name: str, known: Mapping[str, Any] | Collection[str]) -> UserError:
    """The error of setting an attribute that a config object does not have."""
    return UserError(f"{what} has no setting {name!r}", ("from", caller()), ("allowed", ", ".join(known)), hint=nearest(name, list(known)))
