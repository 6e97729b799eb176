"""Composes a `ComposeRequest`, and resolves it into what would run."""

from __future__ import annotations

import os
from contextlib import contextmanager

from trainconf.composition.cache import compose as compose_cached
from trainconf.composition.plain import app_words
from trainconf.errors import ConfigError, UserError
from trainconf.reporter import SILENT
from trainconf.resolve.hydra_app import joined, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from trainconf.composition.hydra.yaml_files import ConfigFiles
    from trainconf.composition.layers import Layer
    from trainconf.paths import WorkspacePaths
    from trainconf.reporter import Reporter
    from trainconf.resolve.composed import Composed
    from trainconf.resolve.resolver import Resolved

COMMAND_LINE = "command line"


class ComposeRequest:
    """A request to compose. `overrides` follow Hydra's grammar; files of the folder `config_dir` are found first.

    What follows `--` among the overrides becomes `words`, which are for the Hydra app that the config names.
    layers: values from a program, merged after the files and before the overrides. typed_in: where the overrides stand, which is how
    messages and origins name them. folder: to which their paths are relative, by default the current one. files: stand in for config
    files on disk, for an editor; what is composed from them is not cached.
    Raises UserError when `config_dir` is no folder.
    """

    __slots__ = ("config_dir", "config_name", "files", "folder", "layers", "overrides", "typed_in", "words")

    def __init__(
        self, overrides: Sequence[str] = (), config_name: str = "config", config_dir: str | None = None, layers: Sequence[Layer] = (), *,
        typed_in: str = COMMAND_LINE, folder: str | None = None, files: ConfigFiles | None = None,
    ) -> None:  # fmt: skip
        if config_dir is not None and not os.path.isdir(config_dir):
            raise UserError("--config-dir does not name a folder", ("path", os.path.abspath(config_dir)))
        self.overrides, self.words = split(overrides)
        self.config_name = config_name.removesuffix(".yaml")
        self.config_dir = config_dir
        self.layers = tuple(layers)
        self.typed_in = typed_in
        self.folder = folder
        self.files = files

    @property
    def texts(self) -> list[str]:
        """The overrides as they were given, with the app's."""
        return joined(self.overrides, self.words)


def compose(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> Composed:
    """The composed config, from the cache where that is proven equal. Raises ConfigError."""
    with naming(request):
        found = _composed(request, workspace, reporter)
    _name_origins(found, request)
    return found


def _composed(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter) -> Composed:
    places: dict[str, Any] = {"config_dir": request.config_dir, "config_name": request.config_name}

    def of_ours(overrides: list[str]) -> Composed:
        if request.files is not None:
            from trainconf.composition.compose import compose as compose_now

            return compose_now(overrides, workspace, layers=request.layers, files=request.files, **places)
        return compose_cached(overrides, workspace, layers=request.layers, **places)

    found, of_params = app_words.beside_params(request.overrides, of_ours, lambda found: found)
    found.config_name = request.config_name  # the cache does not say it
    found.layers, found.folder = request.layers, request.folder or ""
    found = _with_app(found, request.words, of_params, workspace, request.folder)
    report_notes(found, reporter)
    return found


def _with_app(
    composed: Composed, words: Sequence[str], of_params: Sequence[str], workspace: WorkspacePaths, cwd: str | None
) -> Composed:
    """A composed config with the params of the Hydra app that it names; as it is where it names none. Raises ConfigError."""
    if not app_words.is_of_app(composed, words):
        return composed
    from trainconf.composition.app.apply import AppOf

    return AppOf(composed, workspace, cwd=cwd).with_words(words, of_params=of_params)


def resolve(request: ComposeRequest, workspace: WorkspacePaths, reporter: Reporter = SILENT) -> Resolved:
    """What would run. Raises ConfigError."""
    from trainconf.resolve.resolver import resolve as resolve_composed

    with naming(request):
        resolved = resolve_composed(_composed(request, workspace, reporter), workspace, cwd=request.folder)
    _name_origins(resolved.composed, request)
    return resolved


def resolve_quietly(composed: Composed, workspace: WorkspacePaths) -> None:
    """Look at what would run, without starting a program or asking an engine: software that only those know is not looked at.

    Raises ConfigError.
    """
    from trainconf.resolve.resolver import resolve as resolve_composed
    from trainconf.spec import EnvironmentSpec

    resolve_composed(composed, workspace, cwd=workspace.root, software=EnvironmentSpec() if asked_about_software(composed) else None)


def asked_about_software(composed: Composed) -> str:
    """The Python that would be started, or the image that an engine would be asked for, to know the software; empty where files tell."""
    env = composed.config["env"]
    return str((env.get("python") or {}).get("interpreter_path") or (env.get("docker") or {}).get("image") or "")


@contextmanager
def naming(request: ComposeRequest) -> Iterator[None]:
    """Let mistakes say where the overrides stand."""
    try:
        yield
    except ConfigError as error:
        for mistake in error.mistakes if request.typed_in != COMMAND_LINE else ():
            mistake.facts = tuple((label, _named(text, request.typed_in)) for label, text in mistake.facts)
        raise ConfigError(error.mistakes) from error


def _name_origins(composed: Composed, request: ComposeRequest) -> None:
    """The same for origins: last, for a path that was typed is relative to where it was typed."""
    if request.typed_in != COMMAND_LINE:
        composed.origins = {key: _named(origin, request.typed_in) for key, origin in composed.origins.items()}


def _named(text: str, typed_in: str) -> str:
    return typed_in + text[len(COMMAND_LINE) :] if text.startswith(COMMAND_LINE) else text


def report_notes(composed: Composed, reporter: Reporter) -> None:
    """Say which settings have no effect."""
    for note in composed.notes:
        reporter.info(f"note: {note}")
