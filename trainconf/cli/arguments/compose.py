"""Reads what is typed to compose a config: overrides, and Hydra's flags about where configs are."""

from __future__ import annotations

import os

from trainconf.cli.screen.printer import printer
from trainconf.control.compose import ComposeRequest
from trainconf.errors import UserError
from trainconf.paths import WorkspacePaths, find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

CONFIG_DIR, CONFIG_NAME = "config_dir", "config_name"
_FLAGS = {"--config-dir": CONFIG_DIR, "-cd": CONFIG_DIR, "--config-name": CONFIG_NAME, "-cn": CONFIG_NAME}


def parse(argv: list[str]) -> tuple[ComposeRequest, bool]:
    """A submission's request, and whether it is a sweep (`-m`). Raises UserError for an unknown flag."""
    overrides, is_sweep = [], False
    places, rest = split_places(argv)
    for argument in rest:
        if argument in ("-m", "--multirun"):
            is_sweep = True
        elif argument in ("--run", "-r"):
            continue  # Hydra's name for what happens anyway
        elif argument.startswith("-"):
            raise UserError(f"there is no flag {argument}", ("from", "command line"),
                            ("allowed", "-m, --config-dir, --config-name, --cfg, --resolve, --package, --info, --help, --version"),
                            hint="a value that starts with - belongs after its key: key=-1")
        else:
            overrides.append(argument)
    return ComposeRequest(overrides, **places), is_sweep


def split_places(argv: list[str]) -> tuple[dict[str, str], list[str]]:
    """What --config-dir and --config-name say, and the other arguments. Raises UserError for a flag without its value."""
    places: dict[str, str] = {}
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


def request_of(args: argparse.Namespace) -> ComposeRequest:
    """The request of a verb that composes. Raises UserError."""
    return ComposeRequest(args.overrides, args.config_name, args.config_dir)


def find_and_name_workspace() -> WorkspacePaths:
    """The workspace of the current folder, for a verb that runs what is in it. It is named when it is a folder above. Raises UserError."""
    here = os.getcwd()
    workspace = find_workspace(here)
    if workspace.root != here:
        printer.info(f"workspace: {workspace.root}")
    return workspace
