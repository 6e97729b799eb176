"""Checks the configs of a workspace: every experiment, every other choice, the commands in their comments, every frozen file.

Nothing is run and nothing is written but the cache of composed configs. Inputs need not be there: data is not under version control.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator
from functools import partial

from trainconf.control.compose import ComposeRequest, compose
from trainconf.errors import Mistake, TrainconfError
from trainconf.fast.records import Record
from trainconf.git.command import Repository, find_root
from trainconf.paths import STATE_DIR, WorkspacePaths, is_inside
from trainconf.process import processes
from trainconf.resolve.composed import Composed
from trainconf.resolve.hydra_app import SEPARATOR
from trainconf.resolve.resolver import resolve
from trainconf.schema import GROUPS
from trainconf.snapshot.frozen_line import START_BYTES, is_frozen
from trainconf.submission import frozen
from trainconf.submission.code import find_code
from trainconf.sweeps.search import wrong_expressions

COMMAND = re.compile(r"#.*?\b(?:python3? -m )?trainconf ([^`]*)")
SWEEP_FLAGS = ("-m", "--multirun")
ABSENT_INPUT = re.compile(r"the input .* does not exist")
NEVER_LOOKED_INTO = frozenset({"runs", "outputs", "logs", STATE_DIR, ".git", "__pycache__", "node_modules", ".venv"})


class Checked(Record):
    """Something that was checked: a choice, a command in a comment, or a frozen file. It is true when there are no mistakes.

    place: its file in the workspace, and the line of a command
    absent_inputs: how many inputs are not here, and were not looked at
    """

    what: str
    place: str
    mistakes: list[Mistake]
    absent_inputs: int = 0


def check(workspace: WorkspacePaths, *, may_differ: bool = False) -> Iterator[Checked]:
    """Check everything, one after the other. With `may_differ` a frozen file must be whole and its code there, and no more.

    A file whose name begins with `_` is a part of others, and is checked with them alone.
    """
    for group, choice, path in _choices(workspace):
        place = os.path.relpath(path, workspace.root)
        word = word_of(group, choice, workspace)
        yield _checked(word, place, partial(_compose, [word], workspace, look=group == "experiment"))
        for number, command in commands_in(_text_of(path)):
            yield _checked(f"trainconf {shlex.join(command)}", f"{place}:{number}", partial(_command, command, workspace))
    for path in _frozen_files(workspace):
        place = os.path.relpath(path, workspace.root)
        yield _checked(f"frozen file {place}", place, partial(frozen_mistakes, path, workspace, may_differ=may_differ))


def _checked(what: str, place: str, look: Callable[[], list[Mistake]]) -> Checked:
    try:
        mistakes = look()
    except TrainconfError as error:
        mistakes = list(error.mistakes)
    wrong = but_for_inputs(mistakes)
    return Checked(what, place, wrong, len(mistakes) - len(wrong))


def but_for_inputs(mistakes: list[Mistake]) -> list[Mistake]:
    """Mistakes without those of inputs that are not here."""
    return [mistake for mistake in mistakes if not ABSENT_INPUT.fullmatch(mistake.what)]


def _choices(workspace: WorkspacePaths) -> Iterator[tuple[str, str, str]]:
    """Group, choice and file of every choice that is the workspace's own; experiments first."""
    found = []
    for folder, folders, names in os.walk(workspace.conf):
        folders.sort()
        paths = (os.path.join(folder, name) for name in sorted(names))
        found += [(*of, path) for path in paths if (of := choice_of(path, workspace)) is not None]
    return iter(sorted(found, key=lambda each: (each[0] != "experiment", each)))


def choice_of(path: str, workspace: WorkspacePaths) -> tuple[str, str] | None:
    """Group and choice of a config file; None for one that is no choice, or a part of others by its name."""
    folder, name = os.path.split(path)
    if not name.endswith(".yaml") or name.startswith("_") or not is_inside(folder, workspace.conf) or folder == workspace.conf:
        return None
    group, _, rest = os.path.relpath(folder, workspace.conf).replace(os.sep, "/").partition("/")
    choice = name.removesuffix(".yaml")
    return ("sweep/policy", choice) if (group, rest) == ("sweep", "policy") else (group, f"{rest}/{choice}" if rest else choice)


