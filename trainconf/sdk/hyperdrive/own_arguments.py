"""The arguments that a script was given by itself, beside those that a search gives it: of one name, the search's counts."""

from __future__ import annotations

from trainconf.fast.records import replace
from trainconf.sdk.notes import note
from trainconf.sdk.submission.request import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any


def without(parts: Sequence[Part], names: Collection[str]) -> list[Part]:
    """What takes the place of arguments and commands in these parts, so that a search of `names` has its way; says what it drops."""
    found: list[Part] = []
    for part in parts:
        arguments, command = part.values.get("arguments"), part.values.get("command")
        if arguments is not None:
            kept, dropped = filtered(arguments, names)
            if dropped:
                note(f"the search decides {', '.join(dropped)}; what {part.place} gives for it is left out")
                found.append(replace(part, choices=[], values={"arguments": kept}))
        if isinstance(command, str) and "$@" not in command and "$*" not in command:
            found.append(replace(part, choices=[], values={"command": f'{command} "$@"'}))
    return found


def filtered(words: Sequence[Any], names: Collection[str]) -> tuple[list[Any], list[str]]:
    """Words without the options of these names and the one value of each; the options that were there."""
    kept: list[Any] = []
    dropped: list[str] = []
    is_value = False  # of an option that is left out
    for word in words:
        is_option = isinstance(word, str) and word.startswith("-") and not _is_number(word)
        option, equals, _ = word.partition("=") if is_option else ("", "", "")
        if option.startswith("--") and option[2:] in names:
            dropped.append(option)
            is_value = not equals
        elif is_value and not is_option:
            is_value = False
        else:
            is_value = False
            kept.append(word)
    return kept, dropped


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
