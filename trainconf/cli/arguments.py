"""The parser every verb uses: argparse, with mistakes told like all others."""

from __future__ import annotations

import argparse

from trainconf.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class Arguments(argparse.ArgumentParser):
    """An ArgumentParser whose mistakes are `UserError`s."""

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(prog=f"trainconf {verb}", description=description, allow_abbrev=False)
        self.verb = verb

    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().removeprefix("usage: ").split())
        raise UserError(message, ("from", "command line"), ("usage", usage), hint=f"`trainconf {self.verb} --help` tells more")


def count(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def positive_seconds(text: str) -> float:
    """A number of seconds, above 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value
