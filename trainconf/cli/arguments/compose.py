"""Reads what is typed to compose a config: overrides, and Hydra's flags about where configs are."""

from __future__ import annotations

import os
import sys

from trainconf.cli.screen.printer import printer
from trainconf.control.compose import ComposeRequest
from trainconf.errors import UserError
from trainconf.paths import WorkspacePaths, find_workspace
from trainconf.resolve.hydra_app import joined, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from trainconf.cli.arguments.parser import Arguments

CONFIG_DIR, CONFIG_NAME = "config_dir", "config_name"
_FLAGS = {"--config-dir": CONFIG_DIR, "-cd": CONFIG_DIR, "--config-name": CONFIG_NAME, "-cn": CONFIG_NAME}
_WITH_A_VALUE = (*_FLAGS, "-o", "--output", "--check", "--message")  # of the verbs that compose


def parse(argv: list[str]) -> tuple[ComposeRequest, bool]:
    """A submission's request, and whether it is a sweep (`-m`). Raises UserError for an unknown flag."""
    overrides, is_sweep = [], False
    at = script_at(argv)
    own, words = split(argv[:at])
    places, rest = split_places(own)
    for argument in rest:
        if argument in ("-m", "--multirun"):
            is_sweep = True
        elif argument == "=":
            from trainconf.cli.mistyped import blank_error

            raise blank_error(argv)
        elif argument in ("--run", "-r"):
            continue  # Hydra's name for what happens anyway
        elif argument.startswith("-"):
            from trainconf.cli.mistyped import flag_error

            raise flag_error(argument, argv)
        else:
            overrides.append(argument)
    return _request(joined(overrides, words), [] if at is None else argv[at:], is_sweep=is_sweep, **places), is_sweep


def script_at(argv: list[str]) -> int | None:
    """Where the words name a script to run as it stands, `train.py`. What follows it is the script's own; what follows `--` is an app's."""
    for at, word in enumerate(split(argv)[0]):
        is_path = word.startswith(("./", "../", "/")) or ("=" not in word and word[:1] not in ("-", "+", "~"))
        if word.endswith(".py") and is_path and (not at or argv[at - 1] not in _WITH_A_VALUE):
            return at
    return None


def split_places(argv: list[str]) -> tuple[dict[str, Any], list[str]]:
    """What --config-dir and --config-name say, and the other arguments. Raises UserError for a flag without its value."""
    places: dict[str, Any] = {}
    others = []
    rest = iter(argv)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name in _FLAGS:
            given = value if equals else next(rest, "")
            if not given:
                raise UserError(f"{name} needs a value", ("from", "command line"))
            places[_FLAGS[name]] = given
        else:
            others.append(argument)
    return places, others


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The overrides and flags of a verb that composes."""
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="overrides in Hydra's grammar, and group=choice")
    parser.add_argument("--config-dir", "-cd", metavar="DIR", help="one more folder of config files, searched first")
    parser.add_argument("--config-name", "-cn", metavar="NAME", default="config", help="another primary config than `config`")
    parser.set_defaults(script=[], words=[])


def parse_arguments(parser: Arguments, argv: list[str]) -> argparse.Namespace:
    """What a parser with `add_arguments` finds; a script and the words that follow it are not its own. Raises UserError."""
    at = script_at(argv)
    args = parser.parse_with_words(argv[:at])
    if at is not None:
        args.script = argv[at:]
    return args


def request_of(args: argparse.Namespace, *, is_sweep: bool = False) -> ComposeRequest:
    """The request of a verb that composes. Raises UserError."""
    overrides = joined(args.overrides, args.words)
    return _request(overrides, args.script, is_sweep=is_sweep, config_name=args.config_name, config_dir=args.config_dir)


def _request(overrides: list[str], script: list[str], *, is_sweep: bool, **places: Any) -> ComposeRequest:
    if not script:
        return ComposeRequest(overrides, **places)
    from trainconf.cli.arguments.script import misplaced
    from trainconf.cli.arguments.script import request_of as request_of_script

    if script[-1] in ("--help", "-h"):
        software = [word for word in overrides if word.startswith(("env=", "env.", "+env."))]
        raise SystemExit(_show_help(script, request_of_script(script[0], [], software, **places)))
    if note := misplaced(script[0], script[1:]):
        printer.info(f"note: {note}")
    if _has_piped_input():
        printer.info("note: a run reads nothing from standard input; give the script a file as an argument instead")
    return request_of_script(script[0], script[1:], overrides, is_sweep=is_sweep, **places)


def _has_piped_input() -> bool:
    """Whether something was written into standard input, or it is a file that was not read yet."""
    import select
    import stat

    try:
        fd = sys.stdin.fileno()
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode):
            return os.lseek(fd, 0, os.SEEK_CUR) < status.st_size
        if not stat.S_ISFIFO(status.st_mode) or not select.select([fd], [], [], 0)[0]:
            return False
        from fcntl import ioctl
        from termios import FIONREAD

        return ioctl(fd, FIONREAD, b"\0" * 4) != b"\0" * 4  # readable at its end, too
    except (OSError, ValueError, AttributeError):
        return False


def _show_help(script: list[str], request: ComposeRequest) -> int:
    """Let a script tell what its words are; its exit code."""
    from trainconf.cli.screen.printer import terminal_size
    from trainconf.control.submit import python_of
    from trainconf.process import processes

    python = python_of(request, find_workspace(os.getcwd()))
    printer.info(f"note: what {script[0]} says of itself; nothing is recorded. `trainconf --help` is trainconf's own")
    env = {**os.environ, "COLUMNS": str(terminal_size()[0])}
    return processes.stream([python, *script], printer.verbatim, env=env).returncode


def find_and_name_workspace() -> WorkspacePaths:
    """The workspace of the current folder, for a verb that runs what is in it. It is named when it is a folder above. Raises UserError."""
    here = os.getcwd()
    workspace = find_workspace(here)
    if workspace.root != here:
        printer.info(f"workspace: {workspace.root}")
    return workspace
