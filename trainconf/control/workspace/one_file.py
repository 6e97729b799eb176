"""What `trainconf check` says of one config file, as its text stands in an editor. No program is started."""

from __future__ import annotations

import os
from functools import partial

from trainconf.control.compose import ComposeRequest, compose, resolve_quietly
from trainconf.control.workspace.check import SWEEP_FLAGS, but_for_inputs, choice_of, commands_in, frozen_mistakes, mistakes_of, word_of
from trainconf.errors import Mistake, TrainconfError
from trainconf.fast.records import Record
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from trainconf.composition.hydra.yaml_files import ConfigFiles

PRIMARY = ("config.yaml", "local.yaml")


class Look(Record):
    """What came out: the config where it composes, and what is wrong."""

    composed: Composed | None
    mistakes: list[Mistake]


def words_for(path: str, workspace: WorkspacePaths) -> list[str] | None:
    """The overrides that compose a config file; None for one that `check` does not compose by itself."""
    if os.path.dirname(path) == workspace.conf:
        return [] if os.path.basename(path) in PRIMARY else None
    found = choice_of(path, workspace)
    return None if found is None or found[0] == "hydra" else [word_of(*found, workspace)]


def look(words: list[str], workspace: WorkspacePaths, files: ConfigFiles, is_stale: Callable[[], bool] = lambda: False) -> Look:
    """Compose, and look at what would run where the words name it. Stops in between when nobody waits any more."""
    request = ComposeRequest(words, folder=workspace.root, files=files)
    composed = None
    try:
        composed = compose(request, workspace)
        is_run = words and words[0].startswith("experiment=") and not is_stale()
        mistakes = mistakes_of(composed, partial(resolve_quietly, composed, workspace) if is_run else None)
    except TrainconfError as error:
        mistakes = list(error.mistakes)
    return Look(composed, but_for_inputs(mistakes))


def look_at_commands(
    path: str, text: str, workspace: WorkspacePaths, files: ConfigFiles, is_stale: Callable[[], bool]
) -> dict[tuple[str, ...], list[Mistake]]:
    """What is wrong with each command in the comments of a choice's file; of a sweep with its first values, and with its expressions."""
    found: dict[tuple[str, ...], list[Mistake]] = {}
    for _, words in commands_in(text) if choice_of(path, workspace) is not None else ():
        if is_stale():
            break
        found[tuple(words)] = but_for_inputs(_look_at_command(words, workspace, files))
    return found


def _look_at_command(words: list[str], workspace: WorkspacePaths, files: ConfigFiles) -> list[Mistake]:
    overrides = [word for word in words if word not in SWEEP_FLAGS]
    request = ComposeRequest(overrides, folder=workspace.root, files=files)
    try:
        if len(overrides) < len(words):
            request.overrides = _first_values(request.overrides, workspace, files)
        composed = compose(request, workspace)
        return mistakes_of(composed, partial(resolve_quietly, composed, workspace))
    except TrainconfError as error:
        return list(error.mistakes)


def _first_values(overrides: list[str], workspace: WorkspacePaths, files: ConfigFiles) -> list[str]:
    """The overrides of a sweep, each with its first value. Raises ConfigError."""
    from trainconf.composition.hydra.loader import ConfigLoader
    from trainconf.composition.overrides import text_of
    from trainconf.composition.sweep.request import read_words
    from trainconf.resolve.search import config_dirs

    words = read_words(overrides, ConfigLoader(config_dirs(workspace, None), "config", files))
    return [text_of(axis.first) for axis in words.axes.values()]


def look_at_frozen(path: str, workspace: WorkspacePaths) -> list[Mistake]:
    """What of a frozen file is not as it was frozen, or keeps it from being run."""
    try:
        return frozen_mistakes(path, workspace, starts_programs=False)
    except TrainconfError as error:
        return list(error.mistakes)
