"""The parser every verb uses: argparse, with mistakes shown like all others."""

from __future__ import annotations

import argparse
import os
import re

from trainconf.cli.verbs import VERBS
from trainconf.errors import UserError
from trainconf.resolve.hydra_app import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


RUN_HELP = "a run id or its unique beginning, `last`, a run directory; of a sweep SWEEP:7 or SWEEP:best, `best` of the newest"
RUNS_HELP = f"{RUN_HELP}; or a whole sweep, by its id"


class _Formatter(argparse.HelpFormatter):
    """Told the width, it does not import shutil to ask for it, which every added argument would pay for (2 ms)."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns())


class Arguments(argparse.ArgumentParser):
    """An ArgumentParser whose mistakes are `UserError`s."""

    def __init__(self, verb: str = "", description: str = "", *, prog: str = "", **rest: Any) -> None:
        """`description` is by default the verb's line of help. argparse gives `prog` and `rest` to an action such as `trainconf env ls`."""
        prog = prog or f"trainconf {verb}"
        if verb and not description:
            description = f"{VERBS[verb][1][0].upper()}{VERBS[verb][1][1:]}."
        super().__init__(prog=prog, description=description, allow_abbrev=False, formatter_class=_Formatter, **rest)
        self.verb = prog.removeprefix("trainconf ")

    def parse_with_words(self, argv: list[str]) -> argparse.Namespace:
        """The arguments, in any order. Those behind `--`, which are for a Hydra app, are its `words`."""
        own, words = split(argv)
        args = self.parse_intermixed_args(own)
        args.words = words
        return args

    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().removeprefix("usage: ").split())
        hint = f"`trainconf {self.verb} --help` tells more"
        if re.fullmatch(r"the following arguments are required: (RUN|SWEEP|A)(, \w+)*", message):
            hint = f"`last` is the newest: `trainconf {self.verb} last`; `trainconf {'sweep ls' if 'SWEEP' in message else 'ls'}` lists all"
        raise UserError(message, ("from", "command line"), ("usage", usage), hint=hint)


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


def _columns() -> int:
    """Columns of the terminal, 80 where there is none; never so few that nothing fits."""
    try:
        return max(40, int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(1).columns) - 2
    except (ValueError, OSError):
        return 78
