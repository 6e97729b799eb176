"""Trials of a sweep over a Hydra app: each is composed with the app's words, of which some are searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trainconf.composition.app.apply import AppOf
from trainconf.composition.plain.trials import SweepRequest
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.hydra_app import PARAMS, own_key, place_of
from trainconf.spec import canonical

if TYPE_CHECKING:
    from trainconf.composition.plain.trials import Composer


class AppTrials:
    """Composes trials; `params.KEY` of a trial is the app's KEY, or the choice of its group. See `composition.plain.trials.Composer`."""

    def __init__(
        self, composer: Composer, words: Sequence[str], typed: Mapping[str, str], workspace: WorkspacePaths, cwd: str | None
    ) -> None:
        """`words` are those that all trials share, `typed` what those of searched keys begin with, by key. Raises ConfigError."""
        self._composer = composer
        self._words = list(words)
        self._typed = typed
        self._workspace = workspace
        self._cwd = cwd
        self._apps: dict[str, AppOf] = {}
        self.base = self._with_app(composer.base, {})

    def at(self, trial: Mapping[str, Any], *, number: int = 0) -> Composed:
        """The config of one trial, by its number in the sweep. Raises ConfigError."""
        own = {key: value for key, value in trial.items() if not own_key(key)}
        values = {own_key(key): value for key, value in trial.items() if own_key(key)}
        return self._with_app(self._composer.at(own, number=number) if own else self._composer.base, values)

    def _with_app(self, base: Composed, values: Mapping[str, Any]) -> Composed:
        return self.app_of(base).with_words(self._words, values, base, typed=self._typed)

    def app_of(self, base: Composed) -> AppOf:
        """The app of a composed config: another experiment may have another one."""
        name = canonical([base.config["hydra_app"], base.config["source_directory"]])
        if name not in self._apps:
            self._apps[name] = AppOf(base, self._workspace, cwd=self._cwd)
        return self._apps[name]


def searched(
    asked: SweepRequest, words: Sequence[str], of_params: Sequence[str], workspace: WorkspacePaths, cwd: str | None
) -> SweepRequest:
    """A sweep whose base names an app, with `words` for that and overrides of params, of which some may vary.

    Raises ConfigError with all mistakes.
    """
    app = AppOf(asked.composer.base, workspace, cwd=cwd)
    read = app.app.searched([*app.app.words_of_params(of_params, ()), *words])
    fixed = [axis.words[0] for axis in read.axes.values() if axis.path not in read.specs]
    specs = {_param(path): spec for path, spec in read.specs.items()}
    zips = {name: {_param(path): values for path, values in columns.items()} for name, columns in read.zips.items()}
    typed = {place_of(axis.path): axis.key for axis in read.axes.values() if axis.path in read.specs}
    composer = AppTrials(asked.composer, fixed, typed, workspace, cwd)
    known = {_param(path) for path in read.fixed}
    return SweepRequest(composer, {**asked.specs, **specs}, {**asked.zips, **zips}, asked.fixed | known, None)


def _param(path: str) -> str:
    return f"{PARAMS}{place_of(path)}"