def word_of(group: str, choice: str, workspace: WorkspacePaths) -> str:
    """The override that composes a choice: it adds a group of the workspace's own that the primary config does not choose."""
    if group in GROUPS or group == "experiment":
        return f"{group}={choice}"
    try:
        chosen = compose(ComposeRequest(), workspace).choices
    except TrainconfError:  # told where that is composed
        chosen = {group: ""}
    return f"{'' if group in chosen else '+'}{group}={choice}"


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""  # composing it says why


def commands_in(text: str) -> Iterator[tuple[int, list[str]]]:
    """The submissions that the comments of a config file tell, each with its line: `trainconf key=value ...`, maybe with -m."""
    for number, line in enumerate(text.splitlines(), 1):
        if (found := COMMAND.search(line)) is None:
            continue
        try:
            words = shlex.split(found[1])
        except ValueError:
            continue  # prose with a quote
        overrides = [word for word in words if word not in SWEEP_FLAGS]
        if overrides and all("=" in word or word.startswith("~") or word == SEPARATOR for word in overrides):
            yield number, words


def _compose(words: list[str], workspace: WorkspacePaths, *, look: bool) -> list[Mistake]:
    """Compose; with `look` also resolve what would run. Raises ConfigError."""
    composed = compose(ComposeRequest(words), workspace)
    return mistakes_of(composed, partial(resolve, composed, workspace, cwd=workspace.root) if look else None)


def mistakes_of(composed: Composed, resolve: Callable[[], object] | None) -> list[Mistake]:
    """What is wrong with a composed config: what resolving it says, if it is to be resolved, and the expressions of its space."""
    mistakes: list[Mistake] = []
    if resolve is not None:
        try:
            resolve()
        except TrainconfError as error:
            mistakes += error.mistakes
    return [*mistakes, *wrong_expressions(composed.config["sweep"], composed.origin_of_part)]


def _command(words: list[str], workspace: WorkspacePaths) -> list[Mistake]:
    overrides = [word for word in words if word not in SWEEP_FLAGS]
    if len(overrides) == len(words):
        return _compose(overrides, workspace, look=True)
    from trainconf.control.sweeps import steer

    steer.compose(ComposeRequest(overrides), workspace)
    return []


def frozen_mistakes(path: str, workspace: WorkspacePaths, *, may_differ: bool = False, starts_programs: bool = True) -> list[Mistake]:
    """What is not as it was frozen. Without `starts_programs` no software is compared that only a program knows.

    Raises FrozenFileError, ConfigError and others.
    """
    if may_differ:
        file = frozen.read(path, workspace)
        find_code(file.resolved.spec.code.snapshot, file.resolved.source_directory, file.git, workspace, path)
        return []
    from trainconf.control.freeze import check as check_file

    found = check_file(path, workspace, starts_programs=starts_programs)
    name = os.path.relpath(path, workspace.root)
    mistakes = [
        Mistake(f"{part} is not as it was frozen", ("from", name), ("differs", "\n".join(lines)),
                hint=f"`trainconf freeze --check {shlex.quote(name)} --diff` tells more; freeze again if this is meant")
        for part, lines in found.differences.items()
    ]
    if found.strange_program and starts_programs:
        mistakes.append(Mistake(f"the environment was not compared: the file names {found.strange_program}", ("from", name),
                                hint=f"`trainconf freeze --check {shlex.quote(name)} --trust` starts it"))
    return mistakes


def _frozen_files(workspace: WorkspacePaths) -> list[str]:
    """Every frozen file of the workspace. Where git knows which files are its own, those that it ignores are passed over."""
    return [path for path in sorted(_files(workspace)) if _starts_as_frozen(path)]


def _files(workspace: WorkspacePaths) -> Iterator[str]:
    root = find_root(workspace.root)
    if root is not None:
        listed = Repository(root, processes).ask("ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=workspace.root)
        if listed.ok:
            yield from {os.path.join(workspace.root, name) for name in listed.text().split("\0") if name}
            return
    for folder, folders, names in os.walk(workspace.root):
        folders[:] = [name for name in folders if name not in NEVER_LOOKED_INTO]
        yield from (os.path.join(folder, name) for name in names)


def _starts_as_frozen(path: str) -> bool:
    try:
        if os.path.islink(path) or not os.path.isfile(path):
            return False
        with open(path, "rb") as stream:
            return is_frozen(stream.read(START_BYTES))
    except OSError:
        return False
