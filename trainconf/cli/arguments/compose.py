"""What the verbs that compose a config have in common: their words, the workspace, and the resolved config."""

from __future__ import annotations

import os

from trainconf.composition.cache import compose
from trainconf.errors import UserError
from trainconf.paths import WorkspacePaths, find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from trainconf.resolve.composed import Composed
    from trainconf.resolve.resolver import Resolved

_FLAGS = {"--config-dir": "config_dir", "-cd": "config_dir", "--config-name": "config_name", "-cn": "config_name"}


class Words:
    """The words of a command line that composes: overrides, and Hydra's flags about where configs are."""

    __slots__ = ("config_dir", "config_name", "multirun", "overrides")

    def __init__(self, overrides: list[str], config_dir: str | None = None, config_name: str = "config", *, multirun: bool = False) -> None:
        self.overrides = overrides
        self.config_dir = config_dir
        self.config_name = config_name
        self.multirun = multirun


def parse(words: list[str]) -> Words:
    """Split a submission's words. Raises UserError for a flag nobody knows."""
    found = Words([])
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if word in ("-m", "--multirun"):
            found.multirun = True
        elif word in ("--run", "-r"):
            continue  # Hydra's name for what happens anyway
        elif name in _FLAGS:
            given = value if equals else next(rest, None)
            if not given:
                raise UserError(f"{name} needs a value", ("from", "command line"))
            setattr(found, _FLAGS[name], given)
        elif word.startswith("-"):
            raise UserError(f"{word} is not a flag", ("from", "command line"),
                            ("allowed", "-m, --config-dir, --config-name, --cfg, --resolve, --package, --info, --help, --version"),
                            hint="a value that starts with - belongs after the key: key=-1")
        else:
            found.overrides.append(word)
    return found


def split_config_dir(words: list[str]) -> tuple[str | None, list[str]]:
    """The folder that --config-dir names, and the other words. Raises UserError when it is none."""
    found, others = Words([]), []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if _FLAGS.get(name) == "config_dir":
            found.config_dir = value if equals else next(rest, "")
        else:
            others.append(word)
    return config_dir_of(found), others


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words and flags of a verb that composes."""
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="overrides in Hydra's grammar, and group=choice")
    parser.add_argument("--config-dir", "-cd", help="one more folder of config files, searched first")
    parser.add_argument("--config-name", "-cn", default="config", help="the primary config")


def composed(words: Words | argparse.Namespace, workspace: WorkspacePaths) -> Composed:
    """Compose, or take it from the cache. Raises ConfigError."""
    name = words.config_name.removesuffix(".yaml")
    found = compose(list(words.overrides), workspace, config_dir=config_dir_of(words), config_name=name)
    tell_notes(found)
    return found


def tell_notes(found: Composed) -> None:
    """Say what was asked for and has no effect."""
    if found.notes:
        from trainconf.cli.screen.printer import printer

        for note in found.notes:
            printer.info(f"note: {note}")


def config_dir_of(words: Words | argparse.Namespace) -> str | None:
    """The folder that --config-dir names. Raises UserError when it is none."""
    folder: str | None = words.config_dir
    if folder is not None and not os.path.isdir(folder):
        raise UserError("--config-dir does not name a folder", ("path", os.path.abspath(folder)))
    return folder


def resolved(words: Words | argparse.Namespace) -> tuple[Resolved, WorkspacePaths]:
    """Compose and resolve in the workspace of the current folder. Raises ConfigError."""
    from trainconf.resolve.resolver import resolve

    workspace = find_and_name_workspace()
    return resolve(composed(words, workspace), workspace), workspace


def find_and_name_workspace() -> WorkspacePaths:
    """The workspace of the current folder, for a verb that runs what it says. It is named where it is a folder above. Raises UserError."""
    from trainconf.cli.screen.printer import printer

    here = os.getcwd()
    workspace = find_workspace(here)
    if workspace.root != here:
        printer.info(f"workspace: {workspace.root}")
    return workspace
